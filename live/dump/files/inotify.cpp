// SPDX-License-Identifier: MIT
// inotify: what is watched is known by its file handle. A path is found through it, since handles
// and inode numbers do not outlive every file system.
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "live/dump/files/file_kind.h"

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

bool is_same(const std::string& path, const procfs::InotifyWatch& watch) {
  struct stat stat {};
  return ::lstat(path.c_str(), &stat) == 0 && stat.st_ino == watch.inode;
}

struct Found {
  std::string path;        // empty: it has none
  bool opened = false;     // the handle leads to the file
  bool in_memory = false;  // of a file system whose inodes do not outlive it
};

class Inotifies final : public FileKind {
 public:
  using FileKind::FileKind;
  schema::FdTypes type() const override { return schema::FdTypes::INOTIFY; }
  bool recognises(const OpenFile& file) const override { return file.link == "anon_inode:inotify"; }

  Result<void> collect(OpenFile& file, std::uint32_t id) override {
    std::vector<procfs::InotifyWatch> watches = file.info.inotify;
    std::sort(watches.begin(), watches.end(),
              [](const auto& one, const auto& other) { return one.descriptor < other.descriptor; });
    std::vector<std::string> paths;
    for (const procfs::InotifyWatch& watch : watches) {
      IMG_ASSIGN(const Found found, find(watch));
      if (found.path.empty() && (!found.opened || found.in_memory)) {
        bench_.refuse(file, state::Piece::inotify_no_path);
        return {};
      }
      paths.push_back(found.path);
    }
    int waiting = 0;
    if (::ioctl(file.copy.get(), FIONREAD, &waiting) == 0 && waiting > 0) {
      bench_.lose(file, state::Piece::inotify_events);
    }
    add(file, id, watches, paths);
    return {};
  }

 private:
  void add(const OpenFile& file, std::uint32_t id, const std::vector<procfs::InotifyWatch>& watches,
           const std::vector<std::string>& paths) {
    auto& builder = bench_.builder();
    std::vector<flatbuffers::Offset<schema::InotifyWdEntry>> entries;
    for (std::size_t i = 0; i < watches.size(); ++i) {
      const procfs::InotifyWatch& watch = watches[i];
      std::array<unsigned char, kHandleBytes> bytes{};
      from_hexadecimal(watch.handle.handle, bytes);
      std::array<std::uint64_t, kHandleBytes / 8> words{};
      std::memcpy(words.data(), bytes.data(), bytes.size());
      const auto handle_words = builder.CreateVector(words.data(), words.size());
      const auto path = paths[i].empty() ? 0 : builder.CreateString(paths[i]);
      const auto handle =
          schema::CreateFhEntry(builder, watch.handle.bytes, watch.handle.type, handle_words, path);
      entries.push_back(
          schema::CreateInotifyWdEntry(builder, 0, watch.inode, watch.mask, 0, watch.device,
                                       static_cast<std::uint32_t>(watch.descriptor), handle));
    }
    const auto owner = owner_entry(builder, file.owner);
    const auto list = entries.empty() ? 0 : builder.CreateVector(entries);
    bench_.add_file(type(), id,
                    schema::CreateInotifyFileEntry(builder, id, file.flags, owner, list),
                    &schema::FileEntryBuilder::add_ify);
  }

  Result<Found> find(const procfs::InotifyWatch& watch) {
    IMG_ASSIGN(const std::span<const procfs::Mount> mounts, bench_.mounts());
    Found found;
    Handle handle{watch.handle.bytes, static_cast<std::int32_t>(watch.handle.type), {}};
    if (watch.handle.bytes > kHandleBytes || !from_hexadecimal(watch.handle.handle, handle.bytes)) {
      return found;
    }
    for (const procfs::Mount& mount : mounts) {
      if (makedev(mount.device_major, mount.device_minor) != device_of(watch.device)) {
        continue;
      }
      const UniqueFd place(
          ::open(mount.mountpoint.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK));
      const UniqueFd fd(
          ::open_by_handle_at(place.get(), reinterpret_cast<file_handle*>(&handle), kLook));
      if (!fd.is_open()) {
        continue;
      }
      found.opened = true;
      struct statfs system {};
      found.in_memory = ::fstatfs(fd.get(), &system) == 0 && system.f_type == TMPFS_MAGIC;
      const auto name = name_of(fd.get());
      if (name && name->starts_with('/') && is_same(*name, watch)) {
        found.path = *name;
        return found;
      }
    }
    return found;
  }
};

}  // namespace

std::unique_ptr<FileKind> make_inotifies(FileBench& bench) {
  return std::make_unique<Inotifies>(bench);
}

}  // namespace img::dump
