// SPDX-License-Identifier: MIT
#include "live/plan/files/unix_names.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "libimg/base/text.h"

namespace img::plan {
namespace {

using schema::UnixSkEntry;

constexpr std::uint64_t kSocketFile = 0x89e0;  // SIOCUNIXFILE of <linux/un.h>

bool is_abstract(Bytes name) {
  return !name.empty() && name.front() == std::byte{0};
}

std::string path_of(const UnixSkEntry& entry) {
  const Bytes name = name_of(entry);
  std::string path(as_text(name));
  return path.substr(0, path.find('\0'));
}

std::string full_path(const UnixSkEntry& entry) {
  const std::string path = path_of(entry);
  return entry.name_dir() == nullptr || path.starts_with('/')
             ? path
             : entry.name_dir()->str() + "/" + path;
}

DataId address(PlanBuilder& builder, Bytes name) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, name.data(), std::min(name.size(), sizeof(to.sun_path)));
  return builder.object(to);
}

std::uint32_t address_size(Bytes name) {
  return static_cast<std::uint32_t>(offsetof(sockaddr_un, sun_path) +
                                    std::min(name.size(), sizeof(sockaddr_un::sun_path)));
}

/// Owner and mode of the socket file, while it has this path.
void set_permissions(PlanBuilder& builder, const UnixSkEntry& entry, DataId path,
                     Tolerate tolerate) {
  if (const schema::FilePermsEntry* node = entry.file_perms()) {
    builder.call(kRestorer, SYS_fchownat, {AT_FDCWD, path, node->uid(), node->gid(), 0},
                 "owner of " + label(entry), tolerate);
    builder.call(kRestorer, SYS_fchmodat, {AT_FDCWD, path, node->mode() & 07777},
                 "mode of " + label(entry), tolerate);
  }
}

}  // namespace

Bytes name_of(const UnixSkEntry& entry) {
  return entry.name() == nullptr
             ? Bytes{}
             : std::as_bytes(std::span(entry.name()->data(), entry.name()->size()));
}

std::string label(const UnixSkEntry& entry) {
  const Bytes name = name_of(entry);
  std::string out = "unix socket:[" + std::to_string(entry.ino()) + "]";
  if (is_abstract(name)) {
    out += " (@" + escaped(as_text(name.subspan(1))) + ")";
  } else if (!name.empty()) {
    out += " (" + escaped(full_path(entry)) + ")";
  }
  return out;
}

void UnixNames::bind(FileContext& context, Slot slot, const UnixSkEntry& entry) {
  const Bytes name = name_of(entry);
  if (name.empty()) {
    return;
  }
  PlanBuilder& builder = *context.builder;
  if (is_abstract(name)) {
    builder.call(kRestorer, SYS_bind, {slot, address(builder, name), address_size(name)},
                 "bind " + label(entry));
    return;
  }
  if (entry.deleted().value_or(false)) {
    bind_deleted(context, slot, entry);
    return;
  }
  const bool entered = enter(context, entry);
  // Left by the tree that was dumped; a file that is no socket is not taken away.
  builder.expect(SocketOrNothing{full_path(entry)});
  const DataId path = builder.text(path_of(entry));
  builder.call(kRestorer, SYS_unlinkat, {AT_FDCWD, path, 0}, "remove the old " + label(entry),
               may_fail_with(ENOENT));
  builder.call(kRestorer, SYS_bind, {slot, address(builder, name), address_size(name)},
               "bind " + label(entry));
  set_permissions(builder, entry, path, kMustSucceed);
  leave(context, entered);
}

