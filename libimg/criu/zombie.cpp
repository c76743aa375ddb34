// SPDX-License-Identifier: MIT
#include "libimg/criu/zombie.h"

namespace img::criu {

bool is_plain_zombie(const schema::CoreEntry& core) {
  const schema::TaskCoreEntry* tc = core.tc();
  if (tc == nullptr || tc->task_state() != kTaskDead) {
    return false;
  }
  const bool has_life = core.ids() != nullptr || core.thread_core() != nullptr ||
                        core.thread_info() != nullptr || core.ti_arm() != nullptr ||
                        core.ti_aarch64() != nullptr || core.ti_ppc64() != nullptr ||
                        core.ti_s390() != nullptr || core.ti_mips() != nullptr ||
                        core.ti_loongarch64() != nullptr || core.ti_riscv64() != nullptr;
  const bool has_more = tc->timers() != nullptr || tc->rlimits() != nullptr ||
                        tc->signals_s() != nullptr || tc->old_seccomp_mode().has_value() ||
                        tc->old_seccomp_filter().has_value() || tc->loginuid().has_value() ||
                        tc->oom_score_adj().has_value() || tc->sigactions() != nullptr ||
                        tc->child_subreaper().has_value() || tc->stop_signo().has_value() ||
                        tc->membarrier_registration_mask().has_value();
  return !has_life && !has_more;
}

Bytes lift_zombie(const schema::CoreEntry& core, flatbuffers::FlatBufferBuilder& builder) {
  builder.Clear();
  builder.ForceDefaults(true);
  const schema::TaskCoreEntry& tc = *core.tc();
  const auto comm = builder.CreateString(tc.comm());
  builder.Finish(schema::CreateZombie(builder, core.mtype(), tc.exit_code(), comm, tc.task_state(),
                                      tc.personality(), tc.flags(), tc.blk_sigset(),
                                      tc.blk_sigset_extended(), tc.cg_set()));
  return std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize()));
}

Bytes lower_zombie(const schema::Zombie& zombie, flatbuffers::FlatBufferBuilder& builder) {
  builder.Clear();
  builder.ForceDefaults(true);
  const auto comm = builder.CreateString(zombie.comm());
  schema::TaskCoreEntryBuilder tc(builder);
  tc.add_task_state(zombie.task_state());
  tc.add_exit_code(zombie.exit_code());
  tc.add_personality(zombie.personality());
  tc.add_flags(zombie.flags());
  tc.add_blk_sigset(zombie.blk_sigset());
  tc.add_comm(comm);
  if (const auto mask = zombie.blk_sigset_extended()) {
    tc.add_blk_sigset_extended(*mask);
  }
  if (const auto cg_set = zombie.cg_set()) {
    tc.add_cg_set(*cg_set);
  }
  const auto task = tc.Finish();
  schema::CoreEntryBuilder core(builder);
  core.add_mtype(zombie.arch());
  core.add_tc(task);
  builder.Finish(core.Finish());
  return std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize()));
}

}  // namespace img::criu
