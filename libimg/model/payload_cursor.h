// SPDX-License-Identifier: MIT
// The bytes of a payload, one piece after the other.
#pragma once

#include <algorithm>
#include <cstdint>

#include "libimg/model/record.h"

namespace img::model {

class PayloadCursor {
 public:
  explicit PayloadCursor(const Payload& payload) : payload_(payload), left_(payload.size()) {}

  [[nodiscard]] std::uint64_t left() const { return left_; }
  /// The caller has checked left().
  void skip(std::uint64_t bytes) {
    left_ -= bytes;
    while (bytes > 0) {
      const std::uint64_t here = std::min<std::uint64_t>(bytes, part().size());
      advance(here);
      bytes -= here;
    }
  }
  /// The next bytes, at most `bytes`; the caller has checked left().
  [[nodiscard]] Bytes take(std::uint64_t bytes) {
    const Bytes here = part().first(std::min<std::uint64_t>(bytes, part().size()));
    left_ -= here.size();
    advance(here.size());
    return here;
  }

 private:
  [[nodiscard]] Bytes part() {
    while (payload_.parts[index_].size() == at_) {
      ++index_;
      at_ = 0;
    }
    return payload_.parts[index_].subspan(at_);
  }
  void advance(std::uint64_t bytes) { at_ += bytes; }

  const Payload& payload_;
  std::size_t index_ = 0;
  std::size_t at_ = 0;
  std::uint64_t left_;
};

}  // namespace img::model
