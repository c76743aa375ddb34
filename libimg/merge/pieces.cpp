// SPDX-License-Identifier: MIT
#include "libimg/merge/pieces.h"

#include <fmt/core.h>

#include "schema/pack_generated.h"

namespace img::merge {
namespace {

using model::PageRun;
using model::PayloadCursor;

}  // namespace

/// Entries of one page map in order, each checked so far that a merge of two lists can be trusted.
class EntrySink : public model::RecordSink {
 public:
  EntrySink(model::ImageReader& level, model::FileKey pagemap, std::uint32_t page_size)
      : level_(level), pagemap_(pagemap), page_size_(page_size) {}

  Result<void> record(const model::Record& record) override {
    if (record.key.seq < 2 || record.table == nullptr) {
      return {};
    }
    PayloadCursor memory(record.payload);
    for (const auto* entry : *record.as<schema::PagemapChunk>()->entries()) {
      const PageRun run = model::page_run(*entry);
      std::uint64_t bytes = 0;
      std::uint64_t end = 0;
      if (run.address % page_size_ != 0 || run.address < end_ ||
          __builtin_mul_overflow(run.pages, page_size_, &bytes) ||
          __builtin_add_overflow(run.address, bytes, &end)) {
        return bad(run.address, "is not at a page, or not after the entry before it");
      }
      if (run.is_present() && bytes > memory.left()) {
        return bad(run.address, "has less memory than pages");
      }
      end_ = end;
      IMG_TRY(use(*entry, run, bytes, memory));
    }
    return {};
  }

 protected:
  /// Takes the entry's memory from `memory` where it has any.
  [[nodiscard]] virtual Result<void> use(const schema::PagemapEntry& entry, const PageRun& run,
                                         std::uint64_t bytes, PayloadCursor& memory) = 0;

  [[nodiscard]] Failure bad(std::uint64_t address, std::string why) const {
    return fail(Fault::corrupt, level_.place() + "/" + level_.file_name(pagemap_),
                fmt::format("entry at {:#x}", address), std::move(why));
  }
  [[nodiscard]] Failure missing(std::uint64_t address) const {
    return fail(Fault::corrupt, level_.place(),
                fmt::format("page {:#x} of {} is left to it by a later level", address,
                            level_.file_name(pagemap_)),
                "it has no such page");
  }

 private:
  model::ImageReader& level_;
  model::FileKey pagemap_;
  std::uint32_t page_size_;
  std::uint64_t end_ = 0;
};

class Pieces::Newest : public EntrySink {
 public:
  Newest(Pieces& pieces, model::ImageReader& level)
      : EntrySink(level, pieces.pagemap_, pieces.page_size_), pieces_(pieces) {}

 private:
  Result<void> use(const schema::PagemapEntry& entry, const PageRun& run, std::uint64_t bytes,
                   PayloadCursor& memory) override {
    if (is_first_) {
      pieces_.has_nr_pages_ = entry.nr_pages().has_value();
      pieces_.has_flags_ = entry.flags().has_value();
      is_first_ = false;
    }
    if (run.is_present()) {
      return pieces_.add_memory(run.address, bytes, run.flags, memory);
    }
    ScratchArray<Piece>& list = run.is_in_parent() ? pieces_.wanted_ : pieces_.known_;
    return bytes == 0 ? Result<void>() : list.push_back({run.address, bytes, nullptr, run.flags});
  }

  Pieces& pieces_;
  bool is_first_ = true;
};

class Pieces::Ancestor : public EntrySink {
 public:
  Ancestor(Pieces& pieces, model::ImageReader& level)
      : EntrySink(level, pieces.pagemap_, pieces.page_size_),
        pieces_(pieces),
        wanted_(pieces.wanted_.values()) {}

  [[nodiscard]] Result<void> finish() {
    return next_ == wanted_.size() ? Result<void>() : missing(wanted_[next_].address);
  }

 private:
  Result<void> use(const schema::PagemapEntry& /*entry*/, const PageRun& run, std::uint64_t bytes,
                   PayloadCursor& memory) override {
    std::uint64_t at = run.address;
    const std::uint64_t end = run.address + bytes;
    while (next_ < wanted_.size() && wanted_[next_].address < end) {
      Piece& wanted = wanted_[next_];
      if (wanted.address < run.address) {
        return missing(wanted.address);
      }
      const std::uint64_t part = std::min(wanted.end(), end) - wanted.address;
      if (run.is_present()) {
        memory.skip(wanted.address - at);
        IMG_TRY(pieces_.add_memory(wanted.address, part, run.flags, memory));
        at = wanted.address + part;
      } else if (run.is_in_parent()) {
        IMG_TRY(pieces_.left_.push_back({wanted.address, part, nullptr, wanted.flags}));
      } else {
        return missing(wanted.address);
      }
      wanted.address += part;
      wanted.bytes -= part;
      next_ += wanted.bytes == 0 ? 1 : 0;
    }
    if (run.is_present()) {
      memory.skip(end - at);
    }
    return {};
  }

  Pieces& pieces_;
  std::span<Piece> wanted_;
  std::size_t next_ = 0;
};

Result<void> Pieces::add_memory(std::uint64_t address, std::uint64_t bytes, std::uint32_t flags,
                                PayloadCursor& from) {
  flags &= model::kPagePresent | model::kPageLazy;
  while (bytes > 0) {
    const Bytes here = from.take(bytes);
    IMG_TRY(known_.push_back({address, here.size(), here.data(), flags}));
    address += here.size();
    bytes -= here.size();
  }
  return {};
}

Result<void> Pieces::begin(model::ImageReader& newest) {
  Newest sink(*this, newest);
  return newest.read_held(pagemap_, sink, holds_.emplace_back());
}

Result<void> Pieces::ask(model::ImageReader& level) {
  left_.clear();
  Ancestor sink(*this, level);
  IMG_TRY(level.read_held(pagemap_, sink, holds_.emplace_back()));
  IMG_TRY(sink.finish());
  std::swap(wanted_, left_);
  return {};
}

Result<void> Pieces::check_complete(const model::ImageReader& newest) const {
  if (is_complete()) {
    return {};
  }
  return fail(Fault::corrupt, newest.place(),
              fmt::format("page {:#x} of {} is left to a parent", wanted_[0].address,
                          newest.file_name(pagemap_)),
              "the chain has no further one");
}

std::span<const Piece> Pieces::ascending() {
  std::ranges::sort(known_.values(), {}, &Piece::address);
  return known_.values();
}

}  // namespace img::merge
