// SPDX-License-Identifier: MIT
#include "live/dump/cow_pages.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "libimg/base/unique_fd.h"

namespace img::dump {
namespace {

using procfs::kPageBytes;

constexpr std::size_t kPagesAtOnce = 4096;
constexpr std::uint64_t kPresent = std::uint64_t{1} << 63;
constexpr std::uint64_t kFrame = (std::uint64_t{1} << 55) - 1;

class Frames {
 public:
  explicit Frames(pid_t pid)
      : fd_(::open(("/proc/" + std::to_string(pid) + "/pagemap").c_str(), O_RDONLY | O_CLOEXEC)) {}

  /// 0 where there is none, or none that we may see.
  void read(std::uint64_t address, std::size_t pages, std::vector<std::uint64_t>& out) const {
    out.assign(pages, 0);
    const ssize_t got = ::pread(fd_.get(), out.data(), pages * sizeof out[0],
                                static_cast<off_t>(address / kPageBytes * sizeof out[0]));
    out.resize(got < 0 ? 0 : static_cast<std::size_t>(got) / sizeof out[0]);
    out.resize(pages, 0);
    for (std::uint64_t& entry : out) {
      entry = (entry & kPresent) != 0 ? entry & kFrame : 0;
    }
  }

 private:
  UniqueFd fd_;
};

void append(std::vector<trace::RemoteRange>& out, std::uint64_t address) {
  if (!out.empty() && out.back().start + out.back().bytes == address) {
    out.back().bytes += kPageBytes;
  } else {
    out.push_back({address, kPageBytes});
  }
}

}  // namespace

Result<std::vector<trace::RemoteRange>> common_pages(const PagePlan& child,
                                                     const PagePlan& parent) {
  const Frames of_child(child.pid);
  const Frames of_parent(parent.pid);
  std::vector<trace::RemoteRange> out;
  std::vector<std::uint64_t> before;
  std::vector<std::uint64_t> its;
  std::vector<std::uint64_t> after;
  auto other = parent.spans.begin();
  for (const PageSpan& span : child.spans) {
    while (other != parent.spans.end() && other->end() <= span.address) {
      ++other;
    }
    for (auto at = other; at != parent.spans.end() && at->address < span.end(); ++at) {
      const std::uint64_t end = std::min(at->end(), span.end());
      for (std::uint64_t from = std::max(at->address, span.address); from < end;) {
        const std::size_t pages = std::min<std::size_t>((end - from) / kPageBytes, kPagesAtOnce);
        // A frame that is the parent's before and after we see it at the child was not moved and
        // given away in between.
        of_parent.read(from, pages, before);
        of_child.read(from, pages, its);
        of_parent.read(from, pages, after);
        for (std::size_t i = 0; i < pages; ++i, from += kPageBytes) {
          if (its[i] != 0 && its[i] == before[i] && its[i] == after[i]) {
            append(out, from);
          }
        }
      }
    }
  }
  return out;
}

}  // namespace img::dump
