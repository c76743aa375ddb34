// SPDX-License-Identifier: MIT
#include "libimg/core/layout.h"

#include <algorithm>

namespace img::core {
namespace {

// Holes as long as this are left out: a core of a program that reserves terabytes stays small.
// Shorter ones are holes in the file.
constexpr std::uint64_t kLongHole = std::uint64_t{1} << 20;
constexpr std::uint64_t kPage = model::vma::kPage;
constexpr std::uint32_t kReadable = 1;

struct Range {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// What lies under a mapping, and how far pages may be apart to be of one segment.
struct Ground {
  Backing backing;
  std::uint64_t gap = 0;
};

class Planner {
 public:
  Planner(const std::vector<Mapping>& mappings, Backings& backings)
      : mappings_(mappings), backings_(backings) {
    for (const Mapping& mapping : mappings) {
      Ground ground{backings.of(mapping), kLongHole};
      // Between pages of the process is what the image does not have: not zeros.
      ground.gap = ground.backing.kind == Backing::Kind::absent ? 0 : kLongHole;
      grounds_.push_back(ground);
    }
    touched_.resize(mappings.size());
  }

  Result<void> own_pages(model::ImageReader& reader, std::uint32_t pid);
  Result<void> backing_parts(std::vector<Layout::Shown>& shown);
  Result<void> segments(std::vector<Segment>& segments, std::uint64_t& bytes);

 private:
  void add(std::size_t index, Range range);
  void add_in_all(Range range);
  [[nodiscard]] bool is_wanted(std::size_t index) const {
    return mappings_[index].dump && grounds_[index].backing.has_content();
  }
  void program_parts(std::size_t index);
  Result<void> object_parts(const Layout::Shown* begin, const Layout::Shown* end);

  const std::vector<Mapping>& mappings_;
  Backings& backings_;
  std::vector<Ground> grounds_;
  std::vector<bool> touched_;  // mappings with pages of the process
  std::vector<Range> ranges_;  // with bytes
  bool too_many_ = false;
};

void Planner::add(std::size_t index, Range range) {
  const Mapping& mapping = mappings_[index];
  range.begin = std::max(range.begin, mapping.start);
  range.end = std::min(range.end, mapping.end);
  if (range.begin >= range.end || !mapping.dump) {
    return;
  }
  if (!ranges_.empty()) {
    Range& last = ranges_.back();
    if (last.begin >= mapping.start && range.begin >= last.begin &&
        range.begin <= std::min(last.end + grounds_[index].gap, mapping.end)) {
      last.end = std::max(last.end, range.end);
      return;
    }
  }
  too_many_ = too_many_ || ranges_.size() == kMostPieces;
  if (!too_many_) {
    ranges_.push_back(range);
  }
}

void Planner::add_in_all(Range range) {
  auto next = std::ranges::upper_bound(mappings_, range.begin, {}, &Mapping::end);
  for (; next != mappings_.end() && next->start < range.end; ++next) {
    const auto index = static_cast<std::size_t>(next - mappings_.begin());
    touched_[index] = true;
    add(index, range);
  }
}

Result<void> Planner::own_pages(model::ImageReader& reader, std::uint32_t pid) {
  const std::uint64_t page = reader.header().page_size();
  return model::for_each_run(reader, {schema::Kind::pagemap, pid}, [&](const model::PageRun& run) {
    const std::uint64_t room = (UINT64_MAX - run.address) / page;
    if (run.is_present() || run.is_in_parent()) {
      add_in_all({run.address, run.address + std::min(run.pages, room) * page});
    }
  });
}

// A clean mapping of a program: its first page, where its headers are.
void Planner::program_parts(std::size_t index) {
  const Mapping& mapping = mappings_[index];
  if (touched_[index]) {
    add(index, {mapping.start, mapping.end});
  } else if (mapping.offset == 0 && (mapping.protection & kReadable) != 0) {
    add(index, {mapping.start, mapping.start + kPage});
    grounds_[index].gap = 0;
  } else {
    grounds_[index].backing.kind = Backing::Kind::absent;
  }
}

Result<void> Planner::backing_parts(std::vector<Layout::Shown>& shown) {
  for (std::size_t index = 0; index < mappings_.size(); ++index) {
    if (is_wanted(index) && grounds_[index].backing.kind == Backing::Kind::host) {
      program_parts(index);
    }
    if (is_wanted(index)) {
      const Mapping& mapping = mappings_[index];
      shown.push_back(
          {grounds_[index].backing, mapping.offset, mapping.start, mapping.end - mapping.start});
    }
  }
  std::ranges::sort(shown);
  for (std::size_t begin = 0, end = 0; begin < shown.size(); begin = end) {
    while (end < shown.size() && shown[end].backing == shown[begin].backing) {
      ++end;
    }
    if (shown[begin].backing.kind != Backing::Kind::host) {
      IMG_TRY(object_parts(shown.data() + begin, shown.data() + end));
    }
  }
  return {};
}

Result<void> Planner::object_parts(const Layout::Shown* begin, const Layout::Shown* end) {
  return backings_.for_each_part(begin->backing, [&](std::uint64_t offset, std::uint64_t bytes) {
    while (begin != end && begin->offset + begin->bytes <= offset) {
      ++begin;  // parts come in ascending order
    }
    for (const Layout::Shown* one = begin; one != end && one->offset < offset + bytes; ++one) {
      const std::uint64_t first = std::max(offset, one->offset);
      const std::uint64_t last = std::min(offset + bytes, one->offset + one->bytes);
      if (first < last) {
        add_in_all({(one->start + (first - one->offset)) & ~(kPage - 1),
                    round_up(one->start + (last - one->offset), kPage)});
      }
    }
  });
}

Result<void> Planner::segments(std::vector<Segment>& segments, std::uint64_t& bytes) {
  if (too_many_) {
    return fail(Fault::limit, "pages", "in more pieces than a core can have", "524288");
  }
  std::ranges::sort(ranges_, {}, &Range::begin);
  std::size_t next = 0;
  for (std::size_t index = 0; index < mappings_.size(); ++index) {
    const Mapping& mapping = mappings_[index];
    const Ground& ground = grounds_[index];
    std::uint64_t at = mapping.start;
    const auto put = [&](std::uint64_t end, bool has_bytes) {
      segments.push_back({at, end, bytes, mapping.protection, has_bytes,
                          has_bytes && ground.backing.has_content()});
      bytes += has_bytes ? end - at : 0;
      at = end;
    };
    while (next < ranges_.size() && ranges_[next].begin < mapping.end) {
      Range range = ranges_[next++];
      while (next < ranges_.size() && ranges_[next].begin < mapping.end &&
             ranges_[next].begin <= range.end + ground.gap) {
        range.end = std::max(range.end, ranges_[next++].end);
      }
      if (range.begin > at + ground.gap) {
        put(range.begin, false);
      }
      put(mapping.end - range.end <= ground.gap ? mapping.end : range.end, true);
    }
    if (at < mapping.end) {
      put(mapping.end, false);
    }
  }
  return {};
}

}  // namespace

Result<Layout> Layout::plan(model::ImageReader& reader, std::uint32_t pid,
                            const std::vector<Mapping>& mappings, Backings& backings) {
  Layout layout;
  Planner planner(mappings, backings);
  IMG_TRY(planner.own_pages(reader, pid));
  IMG_TRY(planner.backing_parts(layout.shown_));
  IMG_TRY(planner.segments(layout.segments_, layout.bytes_));
  return layout;
}

}  // namespace img::core