// Whatever fails, who was put aside comes back; only then it is asked whether the socket is bound.
void UnixNames::bind_deleted(FileContext& context, Slot slot, const UnixSkEntry& entry) {
  PlanBuilder& builder = *context.builder;
  const Bytes name = name_of(entry);
  const std::string full = full_path(entry);
  const std::vector<std::string> folders = context.make_folders(full);
  const bool entered = enter(context, entry);
  const DataId path = builder.text(path_of(entry));
  const DataId aside =
      builder.text(path_of(entry) + ".cr." + std::to_string(entry.id()) + ".aside");
  builder.call(kRestorer, SYS_renameat2, {AT_FDCWD, path, AT_FDCWD, aside, RENAME_NOREPLACE},
               "put aside who has the name of " + label(entry), may_fail_with(ENOENT));
  builder.call(kRestorer, SYS_bind, {slot, address(builder, name), address_size(name)},
               "bind " + label(entry), kMayFail);
  set_permissions(builder, entry, path, kMayFail);
  builder.call(kRestorer, SYS_unlinkat, {AT_FDCWD, path, 0},
               "delete the file of " + label(entry) + ", as it was", kMayFail);
  builder.call(kRestorer, SYS_renameat2, {AT_FDCWD, aside, AT_FDCWD, path, RENAME_NOREPLACE},
               "put back who has the name of " + label(entry), may_fail_with(ENOENT));
  leave(context, entered);
  context.remove_folders(folders);
  deleted_.insert_or_assign(
      entry.ino(), builder.keep(builder.call(kRestorer, SYS_ioctl, {slot, kSocketFile},
                                             "bind " + label(entry) + ", which had been deleted")));
}

Result<void> UnixNames::connect(FileContext& context, Slot slot, const UnixSkEntry& to) {
  const Bytes name = name_of(to);
  if (name.empty()) {
    return fail(Fault::corrupt, label(to), "has no name", "others cannot be connected to it");
  }
  PlanBuilder& builder = *context.builder;
  const std::string what = "connect to " + label(to);
  const auto deleted = deleted_.find(to.ino());
  if (deleted != deleted_.end()) {
    sockaddr_un link{};
    link.sun_family = AF_UNIX;
    constexpr std::string_view kFolder = "/proc/self/fd/";
    constexpr std::uint32_t kAt = offsetof(sockaddr_un, sun_path);
    kFolder.copy(link.sun_path, kFolder.size());
    constexpr std::uint8_t kDigits = 11;
    const DataId by_link =
        builder.object(link, {{kAt + kFolder.size(), kDigits, deleted->second, true}});
    builder.call(kRestorer, SYS_connect, {slot, by_link, sizeof link}, what);
    return {};
  }
  const bool entered = enter(context, to);
  builder.call(kRestorer, SYS_connect, {slot, address(builder, name), address_size(name)}, what);
  leave(context, entered);
  return {};
}

void UnixNames::expect_service(FileContext& context, const UnixSkEntry& service, std::string hint) {
  if (!is_abstract(name_of(service))) {
    FilePresent there;
    there.path = full_path(service);
    there.hint = std::move(hint);
    context.builder->expect(std::move(there));
  }
}

void UnixNames::finish(FileContext& context) {
  for (const auto& [ino, file] : deleted_) {
    context.builder->close(file);
  }
  deleted_.clear();
}

/// A relative name starts in the folder that the program was in; with --root an absolute one starts
/// there.
bool UnixNames::enter(FileContext& context, const UnixSkEntry& entry) {
  const bool has_root = !context.options.root.empty();
  const bool has_folder = entry.name_dir() != nullptr;
  if ((!has_root && !has_folder) || is_abstract(name_of(entry))) {
    return false;
  }
  PlanBuilder& builder = *context.builder;
  const auto look_at = [&](const char* path, const std::string& what) {
    return builder.keep(builder.call(kRestorer, SYS_openat,
                                     {AT_FDCWD, builder.text(path), O_PATH | O_CLOEXEC}, what));
  };
  if (!here_) {
    here_ = look_at(".", "live-restore's own folder");
    outside_ = look_at("/", "live-restore's own root");
  }
  const std::string name = has_folder ? escaped(entry.name_dir()->string_view()) : "";
  const Slot folder = has_folder
                          ? context.open_path(entry.name_dir()->string_view(), O_PATH | O_DIRECTORY)
                          : *here_;
  if (has_root) {
    builder.call(kRestorer, SYS_chroot, {builder.text(context.options.root)},
                 "go below " + escaped(context.options.root));
  }
  if (has_folder) {
    builder.call(kRestorer, SYS_fchdir, {folder}, "go to " + name);
  }
  return true;
}

void UnixNames::leave(FileContext& context, bool entered) {
  if (!entered) {
    return;
  }
  PlanBuilder& builder = *context.builder;
  if (!context.options.root.empty()) {
    builder.call(kRestorer, SYS_fchdir, {*outside_}, "go to live-restore's own root");
    builder.call(kRestorer, SYS_chroot, {builder.text(".")}, "leave the other one");
  }
  builder.call(kRestorer, SYS_fchdir, {*here_}, "go back");
}

}  // namespace img::plan
