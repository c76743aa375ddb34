// SPDX-License-Identifier: MIT
// The seccomp filters of all threads: chains that begin alike are kept once, as the kernel shares
// them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <tuple>
#include <vector>

#include "live/dump/dump_context.h"

namespace img::dump {

class SeccompChains {
 public:
  /// The number of the thread's newest filter.
  [[nodiscard]] Result<std::uint32_t> add(const trace::Tracee& thread);
  /// seccomp.img, which is there in every image.
  void finish(RecordBuffer& records) const;

 private:
  struct Filter {
    std::vector<std::byte> instructions;
    std::uint32_t flags = 0;
    std::optional<std::uint32_t> previous;
  };
  using Key = std::tuple<std::optional<std::uint32_t>, std::uint32_t, std::vector<std::byte>>;

  std::vector<Filter> filters_;
  std::map<Key, std::uint32_t> known_;
};

}  // namespace img::dump
