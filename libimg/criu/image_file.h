// SPDX-License-Identifier: MIT
// Opens one file of an image: regular, in this directory, through no link, without waiting.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libimg/base/bytes.h"
#include "libimg/base/mapped_file.h"
#include "libimg/base/result.h"
#include "libimg/criu/damage.h"

namespace img::criu {

/// The file's bytes: in a buffer that the next small file reuses, or mapped.
class ImageFileBytes {
 public:
  /// `place` is put before the name in errors of the system. A file that is not there, or is no
  /// regular file, is a Damage.
  [[nodiscard]] Result<Bytes> open(int directory, const std::string& name,
                                   const std::string& place);
  /// From now on map files however small, so that this one can be kept and cost nothing.
  void always_map() { read_at_most_ = 0; }
  /// For memory pages, which many readers only count.
  void rarely_touched() { read_at_most_ = 16 * 1024; }
  /// For files that lie elsewhere: these bytes, or why there are none.
  [[nodiscard]] Bytes lend(Bytes bytes);
  [[nodiscard]] Failure refuse(DamageKind kind, const std::string& name, std::string text);
  [[nodiscard]] const std::optional<Damage>& damage() const { return damage_; }

 private:
  // Below this a read costs less than mapping, faulting and unmapping.
  std::uint64_t read_at_most_ = 256 * 1024;
  std::vector<std::byte> buffer_;
  MappedFile mapped_;
  std::optional<Damage> damage_;
};

}  // namespace img::criu
