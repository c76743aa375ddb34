// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "libimg/base/text.h"
#include "live/plan/files/image_files.h"
#include "live/state/state.h"

namespace img::plan {

using model::OpenFile;
using schema::FdTypes;

namespace {

/// What open(2) was told only to make the file.
constexpr std::uint32_t kMakes = O_CREAT | O_EXCL | O_TRUNC;
/// Set by open(2) itself on 64 bits, and not known to openat2 in every kernel.
constexpr std::uint32_t kLargeFile = 0100000;
/// What may stand beside O_PATH.
constexpr std::uint32_t kWithPath = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
constexpr int kDeepest = 32;  // files that need each other: passed descriptors, nodes

std::uint32_t flags_to_open(std::uint32_t recorded) {
  std::uint32_t flags = recorded & ~kMakes & ~kLargeFile & ~O_ASYNC;
  // Made without a name, in a folder: both bits are of the call.
  if ((flags & O_TMPFILE) == O_TMPFILE) {
    flags &= ~static_cast<std::uint32_t>(O_TMPFILE);
  }
  flags |= O_NOCTTY | O_CLOEXEC;
  return (flags & O_PATH) != 0 ? flags & kWithPath : flags;
}

}  // namespace

const std::map<std::uint32_t, std::string>& FileContext::mounts() {
  if (!mounts_) {
    mounts_.emplace(options.mounts ? options.mounts() : std::map<std::uint32_t, std::string>());
  }
  return *mounts_;
}

const std::map<std::string, std::uint32_t>& FileContext::interfaces() {
  if (!interfaces_) {
    interfaces_.emplace(options.interfaces ? options.interfaces()
                                           : std::map<std::string, std::uint32_t>());
  }
  return *interfaces_;
}

Result<Slot> FileContext::slot_of(std::uint32_t id, FdTypes type) {
  const auto known = slots_.find({type, id});
  if (known != slots_.end()) {
    return known->second;
  }
  const OpenFile* file = table.find(id, type);
  if (file == nullptr || file->body == nullptr) {
    return fail(Fault::missing, "files.img",
                std::string(model::type_name(type)) + " file " + std::to_string(id),
                "is not in the image");
  }
  const auto kind = kinds_.find(type);
  if (kind == kinds_.end()) {
    return fail(state::refusal(state::Piece::file_kind, name_of(*file)));
  }
  if (depth_ >= kDeepest) {
    return fail(Fault::corrupt, "files.img", "file " + std::to_string(id),
                "needs itself to be opened");
  }
  ++depth_;
  Result<Slot> slot = kind->second->open(*this, *file);
  --depth_;
  if (slot) {
    slots_.emplace(std::pair(type, id), *slot);
  }
  return slot;
}

const schema::RegFileEntry* FileContext::regular(std::uint32_t id) const {
  const OpenFile* file = table.find(id, FdTypes::REG);
  return file == nullptr ? nullptr : file->as<schema::RegFileEntry>(FdTypes::REG);
}

Result<Slot> FileContext::open_node(std::uint32_t id, std::uint32_t flags) {
  if (remaps_->has(id)) {
    IMG_ASSIGN(const Slot holder, remaps_->holder(*this, id));
    return reopen(
        holder, flags,
        "open " + escaped(regular(id)->name()->string_view()) + ", which had been deleted");
  }
  const schema::RegFileEntry* entry = regular(id);
  if (entry == nullptr) {
    return fail(Fault::missing, "files.img", "regular file " + std::to_string(id),
                "is not in the image");
  }
  return open_path(entry->name()->string_view(), flags);
}

Slot FileContext::open_path(std::string_view path, std::uint32_t flags, Tolerate tolerate) {
  const std::uint32_t to_open = flags_to_open(flags);
  const std::string what = "open " + escaped(path);
  if (options.root.empty()) {
    return builder->keep(builder->call(kRestorer, SYS_openat,
                                       {AT_FDCWD, builder->text(path), to_open}, what, tolerate));
  }
  open_how how{};
  how.flags = to_open;
  how.resolve = RESOLVE_IN_ROOT;
  return builder->keep(builder->call(
      kRestorer, SYS_openat2,
      {root_folder(), builder->text(path), builder->object(how), sizeof(how)}, what, tolerate));
}

Slot FileContext::reopen(Slot descriptor, std::uint32_t flags, std::string what) {
  // Following the link is the point here.
  const std::uint32_t to_open = flags_to_open(flags) & ~static_cast<std::uint32_t>(O_NOFOLLOW);
  return builder->keep(builder->call(
      kRestorer, SYS_openat, {AT_FDCWD, builder->own_path(descriptor), to_open}, std::move(what)));
}

Value FileContext::root_folder() {
  if (options.root.empty()) {
    return AT_FDCWD;
  }
  if (!has_root_) {
    root_ = builder->keep(
        builder->call(kRestorer, SYS_openat,
                      {AT_FDCWD, builder->text(options.root), O_PATH | O_DIRECTORY | O_CLOEXEC},
                      "open " + escaped(options.root)));
    has_root_ = true;
  }
  return root_;
}

FileContext::Place FileContext::place_of(const std::string& path) {
  if (options.root.empty()) {
    return {AT_FDCWD, builder->text(path)};
  }
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos || slash == 0 ? "/" : path.substr(0, slash);
  return {open_path(folder, O_PATH | O_DIRECTORY), builder->text(path.substr(slash + 1))};
}

std::vector<std::string> FileContext::make_folders(const std::string& path) {
  const auto parent_of = [](const std::string& of) {
    const std::size_t slash = of.rfind('/');
    return slash == std::string::npos || slash == 0 ? std::string() : of.substr(0, slash);
  };
  std::vector<std::string> folders;
  for (std::string folder = parent_of(path); !folder.empty() && is_missing(folder);
       folder = parent_of(folder)) {
    folders.insert(folders.begin(), folder);
  }
  for (const std::string& folder : folders) {
    const auto [above, last] = place_of(folder);
    builder->call(kRestorer, SYS_mkdirat, {above, last, 0700},
                  "make folder " + escaped(folder) + " for a deleted file", may_fail_with(EEXIST));
  }
  return folders;
}

void FileContext::remove_folders(const std::vector<std::string>& folders) {
  for (auto folder = folders.rbegin(); folder != folders.rend(); ++folder) {
    const auto [above, last] = place_of(*folder);
    builder->call(kRestorer, SYS_unlinkat, {above, last, AT_REMOVEDIR},
                  "remove folder " + escaped(*folder), kMayFail);
  }
}

std::string FileContext::name_of(const OpenFile& file) const {
  const auto* regular_file = file.as<schema::RegFileEntry>(FdTypes::REG);
  return regular_file != nullptr
             ? escaped(regular_file->name()->string_view())
             : std::string(model::type_name(file.type)) + " file " + std::to_string(file.id);
}

void FileContext::set_flags(Slot descriptor, std::uint32_t flags, const std::string& name) {
  if ((flags & kStatusFlags) != 0) {
    builder->call(kRestorer, SYS_fcntl, {descriptor, F_SETFL, flags & kStatusFlags},
                  "status flags of " + name);
  }
}

bool FileContext::inherits(std::string_view what, Slot& slot) {
  const auto named = std::find_if(options.inherited.begin(), options.inherited.end(),
                                  [what](const InheritedFd& one) { return one.what == what; });
  if (named == options.inherited.end()) {
    return false;
  }
  slot = own_descriptor(named->fd);
  return true;
}

int FileContext::standard_descriptor(const OpenFile& file) const {
  const auto root = tables.find(root_table);
  if (root == tables.end()) {
    return -1;
  }
  for (const model::Descriptor& descriptor : root->second) {
    if (descriptor.fd <= STDERR_FILENO && descriptor.id == file.id &&
        descriptor.type == file.type) {
      return static_cast<int>(descriptor.fd);
    }
  }
  return -1;
}

Slot FileContext::own_descriptor(int fd) {
  const Slot kept = builder->call(kRestorer, SYS_fcntl, {fd, F_DUPFD_CLOEXEC, builder->base()},
                                  "take live-restore's own descriptor " + std::to_string(fd));
  builder->note_kept(kept);
  return kept;
}

void FileContext::put_in_place(TaskFd at, Slot opened) {
  builder->call(at.actor, SYS_dup3, {opened, at.fd, at.closes_on_exec ? O_CLOEXEC : 0},
                "descriptor " + std::to_string(at.fd));
  builder->call(at.actor, SYS_close, {opened}, "close it");
}

void FileContext::copy_payload(Slot file, const model::RecordKey& record, std::uint64_t offset,
                               std::string what) {
  builder->step(CopyPayload{file, record, offset, std::move(what)});
}

}  // namespace img::plan
