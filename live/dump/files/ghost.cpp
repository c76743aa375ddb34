// SPDX-License-Identifier: MIT
// A deleted file as records: its stat, then its content, all at once where it is small, otherwise
// the parts that are not holes.
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "live/dump/files/remaps.h"

namespace img::dump {
namespace {

/// From this size on in parts, as CRIU does it.
constexpr std::uint64_t kChunked = std::uint64_t{3} << 12;
constexpr std::uint64_t kChunkBytes = std::uint64_t{1} << 20;

// The kernel's own packing of a device number, which these records have.
std::uint32_t kernel_device(dev_t device) {
  return major(device) << 20 | minor(device);
}

flatbuffers::Offset<schema::Timeval> time_of(flatbuffers::FlatBufferBuilder& builder,
                                             const timespec& time) {
  return schema::CreateTimeval(builder, static_cast<std::uint64_t>(time.tv_sec),
                               static_cast<std::uint64_t>(time.tv_nsec) / 1000);
}

Result<std::string> target_of(const OpenFile& file) {
  char target[PATH_MAX];
  const ssize_t length = ::readlinkat(file.copy.get(), "", target, sizeof target);
  if (length <= 0) {
    return fail(sys_error(errno, file.name(), "readlink"));
  }
  return std::string(target, static_cast<std::size_t>(length));
}

class GhostFile {
 public:
  GhostFile(const OpenFile& file, std::uint32_t id, FileBench& bench)
      : file_(file), size_(static_cast<std::uint64_t>(file.stat.st_size)), id_(id), bench_(bench) {}

  Result<void> add() {
    if (!S_ISREG(file_.stat.st_mode)) {
      return head(false, {});
    }
    IMG_ASSIGN(const UniqueFd fd, readable(file_));
    IMG_ASSIGN(const Bytes content, bench_.payloads().map(fd.get(), size_, file_.name()));
    const bool is_chunked = size_ >= kChunked;
    IMG_TRY(head(is_chunked, is_chunked ? Bytes() : content));
    return is_chunked ? chunks(content) : Result<void>();
  }

 private:
  Result<void> head(bool is_chunked, Bytes content) {
    const struct stat& stat = file_.stat;
    auto& builder = bench_.builder();
    flatbuffers::Offset<flatbuffers::String> target;
    if (S_ISLNK(stat.st_mode)) {
      IMG_ASSIGN(const std::string text, target_of(file_));
      target = builder.CreateString(text);
    }
    const auto accessed = time_of(builder, stat.st_atim);
    const auto modified = time_of(builder, stat.st_mtim);
    schema::GhostFileEntryBuilder ghost(builder);
    ghost.add_uid(stat.st_uid);
    ghost.add_gid(stat.st_gid);
    ghost.add_mode(stat.st_mode);
    ghost.add_dev(kernel_device(stat.st_dev));
    ghost.add_ino(stat.st_ino);
    if (S_ISCHR(stat.st_mode) || S_ISBLK(stat.st_mode)) {
      ghost.add_rdev(static_cast<std::uint32_t>(stat.st_rdev));
    }
    ghost.add_atim(accessed);
    ghost.add_mtim(modified);
    if (is_chunked) {
      ghost.add_chunks(true);
      ghost.add_size(size_);
    }
    if (!target.IsNull()) {
      ghost.add_symlnk_target(target);
    }
    bench_.records().add(Kind::ghost_file, id_, ghost.Finish(),
                         content.empty() ? std::vector<Bytes>() : std::vector<Bytes>{content});
    return {};
  }

  Result<void> chunks(Bytes content) {
    IMG_ASSIGN(const UniqueFd fd, opened_again(file_));
    for (std::uint64_t end = 0; end < size_;) {
      const off_t data = ::lseek(fd.get(), static_cast<off_t>(end), SEEK_DATA);
      if (data < 0 && errno == ENXIO) {
        return {};  // only a hole is left
      }
      const off_t hole = data < 0 ? -1 : ::lseek(fd.get(), data, SEEK_HOLE);
      if (hole < 0) {
        return fail(sys_error(errno, file_.name(), "seek for data"));
      }
      end = std::min(static_cast<std::uint64_t>(hole), size_);
      for (auto at = static_cast<std::uint64_t>(data); at < end; at += kChunkBytes) {
        const std::uint64_t bytes = std::min(kChunkBytes, end - at);
        auto& builder = bench_.builder();
        bench_.records().add(Kind::ghost_file, id_,
                             schema::CreateGhostChunkEntry(builder, bytes, at),
                             {content.subspan(at, bytes)});
      }
    }
    return {};
  }

  const OpenFile& file_;
  std::uint64_t size_;
  std::uint32_t id_;
  FileBench& bench_;
};

}  // namespace

Result<void> add_ghost_file(const OpenFile& file, std::uint32_t id, FileBench& bench) {
  return GhostFile(file, id, bench).add();
}

}  // namespace img::dump
