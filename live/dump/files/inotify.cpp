// SPDX-License-Identifier: MIT

#include <algorithm>

#include "live/dump/files/file_kind.h"
#include "live/dump/files/watched_file.h"

namespace img::dump {
namespace {

class Inotifies final : public FileKind {
 public:
  using FileKind::FileKind;
  schema::FdTypes type() const override { return schema::FdTypes::INOTIFY; }
  bool recognises(const OpenFile& file) const override { return file.link == "anon_inode:inotify"; }

  Result<void> collect(OpenFile& file, std::uint32_t id) override {
    std::vector<procfs::InotifyWatch> watches = file.info.inotify;
    std::sort(watches.begin(), watches.end(),
              [](const auto& one, const auto& other) { return one.descriptor < other.descriptor; });
    IMG_ASSIGN(const auto paths,
               watched_paths(bench_, file, watches, [&](const procfs::InotifyWatch& watch) {
                 return find_watched(bench_, watch.handle, watch.device, watch.inode);
               }));
    if (paths) {
      add(file, id, watches, *paths);
    }
    return {};
  }

 private:
  void add(const OpenFile& file, std::uint32_t id, const std::vector<procfs::InotifyWatch>& watches,
           const std::vector<std::string>& paths) {
    auto& builder = bench_.builder();
    std::vector<flatbuffers::Offset<schema::InotifyWdEntry>> entries;
    for (std::size_t i = 0; i < watches.size(); ++i) {
      const procfs::InotifyWatch& watch = watches[i];
      const auto handle = handle_entry(builder, watch.handle, paths[i]);
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
};

}  // namespace

std::unique_ptr<FileKind> make_inotifies(FileBench& bench) {
  return std::make_unique<Inotifies>(bench);
}

}  // namespace img::dump
