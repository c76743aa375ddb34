// SPDX-License-Identifier: MIT
// The packs of a store that are mapped now: each once, however many images refer to it, and found
// again by an address inside.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "libimg/store/pack_reader.h"

namespace img::store {

class MappedPacks {
 public:
  struct Place {
    Id pack;
    std::uint64_t offset = 0;
  };

  /// Fault::missing if there is no such file. `bytes` is the size it was sealed with.
  [[nodiscard]] Result<std::shared_ptr<const PackReader>> open(int packs, const Id& id,
                                                               std::uint64_t bytes,
                                                               const std::string& place);
  /// Where bytes are that lie in one of them.
  [[nodiscard]] std::optional<Place> find(Bytes bytes) const;

 private:
  struct Mapped {
    Id id;
    std::weak_ptr<const PackReader> reader;
  };

  mutable std::mutex mutex_;
  std::map<Id, std::weak_ptr<const PackReader>> by_id_;
  std::map<const std::byte*, Mapped> by_address_;  // of the first byte
};

}  // namespace img::store
