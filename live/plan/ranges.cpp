// SPDX-License-Identifier: MIT
#include "live/plan/ranges.h"

#include <algorithm>

namespace img::plan {

void add_range(Ranges& to, Range one) {
  if (one.start >= one.end) {
    return;
  }
  if (!to.empty() && to.back().end >= one.start) {
    to.back().end = std::max(to.back().end, one.end);
  } else {
    to.push_back(one);
  }
}

Ranges common_to(const Ranges& a, const Ranges& b) {
  Ranges out;
  auto other = b.begin();
  for (const Range& one : a) {
    while (other != b.end() && other->end <= one.start) {
      ++other;
    }
    for (auto at = other; at != b.end() && at->start < one.end; ++at) {
      add_range(out, {std::max(one.start, at->start), std::min(one.end, at->end)});
    }
  }
  return out;
}

Ranges without(const Ranges& a, const Ranges& b) {
  Ranges out;
  auto other = b.begin();
  for (const Range& one : a) {
    while (other != b.end() && other->end <= one.start) {
      ++other;
    }
    std::uint64_t from = one.start;
    for (auto at = other; at != b.end() && at->start < one.end; ++at) {
      add_range(out, {from, std::max(from, at->start)});
      from = std::max(from, at->end);
    }
    add_range(out, {from, one.end});
  }
  return out;
}

}  // namespace img::plan
