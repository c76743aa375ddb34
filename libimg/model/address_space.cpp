// SPDX-License-Identifier: MIT
#include "libimg/model/address_space.h"

#include <algorithm>

#include "libimg/model/payload_cursor.h"
#include "schema/pack_generated.h"

namespace img::model {
namespace {

constexpr std::size_t kWindowBytes = std::size_t{4} << 20;
constexpr std::size_t kMostLevels = 65536;  // far past any chain; ends a loop of parents

bool is_chunk(const Record& record) {
  return record.key.seq > 1 && record.table != nullptr && !record.flatbuffer.empty();
}

struct Cut {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  [[nodiscard]] bool empty() const { return begin >= end; }
  [[nodiscard]] std::uint64_t bytes() const { return end - begin; }
};

/// Numbers in a page map may be anything: the end of a run stays inside 64 bits.
Cut cut(const PageRun& run, std::uint32_t page_size, std::uint64_t begin, std::uint64_t end) {
  const std::uint64_t room = UINT64_MAX - run.address;
  const std::uint64_t bytes = run.pages > room / page_size ? room : run.pages * page_size;
  return {std::max(run.address, begin), std::min(run.address + bytes, end)};
}

/// One page map, read with its memory; calls `each(run, bytes at hand)` in its order.
class ChunkSink : public RecordSink {
 public:
  using Use = std::function<Result<void>(const PageRun&, PayloadCursor&, bool has_memory)>;
  ChunkSink(std::uint32_t page_size, Use use) : page_size_(page_size), use_(std::move(use)) {}

  Result<void> record(const Record& record) override {
    if (!is_chunk(record)) {
      return {};
    }
    PayloadCursor cursor(record.payload);
    for (const auto* entry : *record.as<schema::PagemapChunk>()->entries()) {
      const PageRun run = page_run(*entry);
      const bool has_memory = run.is_present() && run.pages <= cursor.left() / page_size_;
      IMG_TRY(use_(run, cursor, has_memory));
    }
    return {};
  }

 private:
  std::uint32_t page_size_;
  Use use_;
};

class Runs : public RecordSink {
 public:
  explicit Runs(const std::function<void(const PageRun&)>& use) : use_(use) {}
  Result<void> record(const Record& record) override {
    if (is_chunk(record)) {
      for (const auto* entry : *record.as<schema::PagemapChunk>()->entries()) {
        use_(page_run(*entry));
      }
    }
    return {};
  }

 private:
  const std::function<void(const PageRun&)>& use_;
};

}  // namespace

/// Pages on their way to the sink, some of which have to be looked for in the ancestors.
class AddressSpace::Window {
 public:
  Window(AddressSpace& space, MemorySink& sink)
      : space_(space), sink_(sink), page_size_(space.reader_.header().page_size()) {}

  [[nodiscard]] bool is_empty() const { return parts_.empty(); }

  Result<void> add_memory(std::uint64_t address, Bytes bytes) {
    while (!bytes.empty()) {
      const std::size_t here = std::min(bytes.size(), room());
      Part part{address, here, used_, State::known};
      std::memcpy(buffer_.data() + used_, bytes.data(), here);
      IMG_TRY(add(part));
      address += here;
      bytes = bytes.subspan(here);
    }
    return {};
  }

  Result<void> add_wanted(const Cut& range) {
    std::uint64_t address = range.begin;
    while (address < range.end) {
      const std::uint64_t page_end = (address / page_size_ + 1) * page_size_;
      const std::uint64_t end = std::min(page_end, range.end);
      room();
      IMG_TRY(add({address, static_cast<std::size_t>(end - address), used_, State::wanted}));
      wanted_ = true;
      address = end;
    }
    return {};
  }

