// SPDX-License-Identifier: MIT
#include "live/plan/seccomp.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <algorithm>

namespace img::plan {
namespace {
constexpr std::size_t kMostFilters = 1024;
constexpr std::uint32_t kKeptFlags = SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW;
constexpr std::size_t kMostInstructions = 4096;
}  // namespace

Result<std::vector<std::uint32_t>> SeccompPlanner::chain_of(const ThreadImage& thread) const {
  std::vector<std::uint32_t> chain;
  if (thread.own().seccomp_mode().value_or(schema::SeccompMode::disabled) !=
      schema::SeccompMode::filter) {
    return chain;
  }
  const auto* all = image_.seccomp() == nullptr ? nullptr : image_.seccomp()->seccomp_filters();
  std::uint32_t next = thread.own().seccomp_filter().value_or(0);
  for (;;) {
    if (all == nullptr || next >= all->size() || chain.size() >= kMostFilters) {
      return fail(Fault::corrupt, "seccomp.img", "thread " + std::to_string(thread.tid),
                  "its filters are not there");
    }
    const schema::SeccompFilter& filter = *all->Get(next);
    const std::size_t bytes = filter.filter()->size();
    if (bytes == 0 || bytes % sizeof(sock_filter) != 0 ||
        bytes / sizeof(sock_filter) > kMostInstructions) {
      return fail(Fault::corrupt, "seccomp.img", "filter " + std::to_string(next),
                  "impossible length");
    }
    chain.push_back(next);
    if (!filter.prev()) {
      break;
    }
    if (*filter.prev() >= next) {
      return fail(Fault::corrupt, "seccomp.img", "filter " + std::to_string(next),
                  "the one before it is not older");
    }
    next = *filter.prev();
  }
  std::reverse(chain.begin(), chain.end());
  return chain;
}

void SeccompPlanner::install(Actor actor, std::uint32_t index) {
  const schema::SeccompFilter& filter = *image_.seccomp()->seccomp_filters()->Get(index);
  const auto& code = *filter.filter();
  const DataId program = builder_.data(std::as_bytes(std::span(code.data(), code.size())));
  sock_fprog head{};
  head.len = static_cast<unsigned short>(code.size() / sizeof(sock_filter));
  const DataId block = builder_.object(head, {{offsetof(sock_fprog, filter), 8, program}});
  builder_.call(actor, SYS_seccomp,
                {SECCOMP_SET_MODE_FILTER, filter.flags().value_or(0) & kKeptFlags, block},
                "seccomp filter " + std::to_string(index));
}

Result<void> SeccompPlanner::install_common() {
  const bool is_any =
      std::any_of(task_.threads.begin(), task_.threads.end(), [](const ThreadImage& one) {
        return one.own().seccomp_mode().value_or(schema::SeccompMode::disabled) !=
               schema::SeccompMode::disabled;
      });
  if (is_any && !facts_.can_suspend_seccomp) {
    builder_.refuse(state::refusal(state::Piece::seccomp_without_right,
                                   "process " + std::to_string(task_.pid())));
    return {};
  }
  IMG_ASSIGN(std::vector<std::uint32_t> common, chain_of(task_.threads[0]));
  for (const ThreadImage& thread : task_.threads) {
    IMG_ASSIGN(const std::vector<std::uint32_t> chain, chain_of(thread));
    const auto differ = std::mismatch(common.begin(), common.end(), chain.begin(), chain.end());
    common.erase(differ.first, common.end());
  }
  common_ = common.size();
  for (const std::uint32_t index : common) {
    install({task_.pid()}, index);
  }
  return {};
}

Result<void> SeccompPlanner::install_rest(const ThreadImage& thread) {
  IMG_ASSIGN(const std::vector<std::uint32_t> chain, chain_of(thread));
  for (std::size_t i = common_; i < chain.size(); ++i) {
    install({thread.tid}, chain[i]);
  }
  if (thread.own().seccomp_mode().value_or(schema::SeccompMode::disabled) ==
      schema::SeccompMode::strict) {
    builder_.call({thread.tid}, SYS_prctl, {PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0},
                  "strict seccomp");
  }
  return {};
}

}  // namespace img::plan
