// SPDX-License-Identifier: MIT
#include "live/dump/memory_writer.h"

#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "libimg/model/pagemap.h"
#include "live/dump/cow_pages.h"
#include "schema/layout.h"
#include "schema/pack_generated.h"

namespace img::dump {
namespace {

using procfs::kPageBytes;
using trace::RemoteRange;

constexpr std::size_t kPieceBytes = 256 << 10;  // larger writes were slower and erratic on ext4
constexpr std::uint64_t kWorthAThread = 4 << 20;

class ProcessPages final : public PageSource {
 public:
  ProcessPages(trace::RemoteMemory memory, bool has_relatives)
      : memory_(std::move(memory)), has_relatives_(has_relatives) {}
  Result<void> read(std::span<const RemoteRange> ranges, std::span<std::byte> out) const override {
    return has_relatives_ ? memory_.peek_ranges(ranges, out) : memory_.read_ranges(ranges, out);
  }

 private:
  trace::RemoteMemory memory_;
  bool has_relatives_;
};

class ObjectPages final : public PageSource {
 public:
  ObjectPages(int fd, std::uint64_t bytes) : fd_(fd), bytes_(bytes) {}

  // The last page of an object that does not fill it is zero behind its end.
  Result<void> read(std::span<const RemoteRange> ranges, std::span<std::byte> out) const override {
    for (const RemoteRange& range : ranges) {
      std::span<std::byte> to = out.first(range.bytes);
      out = out.subspan(range.bytes);
      std::uint64_t at = range.start;
      while (!to.empty() && at < bytes_) {
        const std::size_t wanted = std::min<std::uint64_t>(to.size(), bytes_ - at);
        const ssize_t got = ::pread(fd_, to.data(), wanted, static_cast<off_t>(at));
        if (got < 0 && errno == EINTR) {
          continue;
        }
        if (got <= 0) {
          return fail(sys_error(got == 0 ? EIO : errno, "shared memory", "read"));
        }
        at += static_cast<std::uint64_t>(got);
        to = to.subspan(static_cast<std::size_t>(got));
      }
      std::fill(to.begin(), to.end(), std::byte{0});
    }
    return {};
  }

 private:
  int fd_;
  std::uint64_t bytes_;
};

const Segment* segment_at(const std::vector<Segment>& segments, std::uint64_t address) {
  auto after = std::upper_bound(
      segments.begin(), segments.end(), address,
      [](std::uint64_t value, const Segment& segment) { return value < segment.address; });
  return after == segments.begin() ? nullptr : &*std::prev(after);
}

/// The segments of `plan` where `common` is at the parent's places; others have none yet.
std::vector<Segment> split(const PagePlan& plan, const std::vector<RemoteRange>& common,
                           const std::vector<Segment>& of_parent) {
  std::vector<Segment> out;
  auto next = common.begin();
  for (const PageSpan& span : plan.spans) {
    for (std::uint64_t at = span.address; at < span.end();) {
      while (next != common.end() && next->start + next->bytes <= at) {
        ++next;
      }
      std::uint64_t end = span.end();
      if (next == common.end() || next->start >= end) {
        out.push_back({at, end - at, 0, false, span.is_cloned});
      } else if (next->start > at) {
        end = next->start;
        out.push_back({at, end - at, 0, false, span.is_cloned});
      } else {
        const Segment* theirs = segment_at(of_parent, at);
        end = std::min({end, next->start + next->bytes, theirs->address + theirs->bytes});
        out.push_back(
            {at, end - at, theirs->offset + (at - theirs->address), true, span.is_cloned});
      }
      at = end;
    }
  }
  return out;
}

}  // namespace

std::unique_ptr<PageSource> pages_of(trace::RemoteMemory memory, bool has_relatives) {
  return std::make_unique<ProcessPages>(std::move(memory), has_relatives);
}

std::unique_ptr<PageSource> pages_of(int fd, std::uint64_t bytes) {
  return std::make_unique<ObjectPages>(fd, bytes);
}

Result<void> MemoryWriter::find_segments(std::size_t index) {
  PlacedSpace& space = spaces_[index];
  const auto parent =
      std::find_if(spaces_.begin(), spaces_.begin() + static_cast<std::ptrdiff_t>(index),
                   [&](const PlacedSpace& one) {
                     return one.plan.pid != 0 && one.plan.pid == space.plan.parent;
                   });
  if (space.plan.pid == 0 || parent == spaces_.begin() + static_cast<std::ptrdiff_t>(index)) {
    space.segments = split(space.plan, {}, {});
    return {};
  }
  IMG_ASSIGN(const std::vector<RemoteRange> common, common_pages(space.plan, parent->plan));
  space.segments = split(space.plan, common, parent->segments);
  return {};
}

Result<void> MemoryWriter::place() {
  // Offsets from the start of the room, whose size is not known before; a child's refer to these.
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < spaces_.size(); ++i) {
    IMG_TRY(find_segments(i));
    for (Segment& segment : spaces_[i].segments) {
      if (!segment.is_shared) {
        segment.offset = bytes;
        bytes += segment.bytes;
      }
    }
  }
  if (bytes == 0) {
    return {};
  }
  IMG_ASSIGN(const std::uint64_t room, image_.image().reserve(bytes, kPageBytes));
  for (PlacedSpace& space : spaces_) {
    for (Segment& segment : space.segments) {
      segment.offset += room;
    }
  }
  return {};
}

