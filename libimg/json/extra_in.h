// SPDX-License-Identifier: MIT
// What an entry has besides its message: `extra`, and our `_extra` and `_original`. Bytes go
// through a spool, so that a file of any size can be in them.
#pragma once

#include "libimg/base/spool.h"
#include "libimg/criu/encoder.h"
#include "libimg/criu/wire.h"
#include "libimg/json/message_in.h"
#include "libimg/model/record.h"

namespace img::json {

class ExtraIn final : public MemberReader {
 public:
  /// Large payloads are kept in files of `directory`.
  explicit ExtraIn(std::string directory) : first_(directory), second_(std::move(directory)) {}

  /// Before an entry of a file of `kind`.
  void begin(Parser& parser, const schema::KindInfo& kind, criu::WordOrder order);
  [[nodiscard]] Result<bool> member(std::string_view key) override;

  /// After the entry: gives the record its payload. It must be what the message says, unless it
  /// was `_extra`, which says that it is not.
  [[nodiscard]] Result<void> give(model::Record& record);
  /// Empty: none was given.
  [[nodiscard]] Bytes original() const { return as_bytes(original_.text); }

 private:
  enum class Given : std::uint8_t { nothing, extra, raw };

  [[nodiscard]] Result<void> base64(ByteSink& sink);
  [[nodiscard]] Result<void> extra();
  [[nodiscard]] Result<void> queues();
  [[nodiscard]] Result<void> numbers();
  [[nodiscard]] Result<void> messages();
  [[nodiscard]] Result<void> message(bool& more);
  [[nodiscard]] Result<void> check_size(const model::Record& record);

  Parser* parser_ = nullptr;
  const schema::KindInfo* kind_ = nullptr;
  criu::WordOrder order_;
  Given given_ = Given::nothing;
  Spool first_;
  Spool second_;             // of a TCP stream: what waits to be sent
  std::uint64_t count_ = 0;  // numbers or queued messages
  StringSink original_;
  MessageIn message_;
  criu::Encoder encoder_;
};

}  // namespace img::json
