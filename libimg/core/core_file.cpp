// SPDX-License-Identifier: MIT
#include "libimg/core/core_file.h"

#include <elf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "libimg/base/file.h"

namespace img::core {
namespace {

constexpr std::uint64_t kPage = model::vma::kPage;

struct Elf32 {
  using Header = Elf32_Ehdr;
  using Segment = Elf32_Phdr;
  using Section = Elf32_Shdr;
  static constexpr unsigned char kClass = ELFCLASS32;
  static constexpr std::uint16_t kMachine = EM_386;
};
struct Elf64 {
  using Header = Elf64_Ehdr;
  using Segment = Elf64_Phdr;
  using Section = Elf64_Shdr;
  static constexpr unsigned char kClass = ELFCLASS64;
  static constexpr std::uint16_t kMachine = EM_X86_64;
};

template <class T>
Bytes raw(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

/// More segments than the header can count are counted in a section of their own.
constexpr bool needs_section(std::size_t segments) {
  return segments >= PN_XNUM;
}

template <class Elf>
std::uint64_t headers_size(std::size_t segments) {
  return sizeof(typename Elf::Header) + segments * sizeof(typename Elf::Segment) +
         (needs_section(segments) ? sizeof(typename Elf::Section) : 0);
}

/// `segments`: with the one of the notes.
template <class Elf>
Result<void> put_head(ByteSink& to, std::size_t segments) {
  typename Elf::Header head{};
  std::memcpy(head.e_ident, ELFMAG, SELFMAG);
  head.e_ident[EI_CLASS] = Elf::kClass;
  head.e_ident[EI_DATA] = ELFDATA2LSB;
  head.e_ident[EI_VERSION] = EV_CURRENT;
  head.e_type = ET_CORE;
  head.e_machine = Elf::kMachine;
  head.e_version = EV_CURRENT;
  head.e_phoff = sizeof head;
  head.e_ehsize = sizeof head;
  head.e_phentsize = sizeof(typename Elf::Segment);
  head.e_phnum = static_cast<std::uint16_t>(std::min<std::size_t>(segments, PN_XNUM));
  if (needs_section(segments)) {
    head.e_shoff =
        static_cast<decltype(head.e_shoff)>(sizeof head + segments * sizeof(typename Elf::Segment));
    head.e_shentsize = sizeof(typename Elf::Section);
    head.e_shnum = 1;
  }
  return to.write(raw(head));
}

template <class Elf>
Result<void> put_segment(ByteSink& to, const Segment& from, std::uint64_t memory_at) {
  typename Elf::Segment segment{};
  using Word = decltype(segment.p_vaddr);
  segment.p_type = PT_LOAD;
  segment.p_flags = ((from.protection & 1U) != 0 ? PF_R : 0U) |
                    ((from.protection & 2U) != 0 ? PF_W : 0U) |
                    ((from.protection & 4U) != 0 ? PF_X : 0U);
  segment.p_offset = static_cast<Word>(memory_at + from.offset);
  segment.p_vaddr = static_cast<Word>(from.start);
  segment.p_memsz = static_cast<Word>(from.end - from.start);
  segment.p_filesz = from.has_bytes ? segment.p_memsz : 0;
  segment.p_align = kPage;
  return to.write(raw(segment));
}

template <class Elf>
Result<void> put_headers(ByteSink& to, std::span<const Segment> segments, std::uint64_t notes_at,
                         std::uint64_t notes_bytes, std::uint64_t memory_at) {
  IMG_TRY(put_head<Elf>(to, segments.size() + 1));
  typename Elf::Segment notes{};
  notes.p_type = PT_NOTE;
  notes.p_offset = static_cast<decltype(notes.p_offset)>(notes_at);
  notes.p_filesz = static_cast<decltype(notes.p_filesz)>(notes_bytes);
  notes.p_align = 4;
  IMG_TRY(to.write(raw(notes)));
  for (const Segment& segment : segments) {
    IMG_TRY(put_segment<Elf>(to, segment, memory_at));
  }
  if (needs_section(segments.size() + 1)) {
    typename Elf::Section count{};
    count.sh_size = 1;
    count.sh_info = static_cast<std::uint32_t>(segments.size() + 1);
    IMG_TRY(to.write(raw(count)));
  }
  return {};
}

bool is_zero(Bytes bytes) {
  return bytes.empty() || (bytes[0] == std::byte{0} &&
                           std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace

/// Memory that must be whole: a core with zeros for what was lost would lie.
class CoreFile::Whole : public model::MemorySink {
 public:
  explicit Whole(std::string thing) : thing_(std::move(thing)) {}
  Result<void> missing(std::uint64_t address, std::uint64_t bytes) override {
    return fail(Fault::corrupt, thing_, "pages that no image of the chain has",
                std::to_string(bytes / kPage) + " from page " + std::to_string(address / kPage));
  }

 private:
  std::string thing_;
};

/// Pages of the process itself.
class CoreFile::Own : public Whole {
 public:
  Own(CoreFile& to, std::string thing) : Whole(std::move(thing)), to_(to) {}
  Result<void> memory(std::uint64_t address, Bytes bytes) override {
    return to_.put(address, bytes, false);
  }

 private:
  CoreFile& to_;
};

/// One backing, put into every mapping that shows it.
class CoreFile::Base : public Whole {
 public:
  Base(CoreFile& to, std::string thing, std::span<const Layout::Shown> shown)
      : Whole(std::move(thing)), to_(to), shown_(shown) {}
  Result<void> memory(std::uint64_t offset, Bytes bytes) override {
    while (!shown_.empty() && shown_.front().offset + shown_.front().bytes <= offset) {
      shown_ = shown_.subspan(1);
    }
    for (const Layout::Shown& one : shown_) {
      if (one.offset >= offset + bytes.size()) {
        break;
      }
      const std::uint64_t first = std::max(offset, one.offset);
      const std::uint64_t last = std::min(offset + bytes.size(), one.offset + one.bytes);
      if (first < last) {
        IMG_TRY(to_.put(one.start + (first - one.offset),
                        bytes.subspan(first - offset, last - first), true));
      }
    }
    return {};
  }

 private:
  CoreFile& to_;
  std::span<const Layout::Shown> shown_;
};

std::uint64_t CoreFile::headers_end() const {
  const std::size_t segments = layout_.segments().size() + 1;
  return width_ == Width::bits64 ? headers_size<Elf64>(segments) : headers_size<Elf32>(segments);
}

Result<void> CoreFile::write_notes(
    const std::function<Result<std::uint64_t>(ByteSink&)>& write_notes) {
  const std::uint64_t notes_at = headers_end();
  if (::lseek(fd_, static_cast<off_t>(notes_at), SEEK_SET) < 0) {
    return fail(sys_error(errno, thing_, "write"));
  }
  FdSink sink(fd_, thing_);
  IMG_ASSIGN(const std::uint64_t notes_bytes, write_notes(sink));
  IMG_TRY(sink.flush());
  memory_at_ = round_up(notes_at + notes_bytes, kPage);
  if (width_ == Width::bits32 && bytes() > UINT32_MAX) {
    return fail(Fault::limit, thing_, "more than 4 GiB", "too much for the core of a 32-bit task");
  }
  return write_headers(notes_at, notes_bytes);
}

Result<void> CoreFile::write_headers(std::uint64_t notes_at, std::uint64_t notes_bytes) {
  if (::lseek(fd_, 0, SEEK_SET) < 0 || ::ftruncate(fd_, static_cast<off_t>(bytes())) != 0) {
    return fail(sys_error(errno, thing_, "write"));
  }
  FdSink sink(fd_, thing_);
  const auto segments = layout_.segments();
  IMG_TRY(width_ == Width::bits64
              ? put_headers<Elf64>(sink, segments, notes_at, notes_bytes, memory_at_)
              : put_headers<Elf32>(sink, segments, notes_at, notes_bytes, memory_at_));
  return sink.flush();
}

Result<void> CoreFile::write_memory(model::ImageReader& reader, std::uint32_t pid,
                                    Backings& backings, const Progress& progress) {
  progress_ = &progress;
  const auto shown = layout_.shown();
  for (std::size_t begin = 0, end = 0; begin < shown.size(); begin = end) {
    while (end < shown.size() && shown[end].backing == shown[begin].backing) {
      ++end;
    }
    const Backing& backing = shown[begin].backing;
    Base base(*this, reader.file_name({schema::Kind::pagemap_shmem, backing.id}),
              shown.subspan(begin, end - begin));
    IMG_TRY(backings.visit(backing, base));
  }
  const model::FileKey pagemap{schema::Kind::pagemap, pid};
  model::AddressSpace space(reader, pagemap);
  Own own(*this, reader.file_name(pagemap));
  return space.visit(0, UINT64_MAX, own);
}

Result<void> CoreFile::put(std::uint64_t address, Bytes bytes, bool is_base) {
  const auto segments = layout_.segments();
  auto next = std::ranges::upper_bound(segments, address, {}, &Segment::end);
  for (; next != segments.end() && next->start < address + bytes.size(); ++next) {
    const std::uint64_t first = std::max(address, next->start);
    const std::uint64_t last = std::min(address + bytes.size(), next->end);
    if (!next->has_bytes || first >= last) {
      continue;
    }
    const std::uint64_t offset = memory_at_ + next->offset + (first - next->start);
    const Bytes part = bytes.subspan(first - address, last - first);
    // Zeros of the process must cover what lies under them.
    IMG_TRY(next->has_base && !is_base ? put_all(offset, part) : put_sparse(offset, part));
  }
  return {};
}

Result<void> CoreFile::put_sparse(std::uint64_t offset, Bytes bytes) {
  const auto page = [&](std::size_t at) {
    return bytes.subspan(at, std::min(kPage, bytes.size() - at));
  };
  for (std::size_t begin = 0, end = 0; begin < bytes.size(); begin = end) {
    const bool zero = is_zero(page(begin));
    end = begin;
    while (end < bytes.size() && (end == begin || is_zero(page(end)) == zero)) {
      end += page(end).size();
    }
    if (!zero) {
      IMG_TRY(put_all(offset + begin, bytes.subspan(begin, end - begin)));
    }
  }
  return {};
}

Result<void> CoreFile::put_all(std::uint64_t offset, Bytes bytes) {
  constexpr std::size_t kAtOnce = std::size_t{4} << 20;
  while (!bytes.empty()) {
    const Bytes now = bytes.first(std::min(kAtOnce, bytes.size()));
    IMG_TRY(write_at(fd_, offset, now, thing_));
    IMG_TRY((*progress_)(now.size()));
    written_ += now.size();
    offset += now.size();
    bytes = bytes.subspan(now.size());
  }
  return {};
}

}  // namespace img::core
