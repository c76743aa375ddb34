// SPDX-License-Identifier: MIT
#include "live/plan/files/image_files.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "libimg/base/text.h"
#include "libimg/model/each_record.h"
#include "live/plan/files/common_entry.h"
#include "live/plan/losses.h"
#include "schema/core_generated.h"
#include "schema/mm_generated.h"
#include "schema/pstree_generated.h"

namespace img::plan {

using model::Kind;
using model::OpenFile;
using schema::FdTypes;

namespace {

/// Of VmaEntry.status: `shmid` names an open file.
constexpr std::uint32_t kFilePrivate = 1U << 6;
constexpr std::uint32_t kFileShared = 1U << 7;
constexpr std::uint32_t kMemfd = 1U << 14;

}  // namespace

Result<std::unique_ptr<ImageFiles>> ImageFiles::read(model::ImageReader& reader,
                                                     FileOptions options) {
  std::unique_ptr<ImageFiles> files(new ImageFiles(reader, std::move(options)));
  IMG_ASSIGN(files->context_.table, model::FileTable::read(reader));
  IMG_TRY(files->read_tables());
  return files;
}

Result<void> ImageFiles::read_tables() {
  FileContext& context = context_;
  std::uint32_t root_pid = 0;
  std::uint32_t root_group = 0;
  IMG_TRY(model::for_each_message<schema::PstreeEntry>(
      context.reader, {Kind::pstree, 0},
      [&](const schema::PstreeEntry& entry, const model::Record&) {
        root_pid = root_pid == 0 ? entry.pid() : root_pid;
        root_group = context.tasks.empty() ? entry.pgid() : root_group;
        context.tasks.insert(entry.pid());
        context.groups.insert(entry.pgid());
        for (std::uint32_t i = 0; entry.threads() != nullptr && i < entry.threads()->size(); ++i) {
          context.tasks.insert(entry.threads()->Get(i));
        }
      }));
  if (!context.tasks.contains(root_group)) {
    context.groups.erase(root_group);
  }
  const auto note_table = [&](const schema::TaskKobjIdsEntry& ids, const model::Record& record) {
    if (record.key.file.id == root_pid) {
      context.root_table = ids.files_id();
    }
  };
  IMG_TRY(model::for_each_message<schema::TaskKobjIdsEntry>(context.reader, {Kind::ids, root_pid},
                                                            note_table));
  IMG_TRY(model::for_each_message<schema::CoreEntry>(
      context.reader, {Kind::core, root_pid},
      [&](const schema::CoreEntry& core, const model::Record& record) {
        if (core.ids() != nullptr) {
          note_table(*core.ids(), record);
        }
      }));
  IMG_ASSIGN(const std::vector<model::FileKey> files, context.reader.files());
  for (const model::FileKey& file : files) {
    if (file.kind == Kind::fdinfo) {
      const auto id = static_cast<std::uint32_t>(file.id);
      IMG_ASSIGN(context.tables[id], model::read_descriptors(context.reader, id));
    }
  }
  IMG_TRY(locks_.read(context.reader));
  context.remaps_ = std::make_unique<Remaps>();
  return context.remaps_->read(context.reader);
}

std::int64_t ImageFiles::highest_descriptor() const {
  std::int64_t highest = -1;
  for (const auto& [id, table] : context_.tables) {
    for (const model::Descriptor& descriptor : table) {
      highest = std::max(highest, std::int64_t{descriptor.fd});
    }
  }
  return highest;
}

KindPlanner* ImageFiles::kind_of(FdTypes type) {
  const auto known = context_.kinds_.find(type);
  return known == context_.kinds_.end() ? nullptr : known->second.get();
}

Result<void> ImageFiles::open_all(PlanBuilder& builder) {
  context_.builder = &builder;
  auto& kinds = context_.kinds_;
  kinds[FdTypes::REG] = plan_regular_files(context_);
  kinds[FdTypes::PIPE] = plan_pipes(context_);
  kinds[FdTypes::FIFO] = plan_fifos(context_);
  kinds[FdTypes::MEMFD] = plan_memfds(context_);
  kinds[FdTypes::EVENTFD] = plan_eventfds();
  kinds[FdTypes::EVENTPOLL] = plan_epolls();
  kinds[FdTypes::SIGNALFD] = plan_signalfds();
  kinds[FdTypes::TIMERFD] = plan_timerfds();
  kinds[FdTypes::INOTIFY] = plan_inotify();
  kinds[FdTypes::FANOTIFY] = plan_fanotify();
  kinds[FdTypes::NS] = plan_namespaces();
  kinds[FdTypes::PACKETSK] = plan_packet_sockets();
  kinds[FdTypes::INETSK] = plan_inet_sockets();
  kinds[FdTypes::NETLINKSK] = plan_netlink_sockets();
  kinds[FdTypes::UNIXSK] = plan_unix_sockets(context_);
  kinds[FdTypes::TTY] = plan_terminals(context_);
  kinds[FdTypes::PIDFD] = plan_pidfds();
  for (const auto& [id, table] : context_.tables) {
    for (const model::Descriptor& descriptor : table) {
      const Result<Slot> slot = context_.slot_of(descriptor.id, descriptor.type);
      if (!slot) {
        builder.refuse(state::refusal_because(state::Piece::file_in_image, slot.error()));
      }
    }
  }
  IMG_TRY(open_for_mappings());
  context_.remaps_->opened(context_);
  for (const auto& [type, kind] : kinds) {
    if (const Result<void> opened = kind->opened(context_); !opened) {
      builder.refuse(state::refusal_because(state::Piece::file_in_image, opened.error()));
    }
  }
  return {};
}

/// Tasks are made as copies of the restorer, so what a mapping, an exe link, a working folder or a
/// root needs must be open before the first of them is.
Result<void> ImageFiles::open_for_mappings() {
  IMG_ASSIGN(const std::vector<model::FileKey> files, context_.reader.files());
  const auto refuse_failed = [this](const Result<Slot>& slot) {
    if (!slot) {
      context_.builder->refuse(state::refusal_because(state::Piece::file_in_image, slot.error()));
    }
  };
  for (const model::FileKey& file : files) {
    if (file.kind == Kind::mm) {
      IMG_TRY(model::for_each_message<schema::MmEntry>(
          context_.reader, file, [&](const schema::MmEntry& mm, const model::Record&) {
            refuse_failed(slot_of(mm.exe_file_id()));
            for (std::size_t i = 0; mm.vmas() != nullptr && i < mm.vmas()->size(); ++i) {
              const schema::VmaEntry& vma = *mm.vmas()->Get(static_cast<std::uint32_t>(i));
              if ((vma.status() & (kFilePrivate | kFileShared | kMemfd)) != 0) {
                refuse_failed(slot_for_mapping(static_cast<std::uint32_t>(vma.shmid()),
                                               vma.fdflags().value_or(O_RDONLY)));
              }
            }
          }));
    } else if (file.kind == Kind::fs) {
      IMG_TRY(model::for_each_message<schema::FsEntry>(
          context_.reader, file, [&](const schema::FsEntry& fs, const model::Record&) {
            refuse_failed(slot_of(fs.cwd_id()));
            refuse_failed(slot_of(fs.root_id()));
          }));
    }
  }
  return {};
}

Result<Slot> ImageFiles::slot_of(std::uint32_t file_id) {
  const OpenFile* file = context_.table.find(file_id, FdTypes::REG);
  if (file == nullptr) {
    file = context_.table.find(file_id);
  }
  return context_.slot_of(file_id, file == nullptr ? FdTypes::REG : file->type);
}

Result<Slot> ImageFiles::slot_for_mapping(std::uint32_t file_id, std::uint32_t open_flags) {
  const std::uint32_t access = open_flags & O_ACCMODE;
  const auto known = for_mappings_.find({file_id, access});
  if (known != for_mappings_.end()) {
    return known->second;
  }
  const OpenFile* file = context_.table.find(file_id, FdTypes::REG);
  if (file == nullptr) {
    file = context_.table.find(file_id);
  }
  IMG_ASSIGN(Slot slot, slot_of(file_id));
  const std::uint32_t flags = file == nullptr ? 0 : common_entry(*file).flags;
  if ((flags & O_ACCMODE) != access || (flags & O_PATH) != 0) {
    KindPlanner* kind = file == nullptr ? nullptr : kind_of(file->type);
    const std::optional<Slot> own =
        kind == nullptr ? std::nullopt : kind->for_mapping(context_, *file, access);
    slot = own ? *own
               : context_.reopen(slot, access,
                                 "open " +
                                     (file == nullptr ? "file " + std::to_string(file_id)
                                                      : context_.name_of(*file)) +
                                     " as its mapping has it");
  }
  for_mappings_.emplace(std::pair(file_id, access), slot);
  return slot;
}

Result<void> ImageFiles::install(PlanBuilder& builder, Actor actor, std::uint32_t files_id) {
  for (const auto& [type, kind] : context_.kinds_) {
    IMG_TRY(kind->before_install(context_, actor));
  }
  const std::uint32_t base = builder.base();
  if (base > 0) {
    builder.call(actor, SYS_close_range, {0, base - 1, 0}, "close what live-restore had open");
  }
  for (const model::Descriptor& descriptor : context_.tables[files_id]) {
    const Result<Slot> slot = context_.slot_of(descriptor.id, descriptor.type);
    if (!slot) {
      continue;  // open_all has refused it
    }
    const bool closes = (descriptor.flags & FD_CLOEXEC) != 0;
    builder.call(actor, SYS_dup3, {*slot, descriptor.fd, closes ? O_CLOEXEC : 0},
                 "descriptor " + std::to_string(descriptor.fd));
  }
  for (const auto& [type, kind] : context_.kinds_) {
    IMG_TRY(kind->installed(context_, actor, files_id));
  }
  builder.call(actor, SYS_close_range, {base, ~0U, 0}, "close all files that others have");
  return {};
}

// Epolls come last: what they watch must be what it will be.
Result<void> ImageFiles::complete(PlanBuilder& builder, Actor actor, std::uint32_t files_id) {
  for (const bool are_epolls : {false, true}) {
    IMG_TRY(complete_those(builder, actor, files_id, are_epolls));
  }
  return locks_.complete(builder, actor);
}

Result<void> ImageFiles::complete_those(PlanBuilder& builder, Actor actor, std::uint32_t files_id,
                                        bool are_epolls) {
  for (const model::Descriptor& descriptor : context_.tables[files_id]) {
    const OpenFile* file = context_.table.find(descriptor.id, descriptor.type);
    if (file == nullptr || (file->type == FdTypes::EVENTPOLL) != are_epolls) {
      continue;
    }
    const bool is_first = completed_.emplace(file->type, file->id).second;
    const TaskFd at{actor, descriptor.fd, (descriptor.flags & FD_CLOEXEC) != 0};
    KindPlanner* kind = kind_of(file->type);
    if (kind != nullptr && (is_first || kind->is_for_each_task(context_, *file))) {
      IMG_TRY(kind->complete(context_, *file, at));
    }
    if (!is_first) {
      continue;
    }
    const CommonEntry of_file = common_entry(*file);
    if (of_file.owner != nullptr && (of_file.flags & O_PATH) == 0) {
      set_owner(builder, at, *of_file.owner, of_file.flags);
    }
  }
  return {};
}

void ImageFiles::set_owner(PlanBuilder& builder, TaskFd at, const schema::FownEntry& owner,
                           std::uint32_t flags) {
  constexpr std::uint32_t kGroup = 2;  // F_OWNER_PGRP
  const auto& known = owner.pid_type() == kGroup ? context_.groups : context_.tasks;
  // Another number is somebody else's on this host.
  if (owner.pid() != 0 && !known.contains(owner.pid())) {
    note_loss(builder, state::Piece::file_owner, "descriptor " + std::to_string(at.fd));
  } else if (owner.pid() != 0) {
    // The kernel remembers who set it, and asks that one's right to send the signal.
    const bool is_other = owner.uid() != 0 || owner.euid() != 0;
    if (is_other) {
      builder.call(at.actor, SYS_setresuid, {owner.uid(), owner.euid(), -1},
                   "become user " + std::to_string(owner.uid()));
    }
    const struct {
      std::int32_t type;
      std::int32_t pid;
    } who{static_cast<std::int32_t>(owner.pid_type()), static_cast<std::int32_t>(owner.pid())};
    constexpr int kSetOwnEx = 15;  // F_SETOWN_EX
    builder.call(at.actor, SYS_fcntl, {at.fd, kSetOwnEx, builder.object(who)},
                 "owner of descriptor " + std::to_string(at.fd), may_fail_with(ESRCH));
    if (is_other) {
      builder.call(at.actor, SYS_setresuid, {0, 0, 0}, "become root again");
    }
  }
  if (owner.signum() != 0) {
    constexpr int kSetSig = 10;  // F_SETSIG
    builder.call(at.actor, SYS_fcntl, {at.fd, kSetSig, owner.signum()},
                 "signal of descriptor " + std::to_string(at.fd));
  }
  if ((flags & O_ASYNC) != 0) {
    builder.call(at.actor, SYS_fcntl, {at.fd, F_SETFL, flags & (kStatusFlags | O_ASYNC)},
                 "signals when descriptor " + std::to_string(at.fd) + " is ready");
  }
}

Result<void> ImageFiles::finish(PlanBuilder& builder) {
  context_.builder = &builder;
  context_.remaps_->finish(context_);
  for (const auto& [type, kind] : context_.kinds_) {
    kind->finish(context_);  // what watches files comes after what is done to them
  }
  builder.close_kept();
  return {};
}

}  // namespace img::plan