  Result<void> flush() {
    if (wanted_) {
      for (ImageReader* level : space_.ancestors_) {
        IMG_TRY(look_in(*level));
        if (std::ranges::none_of(parts_, [](auto& part) { return part.state == State::wanted; })) {
          break;
        }
      }
    }
    for (std::size_t begin = 0, end = 0; begin < parts_.size(); begin = end) {
      const Part& part = parts_[begin];
      std::size_t size = 0;
      for (; end < parts_.size() && parts_[end].state == part.state &&
             parts_[end].address == part.address + size;
           ++end) {
        size += parts_[end].bytes;  // in the buffer they follow each other anyway
      }
      const Bytes bytes(buffer_.data() + part.offset, size);
      IMG_TRY(part.state == State::known ? sink_.memory(part.address, bytes)
                                         : sink_.missing(part.address, size));
    }
    parts_.clear();
    used_ = 0;
    wanted_ = false;
    return {};
  }

 private:
  enum class State : std::uint8_t { known, wanted, absent };
  struct Part {
    std::uint64_t address = 0;
    std::size_t bytes = 0;
    std::size_t offset = 0;
    State state = State::known;
  };

  std::size_t room() {
    if (buffer_.empty()) {
      buffer_.resize(kWindowBytes + page_size_);
    }
    return kWindowBytes - used_;
  }
  Result<void> add(const Part& part) {
    parts_.push_back(part);
    used_ += part.bytes;
    return used_ >= kWindowBytes ? flush() : Result<void>();
  }

  /// A level answers for a page with its memory, or passes it on; silence means it has none.
  Result<void> look_in(ImageReader& level) {
    std::vector<Part*> asked;
    for (Part& part : parts_) {
      if (part.state == State::wanted) {
        part.state = State::absent;
        asked.push_back(&part);
      }
    }
    std::ranges::sort(asked, {}, &Part::address);
    ChunkSink sink(level.header().page_size(),
                   [&](const PageRun& run, PayloadCursor& cursor, bool has_memory) {
                     answer(asked, run, cursor, has_memory);
                     return Result<void>();
                   });
    return level.read(space_.pagemap_, sink);
  }

  void answer(const std::vector<Part*>& asked, const PageRun& run, PayloadCursor& cursor,
              bool has_memory) {
    std::uint64_t at = run.address;
    const Cut range = cut(run, page_size_, 0, UINT64_MAX);
    auto next = std::ranges::lower_bound(asked, run.address, {}, &Part::address);
    for (; next != asked.end() && (*next)->address < range.end; ++next) {
      Part& part = **next;
      if (!has_memory) {
        part.state = run.is_in_parent() && !run.is_present() ? State::wanted : State::absent;
        continue;
      }
      if (part.address < at || part.bytes > range.end - part.address) {
        continue;  // asked for twice, or not by pages: the newer page map is odd
      }
      cursor.skip(part.address - at);
      for (std::size_t done = 0; done < part.bytes;) {
        const Bytes piece = cursor.take(part.bytes - done);
        std::memcpy(buffer_.data() + part.offset + done, piece.data(), piece.size());
        done += piece.size();
      }
      part.state = State::known;
      at = part.address + part.bytes;
    }
    if (has_memory) {
      cursor.skip(range.end - at);
    }
  }

  AddressSpace& space_;
  MemorySink& sink_;
  std::uint32_t page_size_;
  std::vector<std::byte> buffer_;
  std::vector<Part> parts_;
  std::size_t used_ = 0;
  bool wanted_ = false;
};

/// The pass over the newest level, which says what there is.
class AddressSpace::Pass {
 public:
  Pass(AddressSpace& space, Cut range, MemorySink& sink)
      : space_(space), range_(range), sink_(sink), window_(space, sink) {}

  Result<void> run(const PageRun& run, PayloadCursor& cursor, bool has_memory) {
    const std::uint32_t page_size = space_.reader_.header().page_size();
    const Cut whole = cut(run, page_size, 0, UINT64_MAX);
    const Cut wanted = cut(run, page_size, range_.begin, range_.end);
    if (wanted.empty()) {
      if (has_memory) {
        cursor.skip(whole.bytes());
      }
      return {};
    }
    if (has_memory) {
      cursor.skip(wanted.begin - whole.begin);
      IMG_TRY(memory(wanted, cursor));
      cursor.skip(whole.end - wanted.end);
      return {};
    }
    if (run.is_present()) {
      return absent(wanted);
    }
    return run.is_in_parent() ? from_parent(wanted, page_size) : Result<void>();
  }

