// SPDX-License-Identifier: MIT
// A sealed pack, mapped. Bytes are checked against the pack's size, not against its hashes: that
// is what verify_pack() is for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "libimg/base/bytes.h"
#include "libimg/base/mapped_file.h"
#include "libimg/base/result.h"
#include "libimg/store/id.h"

namespace img::store {

class PackReader {
 public:
  /// `bytes` is the size it was sealed with. Fault::missing if there is no such file.
  [[nodiscard]] static Result<PackReader> open(int packs, const Id& id, std::uint64_t bytes,
                                               const std::string& place);

  /// Valid as long as this reader.
  [[nodiscard]] Result<Bytes> bytes(std::uint64_t offset, std::uint64_t length) const;
  [[nodiscard]] std::uint64_t size() const { return file_.bytes().size(); }

 private:
  MappedFile file_;
  std::string thing_;
};

/// The hashes of a sealed pack, mapped.
class PackHashes {
 public:
  /// Fault::corrupt where they do not match `digest`.
  [[nodiscard]] static Result<PackHashes> open(int packs, const Id& id, std::uint64_t bytes,
                                               const Id& digest, const std::string& place);

  /// The first of `blocks` (whole ones, from block `first` on) that differs from its hash.
  [[nodiscard]] std::optional<std::uint64_t> first_difference(std::uint64_t first,
                                                              Bytes blocks) const;

 private:
  MappedFile file_;
};

/// Reads the whole pack and compares each block with its hash, and the hashes with `digest`; the
/// first one that differs is the error.
[[nodiscard]] Result<void> verify_pack(int packs, const Id& id, std::uint64_t bytes,
                                       const Id& hashes_digest, const std::string& place);

}  // namespace img::store
