// SPDX-License-Identifier: MIT
#include "live/plan/files/remaps.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <ctime>

#include "libimg/base/plain_path.h"
#include "libimg/base/text.h"
#include "libimg/model/each_record.h"
#include "live/plan/files/image_files.h"

namespace img::plan {

using schema::RemapType;

namespace {

constexpr std::uint32_t kOldGhostBit = 0x8000'0000;  // of remap_id, before remap_type was recorded

constexpr std::string_view kLinkName = "link_remap.";

/// What of a ghost has to be known to make it.
struct Ghost {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint32_t mode = 0;
  std::uint32_t device = 0;  // where it was
  std::uint64_t inode = 0;
  std::uint32_t rdev = 0;  // as stat(2) and mknod(2) number devices
  std::uint64_t size = 0;
  bool has_size = false;
  std::string target;
  timespec times[2] = {};  // of access and change
  bool has_times = false;
  struct Part {
    model::RecordKey record;
    std::uint64_t offset = 0;
  };
  std::vector<Part> parts;
};

// What is made, linked or removed under it is nothing else of the host's.
Result<void> check_name(const std::string& name) {
  return is_plain_path(name) ? Result<void>()
                             : fail(Fault::corrupt, "files.img", "name " + escaped(name),
                                    "it is not where a deleted file can have been");
}

timespec time_of(const schema::Timeval& time) {
  constexpr auto kSecond = 1'000'000;  // a stranger may say more
  return {static_cast<time_t>(time.tv_sec()), static_cast<long>(time.tv_usec() % kSecond) * 1000};
}

/// Makes the node itself at `path`, content and all.
void make_node(FileContext& context, const Ghost& ghost, const std::string& path) {
  PlanBuilder& builder = *context.builder;
  const auto [root, name] = context.place_of(path);
  const std::string what = "make " + escaped(path) + " again, which had been deleted";
  const std::uint32_t permissions = ghost.mode & 07777;
  switch (ghost.mode & S_IFMT) {
    case S_IFDIR: builder.call(kRestorer, SYS_mkdirat, {root, name, permissions}, what); break;
    case S_IFLNK:
      builder.call(kRestorer, SYS_symlinkat, {builder.text(ghost.target), root, name}, what);
      return;
    case S_IFREG: {
      const Slot made = builder.keep(
          builder.call(kRestorer, SYS_openat,
                       {root, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600}, what));
      for (const Ghost::Part& part : ghost.parts) {
        context.copy_payload(made, part.record, part.offset, "content of " + escaped(path));
      }
      if (ghost.has_size) {
        builder.call(kRestorer, SYS_ftruncate, {made, ghost.size}, "size of " + escaped(path));
      }
      builder.close(made);
      break;
    }
    default:
      builder.call(kRestorer, SYS_mknodat, {root, name, ghost.mode, ghost.rdev}, what);
      break;
  }
  builder.call(kRestorer, SYS_fchownat, {root, name, ghost.uid, ghost.gid, AT_SYMLINK_NOFOLLOW},
               "owner of " + escaped(path));
  builder.call(kRestorer, SYS_fchmodat, {root, name, permissions}, "mode of " + escaped(path));
  if (ghost.has_times) {
    builder.call(kRestorer, SYS_utimensat,
                 {root, name, builder.data(std::as_bytes(std::span(ghost.times))), 0},
                 "times of " + escaped(path));
  }
}

}  // namespace

class Remaps::GhostSink final : public model::RecordSink {
 public:
  Ghost ghost;
  bool found = false;

  Result<void> record(const model::Record& record) override {
    if (record.key.seq == 0 || record.table == nullptr) {
      return {};
    }
    if (record.key.seq == 1) {
      take_head(*record.as<schema::GhostFileEntry>());
      if (record.payload.size() != 0) {
        ghost.parts.push_back({record.key, 0});
      }
    } else {
      ghost.parts.push_back({record.key, record.as<schema::GhostChunkEntry>()->off()});
    }
    return {};
  }