  Result<void> finish() { return window_.flush(); }

 private:
  Result<void> memory(const Cut& range, PayloadCursor& cursor) {
    for (std::uint64_t at = range.begin; at < range.end;) {
      const Bytes piece = cursor.take(range.end - at);
      // Only what comes after pages still looked for has to wait.
      IMG_TRY(window_.is_empty() ? sink_.memory(at, piece) : window_.add_memory(at, piece));
      at += piece.size();
    }
    return {};
  }
  Result<void> absent(const Cut& range) {
    IMG_TRY(window_.flush());
    return sink_.missing(range.begin, range.bytes());
  }
  Result<void> from_parent(const Cut& range, std::uint32_t page_size) {
    IMG_TRY(space_.open_chain());
    if (space_.ancestors_.empty()) {
      return absent(range);
    }
    // Each page of an ancestor can be asked for once: more is a page map that lies.
    asked_ += range.bytes() / page_size;
    if (asked_ > space_.ancestor_pages_) {
      return fail(Fault::corrupt, space_.reader_.file_name(space_.pagemap_),
                  "more pages are left to the parent than all parents have");
    }
    return window_.add_wanted(range);
  }

  AddressSpace& space_;
  Cut range_;
  MemorySink& sink_;
  Window window_;
  std::uint64_t asked_ = 0;
};

Bytes MemoryRange::known_head() const {
  std::uint64_t end = address;
  for (const Part& part : known) {
    if (part.address > end) {
      break;
    }
    end = std::max(end, part.address + part.bytes);
  }
  return Bytes(bytes).first(end - address);
}

Result<void> AddressSpace::open_chain() {
  if (chain_is_open_) {
    return {};
  }
  chain_is_open_ = true;
  IMG_ASSIGN(ImageReader * level, reader_.parent());
  while (level != nullptr && ancestors_.size() < kMostLevels) {
    if (level->header().page_size() != reader_.header().page_size()) {
      return fail(Fault::corrupt, level->place(), "pages of another size than in its child");
    }
    ancestors_.push_back(level);
    IMG_TRY(for_each_run(*level, pagemap_, [this](const PageRun& run) {
      ancestor_pages_ += run.is_present() ? std::min<std::uint64_t>(run.pages, 1ULL << 40) : 0;
    }));
    IMG_ASSIGN(level, level->parent());
  }
  return {};
}

Result<void> AddressSpace::visit(std::uint64_t begin, std::uint64_t end, MemorySink& sink) {
  Pass pass(*this, {begin, end}, sink);
  ChunkSink chunks(reader_.header().page_size(),
                   [&pass](const PageRun& run, PayloadCursor& cursor, bool has_memory) {
                     return pass.run(run, cursor, has_memory);
                   });
  IMG_TRY(reader_.read(pagemap_, chunks));
  return pass.finish();
}

Result<MemoryRange> AddressSpace::read(std::uint64_t begin, std::uint64_t length) {
  class Copy : public MemorySink {
   public:
    explicit Copy(MemoryRange& to) : to_(to) {}
    Result<void> memory(std::uint64_t address, Bytes bytes) override {
      std::memcpy(to_.bytes.data() + (address - to_.address), bytes.data(), bytes.size());
      to_.known.push_back({address, bytes.size()});
      return {};
    }

   private:
    MemoryRange& to_;
  };
  if (length > kLargestRead || begin > UINT64_MAX - length) {
    return fail(Fault::limit, reader_.file_name(pagemap_), "too much memory to read at once");
  }
  MemoryRange range{begin, std::vector<std::byte>(length), {}};
  Copy copy(range);
  IMG_TRY(visit(begin, begin + length, copy));
  return range;
}

Result<void> for_each_run(ImageReader& reader, FileKey pagemap,
                          const std::function<void(const PageRun&)>& use) {
  Runs runs(use);
  return reader.read(pagemap, runs);
}

}  // namespace img::model
