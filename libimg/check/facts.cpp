// SPDX-License-Identifier: MIT
#include "libimg/check/facts.h"

#include <algorithm>

#include "schema/mounts_generated.h"

namespace img::check {

void Facts::take(const Record& record) {
  if (record.key.seq == 0 || files.add(record)) {
    return;
  }
  const FileKey file = record.key.file;
  switch (file.kind) {
    case Kind::inventory: {
      const auto& entry = *record.as<schema::InventoryEntry>();
      has_inventory = true;
      ns_per_id = entry.ns_per_id().value_or(false);
      dump_uptime = entry.dump_uptime().value_or(0);
      root_cg_set = entry.root_cg_set().value_or(0);
      lsm = static_cast<std::uint32_t>(entry.lsmtype().value_or(schema::Lsmtype::NO_LSM));
      if (entry.root_ids() != nullptr) {
        has_root_ids = true;
        root_ids = model::TaskIds::of(*entry.root_ids());
      }
      break;
    }
    case Kind::pstree: {
      tree.add(*record.as<schema::PstreeEntry>());
      const Process& process = tree.processes().back();
      const auto index = static_cast<std::uint32_t>(tree.processes().size() - 1);
      thread_owner.try_emplace(process.pid, index);
      const auto threads = tree.threads(process);
      for (std::size_t i = 1; i < threads.size(); ++i) {
        thread_owner.try_emplace(threads[i], index);
      }
      break;
    }
    case Kind::core: tree.add_core(file.id, *record.as<schema::CoreEntry>()); break;
    case Kind::zombie: tree.add_zombie(file.id, *record.as<schema::Zombie>()); break;
    case Kind::ids: tree.add_ids(file.id, *record.as<schema::TaskKobjIdsEntry>()); break;
    case Kind::fdinfo: {
      const auto& entry = *record.as<schema::FdinfoEntry>();
      used_files.insert(entry.id());
      descriptors.push_back({static_cast<std::uint32_t>(file.id), entry.fd(), entry.id()});
      break;
    }
    case Kind::mountpoints: {
      const auto& mount = *record.as<schema::MntEntry>();
      mounts.try_emplace(mount.mnt_id(), mount.mountpoint()->str());
      break;
    }
    default: break;
  }
}

bool Facts::has(Kind kind, std::uint64_t id) const {
  return std::binary_search(present.begin(), present.end(), FileKey{kind, id});
}

bool Facts::has_any(Kind kind) const {
  const auto first = std::lower_bound(present.begin(), present.end(), FileKey{kind, 0});
  return first != present.end() && first->kind == kind;
}

bool Facts::files_are_whole() const {
  return has_files && std::none_of(damaged.begin(), damaged.end(), [](Kind kind) {
           return kind == Kind::files || model::old_file_kind(kind) != FdTypes::UND;
         });
}

const OpenFile* Facts::use_file(std::uint32_t id, FdTypes wanted) {
  used_files.insert(id);
  const OpenFile* file = files.find(id, wanted);
  return file != nullptr ? file : files.find(id);
}

const Process* Facts::process_of(std::uint32_t tid) const {
  const auto found = thread_owner.find(tid);
  return found == thread_owner.end() ? nullptr : &tree.processes()[found->second];
}

const TableDescriptor* Facts::descriptor(std::uint32_t table, std::uint32_t fd) const {
  const auto found =
      std::lower_bound(descriptors.begin(), descriptors.end(), TableDescriptor{table, fd, 0});
  return found != descriptors.end() && found->table == table && found->fd == fd ? &*found : nullptr;
}

Where Facts::at(FileKey file, std::uint64_t entry, std::string field, std::string value) const {
  return {reader.place(), reader.file_name(file), entry, std::move(field), std::move(value), 0};
}

}  // namespace img::check
