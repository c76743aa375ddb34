// SPDX-License-Identifier: MIT
#include "libimg/archive/tar_writer.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <vector>

#include "libimg/archive/tar_walk.h"
#include "libimg/base/assert.h"

namespace img::archive {
namespace {

constexpr std::size_t kBlock = 512;

struct FreeWriter {
  void operator()(struct archive* a) const { ::archive_write_free(a); }
};
struct FreeEntry {
  void operator()(archive_entry* entry) const { ::archive_entry_free(entry); }
};

// What the writer makes, until it is whole: closing would add the content, as zeros, and an end.
struct Head {
  std::string bytes;
  bool is_whole = false;
};

la_ssize_t append(struct archive* writer, void* to, const void* bytes, std::size_t size) {
  Head& head = *static_cast<Head*>(to);
  if (head.is_whole) {
    ::archive_set_error(writer, ECANCELED, "only the head is wanted");
    return -1;
  }
  head.bytes.append(static_cast<const char*>(bytes), size);
  return static_cast<la_ssize_t>(size);
}

void fill(archive_entry* entry, const Member& member) {
  const bool is_directory = member.type == MemberType::directory;
  ::archive_entry_set_pathname(entry, (member.path + (is_directory ? "/" : "")).c_str());
  ::archive_entry_set_filetype(entry, is_directory                               ? AE_IFDIR
                                      : member.type == MemberType::symbolic_link ? AE_IFLNK
                                                                                 : AE_IFREG);
  if (member.type == MemberType::symbolic_link) {
    ::archive_entry_set_symlink(entry, member.target.c_str());
  } else if (member.type == MemberType::hard_link) {
    ::archive_entry_set_hardlink(entry, member.target.c_str());
  }
  ::archive_entry_set_perm(entry, static_cast<mode_t>(member.mode));
  ::archive_entry_set_uid(entry, static_cast<la_int64_t>(member.uid));
  ::archive_entry_set_gid(entry, static_cast<la_int64_t>(member.gid));
  ::archive_entry_set_uname(entry, member.user.c_str());
  ::archive_entry_set_gname(entry, member.group.c_str());
  ::archive_entry_set_mtime(entry, static_cast<time_t>(member.mtime),
                            static_cast<long>(member.mtime_ns));
  ::archive_entry_set_size(entry, static_cast<la_int64_t>(member.size));
}

bool is_zeros(Bytes bytes) {
  return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; });
}

}  // namespace

Result<std::string> make_head(const Member& member) {
  Head head;
  const std::unique_ptr<struct archive, FreeWriter> writer(::archive_write_new());
  const std::unique_ptr<archive_entry, FreeEntry> entry(::archive_entry_new());
  if (writer == nullptr || entry == nullptr) {
    return fail(Fault::io, member.path, "make a tar header", "no memory");
  }
  ::archive_write_set_format_pax_restricted(writer.get());
  ::archive_write_set_bytes_per_block(writer.get(), 0);
  fill(entry.get(), member);
  if (::archive_write_open(writer.get(), &head, nullptr, append, nullptr) != ARCHIVE_OK ||
      ::archive_write_header(writer.get(), entry.get()) < ARCHIVE_WARN) {
    const char* const why = ::archive_error_string(writer.get());
    return fail(Fault::unsupported, member.path, "cannot be a member of a tar",
                why == nullptr ? "" : why);
  }
  head.is_whole = true;
  return std::move(head.bytes);
}

Result<void> TarWriter::begin(const Member& member, Bytes head) {
  IMG_TRY(end_member());
  std::string why;
  const auto clean = clean_path(member.path.empty() ? "." : member.path, &why);
  if (!clean || *clean != member.path) {
    return fail(Fault::corrupt, member.path, "cannot be a member", clean ? "is unclean" : why);
  }
  path_ = member.path;
  size_ = member.type == MemberType::file ? member.size : 0;
  left_ = size_;
  if (!head.empty() && parse_head(head) == member) {
    return out_.write(head);
  }
  IMG_ASSIGN(const std::string made, make_head(member));
  return out_.write(as_bytes(made));
}

Result<void> TarWriter::content(Bytes bytes) {
  if (bytes.size() > left_) {
    return fail(Fault::corrupt, path_, "has more bytes than it should",
                fmt::format("{} of {} are left", left_, size_));
  }
  left_ -= bytes.size();
  return out_.write(bytes);
}

Result<void> TarWriter::end_member() {
  if (left_ != 0) {
    return fail(Fault::corrupt, path_, "has fewer bytes than it should",
                fmt::format("{} of {} are missing", left_, size_));
  }
  static constexpr std::byte kZeros[kBlock] = {};
  const std::size_t padding = round_up(size_, kBlock) - size_;
  size_ = 0;
  return out_.write(Bytes(kZeros).first(padding));
}

Result<void> TarWriter::finish(const std::vector<Bytes>* tail) {
  IMG_TRY(end_member());
  // Only zeros end a tar; what else stood there could be more members to somebody.
  if (tail != nullptr && std::ranges::all_of(*tail, is_zeros)) {
    for (const Bytes part : *tail) {
      IMG_TRY(out_.write(part));
    }
    return {};
  }
  static constexpr std::byte kEnd[2 * kBlock] = {};
  return out_.write(kEnd);
}

}  // namespace img::archive
