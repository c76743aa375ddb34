// SPDX-License-Identifier: MIT
#include "libimg/archive/tar_walk.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/core.h>

#include "libimg/base/file.h"
#include "libimg/base/spool.h"
#include "libimg/base/units.h"

namespace img::archive {
namespace {

using criu::DamageKind;

// FORMAT.md, "Limits": what may come out of a compressed archive. Below the floor a bomb is none.
constexpr std::uint64_t kFloor = std::uint64_t{256} << 20;
constexpr std::uint64_t kRatio = 200;
constexpr std::uint64_t kMost = std::uint64_t{1} << 42;
constexpr std::uint64_t kBlock = 512;
constexpr std::size_t kTypeAt = 156;

struct Refusal {
  DamageKind kind = DamageKind::archive_short;
  std::string text;
};

std::string text_or_empty(const char* text) {
  return text == nullptr ? std::string() : std::string(text);
}

// Sparse files are told by libarchive; the letter and the words are asked too, since a reader that
// does not know them would see other content.
bool is_sparse(archive_entry* entry, Bytes head) {
  const std::string_view text = as_text(head);
  const bool has_type = head.size() >= kBlock && text[head.size() - kBlock + kTypeAt] == 'S';
  return ::archive_entry_sparse_reset(entry) > 0 || has_type ||
         text.find("GNU.sparse") != std::string_view::npos;
}

std::optional<Refusal> refused_type(archive_entry* entry, Bytes head) {
  if (::archive_entry_hardlink(entry) != nullptr) {
    return std::nullopt;
  }
  switch (::archive_entry_filetype(entry)) {
    case AE_IFREG:
      return is_sparse(entry, head)
                 ? std::optional(Refusal{DamageKind::member_type,
                                         "is a sparse file, whose size says nothing of its bytes"})
                 : std::nullopt;
    case AE_IFDIR:
    case AE_IFLNK: return std::nullopt;
    case AE_IFCHR:
    case AE_IFBLK: return Refusal{DamageKind::member_type, "is a device"};
    case AE_IFIFO: return Refusal{DamageKind::member_type, "is a fifo"};
    default: return Refusal{DamageKind::member_type, "is no file, directory or link"};
  }
}

// Where a link leads; hard links name a member, symbolic ones a place seen from their folder.
std::optional<Refusal> take_target(archive_entry* entry, Member& member) {
  std::string why;
  if (const char* const first = ::archive_entry_hardlink(entry)) {
    member.type = MemberType::hard_link;
    const auto clean = clean_path(first, &why);
    member.target = clean.value_or(first);
    return clean ? std::nullopt
                 : std::optional(Refusal{DamageKind::member_outside,
                                         fmt::format("is a link to '{}', which {}", first, why)});
  }
  if (::archive_entry_filetype(entry) == AE_IFLNK) {
    member.type = MemberType::symbolic_link;
    member.target = text_or_empty(::archive_entry_symlink(entry));
    // A `parent` link is text: it is followed only inside of the archive, whatever it says.
    if (name_of(member.path) != "parent" && !stays_inside(member.path, member.target)) {
      return Refusal{DamageKind::member_outside,
                     fmt::format("is a link to '{}', out of the archive", member.target)};
    }
  }
  return std::nullopt;
}

std::optional<Refusal> take_member(archive_entry* entry, Bytes head, Member& member) {
  const char* path = ::archive_entry_pathname(entry);
  path = path == nullptr ? ::archive_entry_pathname_utf8(entry) : path;
  if (path == nullptr) {
    return Refusal{DamageKind::archive_short, "has a name that cannot be read"};
  }
  std::string why;
  auto clean = clean_path(path, &why);
  if (!clean) {
    member.path = path;
    return Refusal{DamageKind::member_outside, "has a name that " + why};
  }
  member.path = std::move(*clean);
  if (auto refused = refused_type(entry, head)) {
    return refused;
  }
  member.type =
      ::archive_entry_filetype(entry) == AE_IFDIR ? MemberType::directory : MemberType::file;
  if (auto refused = take_target(entry, member)) {
    return refused;
  }
  member.mode = ::archive_entry_perm(entry);
  member.uid = static_cast<std::uint64_t>(::archive_entry_uid(entry));
  member.gid = static_cast<std::uint64_t>(::archive_entry_gid(entry));
  member.user = text_or_empty(::archive_entry_uname(entry));
  member.group = text_or_empty(::archive_entry_gname(entry));
  member.mtime = ::archive_entry_mtime(entry);
  member.mtime_ns = static_cast<std::uint32_t>(::archive_entry_mtime_nsec(entry));
  const std::int64_t size = ::archive_entry_size(entry);
  if (size < 0 || (size > 0 && member.type != MemberType::file)) {
    return Refusal{DamageKind::member_type, "is a link or directory with content"};
  }
  member.size = static_cast<std::uint64_t>(size);
  return std::nullopt;
}

// Whether only its type or its target was refused.
bool is_clean(const Member& member) {
  std::string why;
  return clean_path(member.path.empty() ? "." : member.path, &why).has_value();
}

struct FreeArchive {
  void operator()(struct archive* a) const { ::archive_read_free(a); }
};
using Reader = std::unique_ptr<struct archive, FreeArchive>;

Reader make_reader() {
  Reader reader(::archive_read_new());
  if (reader != nullptr) {
    ::archive_read_support_format_tar(reader.get());
    ::archive_read_set_options(reader.get(), "hdrcharset=BINARY");
  }
  return reader;
}

std::uint64_t position(struct archive* reader) {
  return static_cast<std::uint64_t>(::archive_filter_bytes(reader, 0));
}

std::uint64_t header_position(struct archive* reader) {
  return static_cast<std::uint64_t>(::archive_read_header_position(reader));
}

}  // namespace

struct TarWalk::Tar {
  Reader reader = make_reader();
  archive_entry* entry = nullptr;
};

TarWalk::TarWalk(Bytes archive, WalkOptions options)
    : archive_(archive), options_(std::move(options)), compression_(compression_of(archive)) {
  allow(kFloor + archive.size() * kRatio);
}

TarWalk::~TarWalk() = default;

Failure TarWalk::broken(DamageKind kind, const std::string& member, std::string text) {
  criu::Damage damage{kind, member, 0, 0, {}, std::move(text)};
  if (options_.on_damage) {
    options_.on_damage(damage);
  }
  const Fault fault = kind == DamageKind::archive_limit ? Fault::limit : Fault::corrupt;
  return member.empty() ? fail(fault, options_.name, damage.text)
                        : fail(fault, options_.name, "member " + member, damage.text);
}

Result<Bytes> TarWalk::inflate() {
  if (options_.stop != nullptr && options_.stop->load() != 0) {
    return fail(Fault::gone, options_.name, "interrupted");
  }
  Result<Bytes> piece = inflater_->next();
  if (!piece) {
    const Error& error = piece.error();
    return error.fault == Fault::corrupt
               ? broken(DamageKind::archive_short, {}, error.why + " after " + size_text(inflated_))
               : fail(error);
  }
  if (inflated_ + piece->size() > std::min(allowed_, kMost)) {
    return broken(DamageKind::archive_limit, last_,
                  fmt::format("more than {} come out of {}", size_text(inflated_),
                              size_text(archive_.size())));
  }
  IMG_TRY(write_all(spool_.get(), *piece, "temporary file"));
  inflated_ += piece->size();
  return piece;
}

Result<void> TarWalk::open(Tar& tar) {
  if (tar.reader == nullptr) {
    return fail(Fault::io, options_.name, "read archive", "no memory");
  }
  int code = ARCHIVE_OK;
  if (compression_ == Compression::none) {
    tar_ = archive_;
    code = ::archive_read_open_memory(tar.reader.get(), archive_.data(), archive_.size());
  } else {
    IMG_ASSIGN(spool_, large_nameless_file());
    inflater_ = make_inflater(compression_, archive_, options_.name);
    code = ::archive_read_open(
        tar.reader.get(), this, nullptr,
        [](struct archive* reader, void* self, const void** piece) -> la_ssize_t {
          auto* const walk = static_cast<TarWalk*>(self);
          Result<Bytes> got = walk->inflate();
          if (!got) {
            walk->inflate_error_ = std::move(got).error();
            ::archive_set_error(reader, EIO, "cannot be decompressed");
            return -1;
          }
          *piece = got->data();
          return static_cast<la_ssize_t>(got->size());
        },
        nullptr);
  }
  return code == ARCHIVE_OK ? Result<void>{} : tar_error(tar);
}

Failure TarWalk::tar_error(Tar& tar) {
  if (inflate_error_) {
    return fail(std::move(*inflate_error_));
  }
  if (members_ == 0 && (compression_ == Compression::none ? archive_.size() : inflated_) > 0) {
    return broken(DamageKind::archive_short, {}, "is no tar archive");
  }
  const char* const why = ::archive_error_string(tar.reader.get());
  return broken(DamageKind::archive_short, {},
                fmt::format("the tar is damaged or ends too early after '{}' ({})", last_,
                            why == nullptr ? "unknown" : why));
}

Result<void> TarWalk::visit_member(Tar& tar, const Visit& visit) {
  if (++members_ > kMaxMembers) {
    return broken(DamageKind::archive_limit, {}, fmt::format("more than {} members", kMaxMembers));
  }
  Extent extent{header_position(tar.reader.get()), position(tar.reader.get()), 0};
  if (extent.content < extent.head + kBlock || extent.content - extent.head > kMaxHead) {
    return broken(DamageKind::archive_limit, {}, "a header of more than 1 MiB");
  }
  IMG_ASSIGN(const std::string head, read_back(extent.head, extent.content - extent.head));
  Member member;
  if (auto refused = take_member(tar.entry, as_bytes(head), member);
      refused && !(options_.is_file_tree && is_clean(member))) {
    return broken(refused->kind, member.path, std::move(refused->text));
  }
  last_ = member.path;
  extent.size = member.size;
  end_of_content_ = extent.end();
  IMG_TRY(visit(std::move(member), extent));
  if (compression_ == Compression::none && extent.size > tar_.size() - extent.content) {
    return broken(DamageKind::archive_short, last_,
                  fmt::format("should have {} bytes, and the archive ends after {}", extent.size,
                              tar_.size() - extent.content));
  }
  // A size that can never come out is refused before it is waited for.
  if (compression_ != Compression::none && extent.end() > std::min(allowed_, kMost)) {
    return broken(DamageKind::archive_limit, last_,
                  fmt::format("should have {}, in an archive of {}", size_text(extent.size),
                              size_text(archive_.size())));
  }
  return {};
}

Result<void> TarWalk::walk(Tar& tar, const Visit& visit) {
  for (;;) {
    const int code = ::archive_read_next_header(tar.reader.get(), &tar.entry);
    if (code == ARCHIVE_EOF) {
      return {};
    }
    if (code < ARCHIVE_WARN || inflate_error_) {
      return tar_error(tar);
    }
    IMG_TRY(visit_member(tar, visit));
  }
}

// The checksum of what is compressed stands at its end, past the end of the tar.
Result<void> TarWalk::finish() {
  while (compression_ != Compression::none) {
    IMG_ASSIGN(const Bytes piece, inflate());
    if (piece.empty()) {
      IMG_ASSIGN(mapped_, MappedFile::map(spool_.get(), inflated_, options_.name));
      tar_ = mapped_.bytes();
      break;
    }
  }
  if (end_of_content_ > tar_.size()) {
    return broken(DamageKind::archive_short, last_, "is cut short by the end of the archive");
  }
  end_of_members_ = std::min<std::uint64_t>(round_up(end_of_content_, kBlock), tar_.size());
  return {};
}

Result<void> TarWalk::run(const Visit& visit) {
  Tar tar;
  IMG_TRY(open(tar));
  IMG_TRY(walk(tar, visit));
  return finish();
}

Result<std::string> TarWalk::read_back(std::uint64_t at, std::uint64_t size) const {
  const std::uint64_t have = compression_ == Compression::none ? tar_.size() : inflated_;
  if (at > have || size > have - at) {
    return fail(Fault::corrupt, options_.name, "read back", "is not there yet");
  }
  if (compression_ == Compression::none) {
    return std::string(as_text(tar_.subspan(at, size)));
  }
  std::string bytes(size, '\0');
  IMG_TRY(read_at(spool_.get(), at, std::as_writable_bytes(std::span(bytes)), "temporary file"));
  return bytes;
}

std::optional<Member> parse_head(Bytes head) {
  if (head.size() < kBlock || head.size() > kMaxHead || head.size() % kBlock != 0) {
    return std::nullopt;
  }
  const Reader reader = make_reader();
  archive_entry* entry = nullptr;
  Member member;
  if (reader == nullptr ||
      ::archive_read_open_memory(reader.get(), head.data(), head.size()) != ARCHIVE_OK ||
      ::archive_read_next_header(reader.get(), &entry) < ARCHIVE_WARN ||
      position(reader.get()) != head.size() || take_member(entry, head, member)) {
    return std::nullopt;
  }
  return member;
}

}  // namespace img::archive
