// SPDX-License-Identifier: MIT
#include "live/dump/files/watched_file.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstring>

namespace img::dump {
namespace {

constexpr std::size_t kHandleBytes = 128;  // the room that a record has
constexpr int kLook = O_PATH | O_CLOEXEC | O_NOFOLLOW;

// struct file_handle, with room for the handle.
struct Handle {
  std::uint32_t length = 0;
  std::int32_t type = 0;
  std::array<unsigned char, kHandleBytes> bytes{};
};
static_assert(sizeof(Handle) == sizeof(file_handle) + kHandleBytes);

bool from_hexadecimal(std::string_view text, std::array<unsigned char, kHandleBytes>& out) {
  if (text.size() % 2 != 0 || text.size() / 2 > out.size()) {
    return false;
  }
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const auto [stop, error] = std::from_chars(&text[i], &text[i] + 2, out[i / 2], 16);
    if (error != std::errc{} || stop != &text[i] + 2) {
      return false;
    }
  }
  return true;
}

dev_t device_of(std::uint32_t kernel) {
  return makedev(kernel >> 20, kernel & 0xfffff);
}

bool has_inode(const std::string& path, std::uint64_t inode) {
  struct stat stat {};
  return ::lstat(path.c_str(), &stat) == 0 && stat.st_ino == inode;
}

}  // namespace

Result<WatchedFile> find_watched(FileBench& bench, const procfs::FileHandle& handle,
                                 std::uint32_t device, std::uint64_t inode) {
  IMG_ASSIGN(const std::span<const Mount> mounts, bench.mounts());
  WatchedFile found;
  Handle argument{handle.bytes, static_cast<std::int32_t>(handle.type), {}};
  if (handle.bytes > kHandleBytes || !from_hexadecimal(handle.handle, argument.bytes)) {
    return found;
  }
  for (const Mount& mount : mounts) {
    if (makedev(mount.device_major, mount.device_minor) != device_of(device)) {
      continue;
    }
    const UniqueFd place(
        ::open(mount.mountpoint.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK));
    const UniqueFd fd(
        ::open_by_handle_at(place.get(), reinterpret_cast<file_handle*>(&argument), kLook));
    if (!fd.is_open()) {
      continue;
    }
    found.opened = true;
    struct statfs system {};
    found.in_memory = ::fstatfs(fd.get(), &system) == 0 && system.f_type == TMPFS_MAGIC;
    const auto name = name_of(fd.get());
    if (name && name->starts_with('/') && has_inode(*name, inode)) {
      found.path = *name;
      return found;
    }
  }
  return found;
}

flatbuffers::Offset<schema::FhEntry> handle_entry(flatbuffers::FlatBufferBuilder& builder,
                                                  const procfs::FileHandle& handle,
                                                  const std::string& path) {
  std::array<unsigned char, kHandleBytes> bytes{};
  from_hexadecimal(handle.handle, bytes);
  std::array<std::uint64_t, kHandleBytes / 8> words{};
  std::memcpy(words.data(), bytes.data(), bytes.size());
  const auto list = builder.CreateVector(words.data(), words.size());
  const auto name = path.empty() ? 0 : builder.CreateString(path);
  return schema::CreateFhEntry(builder, handle.bytes, handle.type, list, name);
}

}  // namespace img::dump