std::vector<MemoryWriter::Piece> MemoryWriter::pieces(Part part) const {
  std::vector<Piece> out;
  for (const PlacedSpace& space : spaces_) {
    std::uint64_t next = ~std::uint64_t{0};  // where the last piece ends
    for (const Segment& segment : space.segments) {
      const bool is_wanted =
          !segment.is_shared && (part == Part::all || segment.is_cloned == (part == Part::cloned));
      for (std::uint64_t done = 0; is_wanted && done < segment.bytes;) {
        if (segment.offset + done != next || out.back().bytes == kPieceBytes) {
          out.push_back({space.source.get(), {}, 0, segment.offset + done});
        }
        Piece& piece = out.back();
        const std::uint64_t bytes = std::min(segment.bytes - done, kPieceBytes - piece.bytes);
        piece.ranges.push_back({segment.address + done, bytes});
        piece.bytes += bytes;
        done += bytes;
        next = segment.offset + done;
      }
    }
  }
  return out;
}

Result<void> MemoryWriter::go_on(std::uint64_t bytes) {
  if (copied_ != nullptr) {
    *copied_ += bytes;
  }
  if (stop_ != nullptr && *stop_ != 0) {
    return fail(Fault::gone, "dump", "ended by a signal");
  }
  return {};
}

Result<void> MemoryWriter::copy_pieces(const std::vector<Piece>& pieces) {
  std::vector<std::byte> buffer(kPieceBytes);
  while (!failed_) {
    const std::size_t at = next_piece_++;
    if (at >= pieces.size()) {
      break;
    }
    const Piece& piece = pieces[at];
    const std::span<std::byte> bytes = std::span(buffer).first(piece.bytes);
    IMG_TRY(piece.source->read(piece.ranges, bytes));
    IMG_TRY(image_.image().write(piece.offset, bytes));
    IMG_TRY(go_on(piece.bytes));
  }
  return {};
}

Result<void> MemoryWriter::copy(unsigned threads, Part part) {
  const std::vector<Piece> all = pieces(part);
  next_piece_ = 0;
  const auto wanted = static_cast<unsigned>(std::clamp<std::uint64_t>(
      all.size() / (kWorthAThread / kPieceBytes), 1, std::max(threads, 1U)));
  std::vector<Result<void>> results(wanted);
  const auto work = [&](unsigned which) {
    results[which] = copy_pieces(all);
    failed_ = failed_ || !results[which];
  };
  std::vector<std::thread> others;
  for (unsigned i = 1; i < wanted; ++i) {
    others.emplace_back(work, i);
  }
  work(0);
  for (std::thread& thread : others) {
    thread.join();
  }
  for (Result<void>& result : results) {
    if (!result) {
      image_.image().spoil();
      return std::move(result);
    }
  }
  return {};
}

// Runs of pages come out in the order in which they go in, so one thread does it.
Result<void> MemoryWriter::copy_deduplicated() {
  std::vector<std::byte> buffer(kPieceBytes);
  for (PlacedSpace& space : spaces_) {
    for (const PageSpan& span : space.plan.spans) {
      for (std::uint64_t done = 0; done < span.bytes();) {
        const std::uint64_t bytes = std::min<std::uint64_t>(span.bytes() - done, kPieceBytes);
        const RemoteRange range{span.address + done, bytes};
        const std::span<std::byte> to = std::span(buffer).first(bytes);
        IMG_TRY(space.source->read({&range, 1}, to));
        const Bytes part = to;
        IMG_TRY(image_.image().append_pages({&part, 1}, kPageBytes, [&](store::StoredRun run) {
          space.places.push_back(run);
          return Result<void>();
        }));
        done += bytes;
        IMG_TRY(go_on(bytes));
      }
    }
  }
  return {};
}

Result<void> MemoryWriter::put_pagemap(const PlacedSpace& space, std::uint32_t pages_id) {
  flatbuffers::FlatBufferBuilder builder;
  builder.ForceDefaults(true);
  model::Record record;
  const auto finish = [&](const char* table) {
    record.table = &schema::table_layout(table);
    record.flatbuffer = std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize()));
    ++record.key.seq;
  };
  record.key.file = space.plan.file;
  builder.Finish(schema::CreatePagemapHead(builder, pages_id));
  finish("PagemapHead");
  IMG_TRY(image_.record(record));
  auto segment = space.segments.begin();
  auto place = space.places.begin();
  for (std::size_t at = 0; at < space.plan.spans.size(); at += model::kChunkEntries) {
    builder.Clear();
    std::vector<flatbuffers::Offset<schema::PagemapEntry>> entries;
    std::vector<store::StoredRun> places;
    std::uint64_t bytes = 0;
    const std::size_t end = std::min(at + model::kChunkEntries, space.plan.spans.size());
    for (std::size_t i = at; i < end; ++i) {
      const PageSpan& span = space.plan.spans[i];
      bytes += span.bytes();
      schema::PagemapEntryBuilder entry(builder);
      entry.add_vaddr(span.address);
      entry.add_compat_nr_pages(0);
      entry.add_flags(model::kPagePresent | (span.is_lazy ? model::kPageLazy : 0));
      entry.add_nr_pages(span.pages);
      entries.push_back(entry.Finish());
    }
    while (bytes > 0 && !space.places.empty()) {
      places.push_back(*place);
      bytes -= place++->bytes;
    }
    while (bytes > 0) {
      places.push_back({0, segment->offset, segment->bytes});
      bytes -= segment++->bytes;
    }
    const auto entries_at = builder.CreateVector(entries);
    builder.Finish(schema::CreatePagemapChunk(builder, entries_at));
    finish("PagemapChunk");
    IMG_TRY(image_.placed(record, places));
  }
  return {};
}

Result<void> MemoryWriter::finish() {
  std::uint32_t pages_id = 0;
  for (const PlacedSpace& space : spaces_) {
    IMG_TRY(put_pagemap(space, ++pages_id));
  }
  return {};
}

}  // namespace img::dump
