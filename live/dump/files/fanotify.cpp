// SPDX-License-Identifier: MIT
// fanotify: marks on files and on mounts.
#include <sys/fanotify.h>

#include <algorithm>

#include "live/dump/files/file_kind.h"
#include "live/dump/files/watched_file.h"

namespace img::dump {
namespace {

using procfs::FanotifyMark;

constexpr std::uint32_t kPermissions = FAN_OPEN_PERM | FAN_ACCESS_PERM |
                                       0x40000 /* FAN_OPEN_EXEC_PERM */ |
                                       0x100000 /* FAN_PRE_ACCESS, Linux 6.14 */;

class Fanotifies final : public FileKind {
 public:
  using FileKind::FileKind;
  schema::FdTypes type() const override { return schema::FdTypes::FANOTIFY; }
  bool recognises(const OpenFile& file) const override { return file.info.fanotify.has_value(); }

  Result<void> collect(OpenFile& file, std::uint32_t id) override {
    const auto& marks = file.info.fanotify->marks;
    // Who asks for permission would wait for us, who stand still.
    if (std::any_of(marks.begin(), marks.end(), [](const FanotifyMark& mark) {
          return mark.on == FanotifyMark::On::other || (mark.mask & kPermissions) != 0;
        })) {
      bench_.refuse(file, state::Piece::fanotify_kind);
      return {};
    }
    IMG_ASSIGN(const auto paths,
               watched_paths(bench_, file, marks,
                             [this](const FanotifyMark& mark) { return find(mark); }));
    if (paths) {
      add(file, id, *paths);
    }
    return {};
  }

 private:
  Result<WatchedFile> find(const FanotifyMark& mark) {
    if (mark.on == FanotifyMark::On::file) {
      return find_watched(bench_, mark.handle, mark.device, mark.inode);
    }
    WatchedFile found;
    IMG_ASSIGN(const std::span<const Mount> mounts, bench_.mounts());
    const auto mount = std::find_if(mounts.begin(), mounts.end(),
                                    [&](const Mount& one) { return one.id == mark.mount; });
    if (mount != mounts.end()) {
      found.path = mount->mountpoint;
    }
    return found;
  }

  void add(const OpenFile& file, std::uint32_t id, const std::vector<std::string>& paths) {
    const procfs::FanotifyState& state = *file.info.fanotify;
    auto& builder = bench_.builder();
    std::vector<flatbuffers::Offset<schema::FanotifyMarkEntry>> marks;
    for (std::size_t i = 0; i < state.marks.size(); ++i) {
      const FanotifyMark& mark = state.marks[i];
      const bool is_file = mark.on == FanotifyMark::On::file;
      flatbuffers::Offset<schema::FanotifyInodeMarkEntry> on_file;
      flatbuffers::Offset<schema::FanotifyMountMarkEntry> on_mount;
      if (is_file) {
        const auto handle = handle_entry(builder, mark.handle, paths[i]);
        on_file = schema::CreateFanotifyInodeMarkEntry(builder, mark.inode, handle);
      } else {
        const auto path = builder.CreateString(paths[i]);
        on_mount = schema::CreateFanotifyMountMarkEntry(
            builder, static_cast<std::uint32_t>(mark.mount), path);
      }
      marks.push_back(schema::CreateFanotifyMarkEntry(
          builder, 0, is_file ? schema::MarkType::INODE : schema::MarkType::MOUNT, mark.flags,
          mark.mask, mark.ignored, mark.device, on_file, on_mount));
    }
    const auto owner = owner_entry(builder, file.owner);
    const auto list = marks.empty() ? 0 : builder.CreateVector(marks);
    bench_.add_file(type(), id,
                    schema::CreateFanotifyFileEntry(builder, id, file.flags, owner, state.flags,
                                                    state.event_flags, list),
                    &schema::FileEntryBuilder::add_ffy);
  }
};

}  // namespace

std::unique_ptr<FileKind> make_fanotifies(FileBench& bench) {
  return std::make_unique<Fanotifies>(bench);
}

}  // namespace img::dump
