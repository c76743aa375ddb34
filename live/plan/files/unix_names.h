// SPDX-License-Identifier: MIT
// Names of unix sockets: how they are bound, and how others are connected to them. A socket whose
// file had been deleted gets its name back for the moment of bind(2) only; whoever has that name by
// now is put aside meanwhile.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "live/plan/files/sockets.h"

namespace img::plan {

[[nodiscard]] Bytes name_of(const schema::UnixSkEntry& entry);
/// "unix socket:[77] (/run/x)", for messages.
[[nodiscard]] std::string label(const schema::UnixSkEntry& entry);

class UnixNames {
 public:
  /// Nothing, where it has no name.
  void bind(FileContext& context, Slot slot, const schema::UnixSkEntry& entry);
  /// By the name of `to`, which is bound or belongs to somebody outside.
  [[nodiscard]] Result<void> connect(FileContext& context, Slot slot,
                                     const schema::UnixSkEntry& to);
  /// Somebody outside has this name on this machine; `hint`: what to do where nobody has.
  void expect_service(FileContext& context, const schema::UnixSkEntry& service, std::string hint);
  /// Nobody is connected by name any more.
  void finish(FileContext& context);

 private:
  void bind_deleted(FileContext& context, Slot slot, const schema::UnixSkEntry& entry);
  [[nodiscard]] bool enter(FileContext& context, const schema::UnixSkEntry& entry);
  void leave(FileContext& context, bool entered);

  std::map<std::uint32_t, Slot> deleted_;  // O_PATH descriptors of socket files without a name
  std::optional<Slot> here_;
  std::optional<Slot> outside_;
};

}  // namespace img::plan
