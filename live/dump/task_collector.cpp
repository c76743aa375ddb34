// SPDX-License-Identifier: MIT
#include "live/dump/task_collector.h"

#include <sys/stat.h>
#include <unistd.h>

#include "live/dump/core_record.h"
#include "live/dump/namespace_ids.h"
#include "live/dump/settings_record.h"
#include "schema/inventory_generated.h"
#include "schema/namespaces_generated.h"
#include "schema/pstree_generated.h"
#include "schema/regular_files_generated.h"
#include "schema/zombie_generated.h"

namespace img::dump {
namespace {

constexpr std::uint32_t kDead = 2;
constexpr std::uint32_t kImageVersion = 2;

struct Namespace {
  const char* file;
  const char* words;
};
constexpr Namespace kNamespaces[] = {
    {"ns/pid", "process ids"}, {"ns/pid_for_children", "process ids, of its children"},
    {"ns/net", "network"},     {"ns/ipc", "System V IPC"},
    {"ns/uts", "host name"},   {"ns/mnt", "mounts"},
    {"ns/user", "users"},      {"ns/cgroup", "cgroups"},
    {"ns/time", "clocks"},     {"ns/time_for_children", "clocks, of its children"},
};

flatbuffers::Offset<schema::TaskKobjIdsEntry> write_ids(flatbuffers::FlatBufferBuilder& builder,
                                                        std::uint32_t vm, std::uint32_t files,
                                                        std::uint32_t fs, std::uint32_t sighand) {
  schema::TaskKobjIdsEntryBuilder out(builder);
  out.add_vm_id(vm);
  out.add_files_id(files);
  out.add_fs_id(fs);
  out.add_sighand_id(sighand);
  out.add_pid_ns_id(host_namespace_id(CLONE_NEWPID));
  out.add_net_ns_id(host_namespace_id(CLONE_NEWNET));
  out.add_ipc_ns_id(host_namespace_id(CLONE_NEWIPC));
  out.add_uts_ns_id(host_namespace_id(CLONE_NEWUTS));
  out.add_mnt_ns_id(host_namespace_id(CLONE_NEWNS));
  out.add_user_ns_id(host_namespace_id(CLONE_NEWUSER));
  out.add_cgroup_ns_id(host_namespace_id(CLONE_NEWCGROUP));
  out.add_time_ns_id(host_namespace_id(kNewTime));
  return out.Finish();
}

flatbuffers::Offset<schema::Timespec> write_time(flatbuffers::FlatBufferBuilder& builder,
                                                 std::uint64_t nanoseconds) {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  return schema::CreateTimespec(builder, nanoseconds / kSecond, nanoseconds % kSecond);
}

}  // namespace

Result<void> TaskCollector::begin() {
  IMG_ASSIGN(own_, ids_of(::getpid()));
  return cgroups_.begin();
}

Result<TaskCollector::Ids> TaskCollector::ids_of(pid_t pid) {
  Ids out;
  IMG_ASSIGN(const ObjectIds::Found files, files_ids_.find(pid));
  out.files = files.id;
  out.has_new_files = files.is_new;
  for (const auto& [ids, id] :
       {std::pair{&vm_, &out.vm}, std::pair{&fs_, &out.fs}, std::pair{&sighand_, &out.sighand}}) {
    IMG_ASSIGN(const ObjectIds::Found found, ids->find(pid));
    *id = found.id;
  }
  return out;
}

Result<void> TaskCollector::check_namespaces(const trace::FrozenProcess& process) {
  for (const Namespace& one : kNamespaces) {
    struct stat own {};
    struct stat its {};
    const std::string self = std::string("/proc/self/") + one.file;
    if (::fstatat(process.dir.fd(), one.file, &its, 0) == 0 && ::stat(self.c_str(), &own) == 0 &&
        own.st_ino != its.st_ino) {
      context_.remarks.refuse(state::Piece::namespaces, name_of(process), one.words);
    }
  }
  return {};
}

void TaskCollector::put_ids(pid_t pid, const Ids& ids) {
  auto& builder = context_.records.begin();
  context_.records.add(Kind::ids, static_cast<std::uint64_t>(pid),
                       write_ids(builder, ids.vm, ids.files, ids.fs, ids.sighand));
}

Result<void> TaskCollector::put_fs(const trace::FrozenProcess& process,
                                   const procfs::Status& status) {
  IMG_ASSIGN(const std::uint32_t cwd, files_.path_file(process, PathWhat::cwd));
  IMG_ASSIGN(const std::uint32_t root, files_.path_file(process, PathWhat::root));
  auto& builder = context_.records.begin();
  schema::FsEntryBuilder out(builder);
  out.add_cwd_id(cwd);
  out.add_root_id(root);
  out.add_umask(status.umask);
  context_.records.add(Kind::fs, static_cast<std::uint64_t>(process.pid()), out.Finish());
  return {};
}

Result<void> TaskCollector::process(trace::FrozenProcess& process, const ProcessFacts& facts,
                                    const trace::RemoteMemory& memory) {
  IMG_TRY(check_namespaces(process));
  IMG_TRY(put_settings(process, facts, xsave_, context_.records, context_.remarks));
  const CoreTools tools{xsave_, memory, context_.records, context_.remarks};
  for (std::size_t i = 0; i < process.threads.size(); ++i) {
    const trace::Tracee& tracee = process.threads[i];
    IMG_ASSIGN(const auto dir, procfs::ProcDir::open_thread(process.pid(), tracee.tid()));
    IMG_ASSIGN(const procfs::Status status, dir.status());
    ThreadView view{process, tracee, dir, status, facts.threads[i], 0, std::nullopt};
    IMG_ASSIGN(view.cgroup_set, cgroups_.add(dir));
    if (status.seccomp == static_cast<std::uint32_t>(schema::SeccompMode::filter)) {
      IMG_ASSIGN(view.seccomp_filter, seccomp_.add(tracee));
    }
    IMG_TRY(put_core(view, i == 0 ? &facts : nullptr, tools));
    if (i == 0) {
      IMG_TRY(put_fs(process, status));
    }
  }
  IMG_ASSIGN(const Ids ids, ids_of(process.pid()));
  put_ids(process.pid(), ids);
  return ids.has_new_files ? files_.descriptors(process, ids.files) : Result<void>();
}

Result<void> TaskCollector::zombie(const trace::FrozenProcess& process) {
  auto& builder = context_.records.begin();
  const auto comm = builder.CreateString(process.stat.comm);
  schema::ZombieBuilder out(builder);
  out.add_arch(schema::March::X86_64);
  out.add_exit_code(static_cast<std::uint32_t>(process.stat.exit_code));
  out.add_comm(comm);
  out.add_task_state(kDead);
  context_.records.add(Kind::zombie, static_cast<std::uint64_t>(process.pid()), out.Finish());
  return {};
}

void TaskCollector::put_tree() {
  const pid_t root = context_.tree.processes.front().pid();
  for (const trace::FrozenProcess& process : context_.tree.processes) {
    std::vector<std::uint32_t> threads;
    for (const trace::Tracee& thread : process.threads) {
      threads.push_back(static_cast<std::uint32_t>(thread.tid()));
    }
    if (threads.empty()) {
      threads.push_back(0);  // as CRIU has it for a zombie
    }
    const auto number = [](pid_t pid) { return static_cast<std::uint32_t>(pid); };
    auto& builder = context_.records.begin();
    const auto threads_at = builder.CreateVector(threads);
    const std::uint32_t parent = process.pid() == root ? 0 : number(process.stat.ppid);
    context_.records.add(Kind::pstree, 0,
                         schema::CreatePstreeEntry(builder, number(process.pid()), parent,
                                                   number(process.stat.process_group),
                                                   number(process.stat.session), threads_at));
  }
}

void TaskCollector::put_inventory() {
  auto& builder = context_.records.begin();
  const auto ids = write_ids(builder, own_.vm, own_.files, own_.fs, own_.sighand);
  schema::PluginsEntryBuilder plugins(builder);
  const auto no_plugins = plugins.Finish();
  schema::InventoryEntryBuilder out(builder);
  out.add_img_version(kImageVersion);
  out.add_fdinfo_per_id(true);
  out.add_root_ids(ids);
  out.add_ns_per_id(true);
  out.add_root_cg_set(CgroupSets::kOwn);
  out.add_lsmtype(schema::Lsmtype::NO_LSM);
  out.add_network_lock_method(0);
  out.add_plugins_entry(no_plugins);
  context_.records.add(Kind::inventory, 0, out.Finish());

  auto& times = context_.records.begin();
  const auto monotonic = write_time(times, context_.clocks.monotonic_ns);
  const auto boottime = write_time(times, context_.clocks.boottime_ns);
  context_.records.add(Kind::timens, 0, schema::CreateTimensEntry(times, monotonic, boottime));
}

Result<void> TaskCollector::finish() {
  put_tree();
  put_inventory();
  seccomp_.finish(context_.records);
  return cgroups_.finish(context_.records);
}

}  // namespace img::dump
