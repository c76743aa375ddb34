// SPDX-License-Identifier: MIT
#include "libimg/show/process_memory.h"

#include <algorithm>

#include "libimg/show/mappings.h"

namespace img::show {
namespace {

struct Range {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// Pages of a shared object at the addresses where a mapping shows them.
class Shown : public model::MemorySink {
 public:
  Shown(model::MemorySink& to, const Mapping& mapping) : to_(to), mapping_(mapping) {}
  Result<void> memory(std::uint64_t offset, Bytes bytes) override {
    return to_.memory(mapping_.start + (offset - mapping_.offset), bytes);
  }
  Result<void> missing(std::uint64_t offset, std::uint64_t bytes) override {
    return to_.missing(mapping_.start + (offset - mapping_.offset), bytes);
  }

 private:
  model::MemorySink& to_;
  const Mapping& mapping_;
};

/// The process's own pages in a mapping, ascending.
Result<std::vector<Range>> own_pages(Subject& subject, FileKey pagemap, const Range& in) {
  std::vector<Range> own;
  const std::uint64_t page_size = subject.reader().header().page_size();
  IMG_TRY(model::for_each_run(subject.reader(), pagemap, [&](const model::PageRun& run) {
    const std::uint64_t room = (UINT64_MAX - run.address) / page_size;
    const Range cut{std::max(run.address, in.begin),
                    std::min(run.address + std::min(run.pages, room) * page_size, in.end)};
    if (cut.begin < cut.end && (run.is_present() || run.is_in_parent())) {
      own.push_back(cut);
    }
  }));
  std::ranges::sort(own, {}, &Range::begin);
  return own;
}

class Visit {
 public:
  Visit(Subject& subject, FileKey pagemap, model::MemorySink& sink)
      : subject_(subject), pagemap_(pagemap), space_(subject.reader(), pagemap), sink_(sink) {}

  Result<void> own(std::uint64_t begin, std::uint64_t end) {
    return begin < end ? space_.visit(begin, end, sink_) : Result<void>();
  }
  /// What lies under gaps between the process's own pages is the object's.
  Result<void> shared(const Mapping& mapping, const Range& in) {
    IMG_ASSIGN(const std::vector<Range> pages, own_pages(subject_, pagemap_, in));
    std::uint64_t at = in.begin;
    for (const Range& range : pages) {
      IMG_TRY(object(mapping, {at, range.begin}));
      IMG_TRY(own(std::max(at, range.begin), range.end));
      at = std::max(at, range.end);
    }
    return object(mapping, {at, in.end});
  }

 private:
  Result<void> object(const Mapping& mapping, const Range& in) {
    if (in.begin >= in.end) {
      return {};
    }
    Shown shown(sink_, mapping);
    model::AddressSpace object(subject_.reader(), *mapping.shared);
    const std::uint64_t begin = mapping.offset + (in.begin - mapping.start);
    return object.visit(begin, begin + (in.end - in.begin), shown);
  }

  Subject& subject_;
  FileKey pagemap_;
  model::AddressSpace space_;
  model::MemorySink& sink_;
};

}  // namespace

Result<void> visit_process(Subject& subject, std::uint32_t pid, std::uint64_t begin,
                           std::uint64_t end, model::MemorySink& sink) {
  Visit visit(subject, {Kind::pagemap, pid}, sink);
  std::uint64_t at = begin;
  for (const Mapping& mapping : places_of(subject, pid).all) {
    const Range in{std::max(mapping.start, at), std::min(mapping.end, end)};
    if (!mapping.shared || in.begin >= in.end) {
      continue;
    }
    IMG_TRY(visit.own(at, in.begin));
    IMG_TRY(visit.shared(mapping, in));
    at = in.end;
  }
  return visit.own(at, end);
}

std::map<FileKey, std::vector<Sight>> sights_of_shared(Subject& subject) {
  std::map<FileKey, std::vector<Sight>> sights;
  subject.walk([&](const model::Process& process, std::size_t, bool) {
    if (!process.is_zombie()) {
      for (const Mapping& mapping : places_of(subject, process.pid).all) {
        if (!mapping.shared) {
          continue;
        }
        std::vector<Sight>& of = sights[*mapping.shared];
        if (of.empty() || of.front().pid == process.pid) {
          of.push_back({process.pid, mapping.start, mapping.offset, mapping.end - mapping.start});
        }
      }
    }
  });
  return sights;
}

}  // namespace img::show
