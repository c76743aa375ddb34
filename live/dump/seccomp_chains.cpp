// SPDX-License-Identifier: MIT
#include "live/dump/seccomp_chains.h"

#include <ranges>

#include "schema/seccomp_generated.h"

namespace img::dump {
namespace {

constexpr std::uint64_t kLongestChain = 32'768;  // the kernel allows that many instructions

}  // namespace

Result<std::uint32_t> SeccompChains::add(const trace::Tracee& thread) {
  std::vector<trace::SeccompProgram> chain;  // the newest first
  for (;;) {
    IMG_ASSIGN(auto program, thread.seccomp_program(chain.size()));
    if (!program) {
      break;
    }
    chain.push_back(std::move(*program));
    if (chain.size() > kLongestChain) {
      return fail(Fault::limit, "task " + std::to_string(thread.tid()), "seccomp filters",
                  "more than " + std::to_string(kLongestChain));
    }
  }
  if (chain.empty()) {
    return fail(Fault::io, "task " + std::to_string(thread.tid()), "seccomp filters",
                "the kernel shows none");
  }
  std::optional<std::uint32_t> last;
  for (trace::SeccompProgram& program : chain | std::views::reverse) {
    const auto flags = static_cast<std::uint32_t>(program.flags);
    const auto [found, is_new] = known_.try_emplace(Key(last, flags, program.instructions),
                                                    static_cast<std::uint32_t>(filters_.size()));
    if (is_new) {
      filters_.push_back({std::move(program.instructions), flags, last});
    }
    last = found->second;
  }
  return *last;
}

void SeccompChains::finish(RecordBuffer& records) const {
  auto& builder = records.begin();
  std::vector<flatbuffers::Offset<schema::SeccompFilter>> filters;
  for (const Filter& filter : filters_) {
    const auto program =
        builder.CreateVector(reinterpret_cast<const std::uint8_t*>(filter.instructions.data()),
                             filter.instructions.size());
    schema::SeccompFilterBuilder out(builder);
    out.add_filter(program);
    if (filter.previous) {
      out.add_prev(*filter.previous);
    }
    out.add_flags(filter.flags);
    filters.push_back(out.Finish());
  }
  const auto all = filters.empty() ? 0 : builder.CreateVector(filters);
  schema::SeccompEntryBuilder entry(builder);
  if (!filters.empty()) {
    entry.add_seccomp_filters(all);
  }
  records.add(Kind::seccomp, 0, entry.Finish());
}

}  // namespace img::dump
