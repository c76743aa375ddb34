// SPDX-License-Identifier: MIT
#include "libimg/show/mappings.h"

#include <fmt/core.h>

#include <algorithm>

#include "libimg/model/address_space.h"
#include "libimg/model/vma.h"
#include "libimg/show/open_file_words.h"

namespace img::show {
namespace {

using model::PageRun;

namespace vma = model::vma;

struct Naming {
  std::uint32_t status;
  MappingKind kind;
  std::string_view words;
};

// The first that fits: a mapping of a memfd is also one of a shared file.
constexpr Naming kNamings[] = {
    {vma::kGuard, MappingKind::guard, "[guard]"},
    {vma::kHeap, MappingKind::heap, "[heap]"},
    {vma::kStack, MappingKind::stack, "[stack]"},
    {vma::kVdso, MappingKind::special, "[vdso]"},
    {vma::kVvar, MappingKind::special, "[vvar]"},
    {vma::kVsyscall, MappingKind::special, "[vsyscall]"},
    {vma::kUprobes, MappingKind::special, "[uprobes]"},
    {vma::kAioRing, MappingKind::special, "[aio ring]"},
    {vma::kSocket, MappingKind::special, "packet ring of"},
    {vma::kShadowStack, MappingKind::stack, "[shadow stack]"},
    {vma::kSysvIpc, MappingKind::sysv, "System V segment"},
    {vma::kMemfd, MappingKind::memfd, ""},
    {vma::kFilePrivate, MappingKind::file, ""},
    {vma::kFileShared, MappingKind::shared_file, ""},
    {vma::kAnonShared, MappingKind::shared_anonymous, "shared memory"},
};

const Naming* naming_of(std::uint32_t status) {
  const auto found = std::ranges::find_if(
      kNamings, [status](const Naming& naming) { return (status & naming.status) != 0; });
  return found == std::end(kNamings) ? nullptr : found;
}

Mapping from(const schema::VmaEntry& entry) {
  Mapping mapping;
  mapping.start = entry.start();
  mapping.end = std::max(entry.end(), entry.start());
  mapping.offset = entry.pgoff();
  mapping.object = entry.shmid();
  mapping.protection = entry.prot();
  mapping.flags = entry.flags();
  mapping.status = entry.status();
  const Naming* naming = naming_of(mapping.status);
  mapping.kind = naming == nullptr ? MappingKind::anonymous : naming->kind;
  return mapping;
}

std::uint64_t bytes_of(const PageRun& run, std::uint64_t page_size) {
  return std::min(run.pages, (UINT64_MAX - run.address) / page_size) * page_size;
}

/// A run may cover several mappings that touch, and gaps where the image is wrong.
void count_run(Mappings& mappings, const PageRun& run, std::uint64_t page_size) {
  std::uint64_t at = run.address;
  const std::uint64_t end = at + bytes_of(run, page_size);
  auto next = std::ranges::upper_bound(mappings.all, at, {}, &Mapping::end);
  while (at < end) {
    if (next == mappings.all.end() || next->start >= end) {
      count(mappings.outside, run.flags, end - at);
      return;
    }
    if (next->start > at) {
      count(mappings.outside, run.flags, next->start - at);
      at = next->start;
    }
    const std::uint64_t stop = std::min(end, next->end);
    count(next->pages, run.flags, stop > at ? stop - at : 0);
    at = std::max(at, stop);
    ++next;
  }
}

void for_each_run(Subject& subject, FileKey pagemap,
                  const std::function<void(const PageRun&)>& use) {
  if (auto done = model::for_each_run(subject.reader(), pagemap, use); !done) {
    subject.trouble(std::move(done).error());
  }
}

/// One object's pages into all mappings that show it; each object is read once.
void count_shared(Subject& subject, Mappings& mappings, std::uint64_t page_size) {
  std::vector<Mapping*> showing;
  for (Mapping& mapping : mappings.all) {
    if (mapping.shared) {
      showing.push_back(&mapping);
    }
  }
  std::ranges::sort(showing, {},
                    [](const Mapping* one) { return std::pair(*one->shared, one->offset); });
  for (std::size_t begin = 0, end = 0; begin < showing.size(); begin = end) {
    while (end < showing.size() && showing[end]->shared == showing[begin]->shared) {
      ++end;
    }
    std::size_t first = begin;
    for_each_run(subject, *showing[begin]->shared, [&](const PageRun& run) {
      const std::uint64_t stop = run.address + bytes_of(run, page_size);
      const auto end_of = [&](std::size_t at) {
        return showing[at]->offset + (showing[at]->end - showing[at]->start);
      };
      while (first < end && end_of(first) <= run.address) {
        ++first;
      }
      for (std::size_t at = first; at < end && showing[at]->offset < stop; ++at) {
        const std::uint64_t from = std::max(run.address, showing[at]->offset);
        const std::uint64_t to = std::min(stop, end_of(at));
        count(showing[at]->shared_pages, run.flags, to > from ? to - from : 0);
      }
    });
  }
}

}  // namespace

std::string_view mapping_kind_name(MappingKind kind) {
  switch (kind) {
    case MappingKind::anonymous: return "anonymous";
    case MappingKind::heap: return "heap";
    case MappingKind::stack: return "stack";
    case MappingKind::file: return "file";
    case MappingKind::shared_file: return "shared file";
    case MappingKind::shared_anonymous: return "shared anonymous";
    case MappingKind::sysv: return "sysv";
    case MappingKind::memfd: return "memfd";
    case MappingKind::special: return "special";
    case MappingKind::guard: return "guard";
  }
  return "unknown";
}

Mappings places_of(Subject& subject, std::uint32_t pid) {
  Mappings mappings;
  subject.each<schema::MmEntry>({Kind::mm, pid}, [&](const schema::MmEntry& mm, auto&) {
    if (mm.vmas() != nullptr) {
      for (const schema::VmaEntry* entry : *mm.vmas()) {
        mappings.all.push_back(from(*entry));
        Mapping& mapping = mappings.all.back();
        const std::uint64_t stack = mm.mm_start_stack();
        if (mapping.kind == MappingKind::anonymous && mapping.start <= stack &&
            stack < mapping.end) {
          mapping.kind = MappingKind::stack;
        }
      }
    }
  });
  subject.each<schema::VmaEntry>({Kind::vmas, pid}, [&](const schema::VmaEntry& entry, auto&) {
    mappings.all.push_back(from(entry));
  });
  // Guard regions come last in an image although they lie inside of other mappings.
  const auto guards = std::ranges::stable_partition(
      mappings.all, [](const Mapping& mapping) { return mapping.kind != MappingKind::guard; });
  std::ranges::stable_sort(mappings.all.begin(), guards.begin(), {}, &Mapping::start);
  for (Mapping& mapping : mappings.all) {
    mapping.shared =
        subject.shared_memory().under(mapping.status, mapping.object, subject.open_files());
    if (mapping.shared && !subject.has(*mapping.shared)) {
      mapping.shared.reset();
    }
  }
  return mappings;
}

Mappings mappings_of(Subject& subject, std::uint32_t pid) {
  Mappings mappings = places_of(subject, pid);
  const auto guards = std::ranges::find(mappings.all, MappingKind::guard, &Mapping::kind);
  const std::vector<Mapping> kept(guards, mappings.all.end());
  mappings.all.erase(guards, mappings.all.end());
  const std::uint64_t page_size = subject.reader().header().page_size();
  for_each_run(subject, {Kind::pagemap, pid},
               [&](const PageRun& run) { count_run(mappings, run, page_size); });
  count_shared(subject, mappings, page_size);
  mappings.all.insert(mappings.all.end(), kept.begin(), kept.end());
  return mappings;
}

PageSums sums_of(Subject& subject, FileKey pagemap) {
  PageSums sums;
  const std::uint64_t page_size = subject.reader().header().page_size();
  for_each_run(subject, pagemap, [&](const PageRun& run) {
    count(sums, run.flags, std::min(run.pages, UINT64_MAX / page_size) * page_size);
  });
  return sums;
}

std::string mapping_path(Subject& subject, const Mapping& mapping) {
  const bool is_file = mapping.kind == MappingKind::file ||
                       mapping.kind == MappingKind::shared_file ||
                       mapping.kind == MappingKind::memfd;
  if (!is_file || mapping.object > UINT32_MAX) {
    return {};
  }
  const auto* file = subject.open_files().find(static_cast<std::uint32_t>(mapping.object));
  return file == nullptr ? std::string() : words_of(subject, *file).path;
}

std::string mapping_words(Subject& subject, const Mapping& mapping) {
  const Naming* naming = naming_of(mapping.status);
  if (naming == nullptr) {
    return mapping.kind == MappingKind::stack          ? "[stack]"
           : (mapping.flags & vma::kMapGrowsDown) != 0 ? "[grows down]"
                                                       : "";
  }
  if (!naming->words.empty()) {
    const bool has_id = naming->words.front() != '[';
    return has_id ? fmt::format("{} {}", naming->words, mapping.object)
                  : std::string(naming->words);
  }
  return mapping.object > UINT32_MAX
             ? fmt::format("object {:#x}", mapping.object)
             : file_words(subject, static_cast<std::uint32_t>(mapping.object));
}

}  // namespace img::show