 private:
  void take_head(const schema::GhostFileEntry& entry) {
    found = true;
    ghost.uid = entry.uid();
    ghost.gid = entry.gid();
    ghost.mode = entry.mode();
    ghost.device = entry.dev().value_or(0);
    ghost.inode = entry.ino().value_or(0);
    ghost.rdev = entry.rdev().value_or(0);
    ghost.has_size = entry.size().has_value();
    ghost.size = entry.size().value_or(0);
    if (entry.symlnk_target() != nullptr) {
      ghost.target = entry.symlnk_target()->str();
    }
    if (entry.atim() != nullptr && entry.mtim() != nullptr) {
      ghost.has_times = true;
      ghost.times[0] = time_of(*entry.atim());
      ghost.times[1] = time_of(*entry.mtim());
    }
  }
};

Result<void> Remaps::read(model::ImageReader& reader) {
  return model::for_each_message<schema::RemapFilePathEntry>(
      reader, {model::Kind::remap_fpath, 0},
      [this](const schema::RemapFilePathEntry& entry, const model::Record&) {
        Remap remap{RemapType::LINKED, entry.remap_id()};
        if (entry.remap_type()) {
          remap.type = *entry.remap_type();
        } else if ((entry.remap_id() & kOldGhostBit) != 0) {
          remap = {RemapType::GHOST, entry.remap_id() & ~kOldGhostBit};
        }
        by_file_.emplace(entry.orig_id(), remap);
      });
}

Result<Slot> Remaps::holder(FileContext& context, std::uint32_t file_id) {
  const Remap& remap = by_file_.at(file_id);
  const schema::RegFileEntry* entry = context.regular(file_id);
  if (entry == nullptr) {
    return fail(Fault::corrupt, "remap-fpath.img", "names file " + std::to_string(file_id),
                "which is no regular file of the image");
  }
  const std::string name = entry->name()->str();
  IMG_TRY(check_name(name));
  switch (remap.type) {
    case RemapType::GHOST: return make_ghost(context, remap.id, name);
    case RemapType::LINKED: {
      const auto known = links_.find(file_id);
      if (known != links_.end()) {
        return known->second;
      }
      IMG_ASSIGN(const Slot opened, open_link(context, remap.id, name));
      links_.emplace(file_id, opened);
      return opened;
    }
    case RemapType::PROCFS: break;
  }
  const auto known = links_.find(file_id);
  if (known != links_.end()) {
    return known->second;
  }
  PlanBuilder& builder = *context.builder;
  if (stand_ins_.count(remap.id) == 0) {
    stand_ins_.emplace(remap.id, builder.stand_in(remap.id));
  }
  const Slot opened = context.open_path(name, O_PATH);
  links_.emplace(file_id, opened);
  return opened;
}

Result<std::optional<Slot>> Remaps::ghost_of(FileContext& context, std::uint32_t device,
                                             std::uint64_t inode) {
  for (const auto& [file_id, remap] : by_file_) {
    if (remap.type != RemapType::GHOST) {
      continue;
    }
    GhostSink sink;
    IMG_TRY(context.reader.read({model::Kind::ghost_file, remap.id}, sink));
    if (sink.found && sink.ghost.device == device && sink.ghost.inode == inode) {
      IMG_ASSIGN(const Slot slot, holder(context, file_id));
      return std::optional(slot);
    }
  }
  return std::optional<Slot>();
}

Result<Slot> Remaps::make_ghost(FileContext& context, std::uint32_t id, const std::string& name) {
  const auto known = ghosts_.find(id);
  if (known != ghosts_.end()) {
    return known->second;
  }
  GhostSink sink;
  IMG_TRY(context.reader.read({model::Kind::ghost_file, id}, sink));
  if (!sink.found) {
    return fail(Fault::missing, context.reader.file_name({model::Kind::ghost_file, id}),
                "content of " + escaped(name) + ", which had been deleted", "is not in the image");
  }
  PlanBuilder& builder = *context.builder;
  // Where another file has the name by now, ours gets one that says whose it is.
  const std::string path =
      context.is_taken(name) ? name + ".cr." + std::to_string(id) + ".ghost" : name;
  const std::vector<std::string> folders = context.make_folders(path);
  make_node(context, sink.ghost, path);
  const Slot holder = context.open_path(path, O_PATH | O_NOFOLLOW);
  const bool is_folder = (sink.ghost.mode & S_IFMT) == S_IFDIR;
  const auto [above, last] = context.place_of(path);
  builder.call(kRestorer, SYS_unlinkat, {above, last, is_folder ? AT_REMOVEDIR : 0},
               "delete " + escaped(path) + ", as it was");
  context.remove_folders(folders);
  ghosts_.emplace(id, holder);
  return holder;
}

Result<Slot> Remaps::open_link(FileContext& context, std::uint32_t link_id,
                               const std::string& name) {
  const schema::RegFileEntry* link = context.regular(link_id);
  if (link == nullptr) {
    return fail(Fault::corrupt, "remap-fpath.img", "names file " + std::to_string(link_id),
                "which is no regular file of the image");
  }
  const std::string path = link->name()->str();
  IMG_TRY(check_name(path));
  // It is removed in the end, and must be nothing that somebody else has made.
  if (!file_part(path).starts_with(kLinkName)) {
    return fail(Fault::corrupt, "remap-fpath.img", "link remap " + escaped(path),
                "it is not called link_remap.N");
  }
  PlanBuilder& builder = *context.builder;
  builder.expect(FilePresent{
      path, link->mode().value_or(0), link->size().has_value(), link->size().value_or(0), {}, {}});
  used_links_.push_back(path);
  if (context.is_taken(name) || context.is_missing(name.substr(0, name.rfind('/')))) {
    return context.open_path(path, O_PATH | O_NOFOLLOW);
  }
  const auto from = context.place_of(path);
  const auto to = context.place_of(name);
  builder.call(kRestorer, SYS_linkat, {from.folder, from.name, to.folder, to.name, 0},
               "give " + escaped(path) + " its old name");
  const Slot holder = context.open_path(name, O_PATH | O_NOFOLLOW);
  builder.call(kRestorer, SYS_unlinkat, {to.folder, to.name, 0},
               "delete " + escaped(name) + ", as it was");
  return holder;
}

/// A file of /proc can be used only while its process is there, as working folder too. Where a task
/// of the tree has that pid now, the process must go before it comes.
void Remaps::opened(FileContext& context) {
  std::erase_if(stand_ins_, [&](const auto& one) {
    const bool is_in_the_way = context.tasks.contains(one.first);
    if (is_in_the_way) {
      context.builder->end_stand_in(one.second);
    }
    return is_in_the_way;
  });
}

void Remaps::finish(FileContext& context) {
  for (const auto& [pid, process] : stand_ins_) {
    context.builder->end_stand_in(process);
  }
  stand_ins_.clear();
  if (context.options.keep_link_remaps) {
    return;
  }
  for (const std::string& path : used_links_) {
    const auto [folder, name] = context.place_of(path);
    context.builder->call(kRestorer, SYS_unlinkat, {folder, name, 0},
                          "remove link remap " + escaped(path), kMayFail);
  }
  used_links_.clear();
}

}  // namespace img::plan
