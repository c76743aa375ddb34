// SPDX-License-Identifier: MIT
// A tar, member by member. Header blocks that are given are used where they say exactly what the
// member says, so that what was read comes out as it was; else they are made anew.
#pragma once

#include "libimg/archive/member.h"
#include "libimg/base/byte_sink.h"

namespace img::archive {

class TarWriter {
 public:
  explicit TarWriter(ByteSink& out) : out_(out) {}

  /// Then content(), as often as it takes to give `member.size` bytes of a file.
  [[nodiscard]] Result<void> begin(const Member& member, Bytes head = {});
  [[nodiscard]] Result<void> content(Bytes bytes);
  /// `tail` is what the archive ended with; two blocks of zeros where it was no end.
  [[nodiscard]] Result<void> finish(const std::vector<Bytes>* tail = nullptr);

 private:
  [[nodiscard]] Result<void> end_member();

  ByteSink& out_;
  std::string path_;
  std::uint64_t left_ = 0;  // of the content
  std::uint64_t size_ = 0;
};

/// Header blocks that say what the member says.
[[nodiscard]] Result<std::string> make_head(const Member& member);

}  // namespace img::archive
