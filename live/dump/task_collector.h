// SPDX-License-Identifier: MIT
// The records of each process and thread: core, ids, fs, zombie, and the tree that holds them.
#pragma once

#include <linux/kcmp.h>

#include <cstdint>

#include "live/arch/x86_64/xsave.h"
#include "live/dump/cgroup_sets.h"
#include "live/dump/dump_context.h"
#include "live/dump/files/file_collector.h"
#include "live/dump/object_ids.h"
#include "live/dump/process_facts.h"
#include "live/dump/seccomp_chains.h"

namespace img::dump {

class TaskCollector {
 public:
  TaskCollector(DumpContext& context, FileCollector& files) : context_(context), files_(files) {}

  /// What live-dump itself has comes first: an image says whether the tree's differ.
  [[nodiscard]] Result<void> begin();
  /// One process that lives: everything but its memory.
  [[nodiscard]] Result<void> process(trace::FrozenProcess& process, const ProcessFacts& facts,
                                     const trace::RemoteMemory& memory);
  [[nodiscard]] Result<void> zombie(const trace::FrozenProcess& process);
  /// pstree, inventory, seccomp and cgroup records.
  [[nodiscard]] Result<void> finish();

 private:
  struct Ids {
    std::uint32_t vm = 0, files = 0, fs = 0, sighand = 0;
    bool has_new_files = false;
  };
  [[nodiscard]] Result<Ids> ids_of(pid_t pid);
  void put_ids(pid_t pid, const Ids& ids);
  [[nodiscard]] Result<void> put_fs(const trace::FrozenProcess& process,
                                    const procfs::Status& status);
  [[nodiscard]] Result<void> check_namespaces(const trace::FrozenProcess& process);
  void put_tree();
  void put_inventory();

  DumpContext& context_;
  FileCollector& files_;
  ObjectIds vm_{KCMP_VM};
  ObjectIds files_ids_{KCMP_FILES};
  ObjectIds fs_{KCMP_FS};
  ObjectIds sighand_{KCMP_SIGHAND};
  Ids own_;
  CgroupSets cgroups_;
  SeccompChains seccomp_;
  arch::XsaveLayout xsave_ = arch::XsaveLayout::of_this_cpu();
};

}  // namespace img::dump
