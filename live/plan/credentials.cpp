// SPDX-License-Identifier: MIT
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <algorithm>

#include "live/plan/losses.h"
#include "live/plan/task.h"

namespace img::plan {
namespace {

constexpr std::uint32_t kNoSetuidFixup = 1U << SECURE_NO_SETUID_FIXUP;

std::uint64_t set_of(const flatbuffers::Vector<std::uint32_t>* words, std::uint64_t known) {
  std::uint64_t out = 0;
  for (std::size_t i = 0; words != nullptr && i < std::min<std::size_t>(words->size(), 2); ++i) {
    out |= std::uint64_t{words->Get(static_cast<flatbuffers::uoffset_t>(i))} << (32 * i);
  }
  return out & known;
}

Credentials credentials_of(const schema::CredsEntry& from, std::uint64_t known) {
  Credentials out;
  out.uids = {from.uid(), from.euid(), from.suid(), from.fsuid()};
  out.gids = {from.gid(), from.egid(), from.sgid(), from.fsgid()};
  if (from.groups() != nullptr) {
    out.groups.assign(from.groups()->begin(), from.groups()->end());
    std::sort(out.groups.begin(), out.groups.end());
  }
  out.inheritable = set_of(from.cap_inh(), known);
  out.permitted = set_of(from.cap_prm(), known);
  out.effective = set_of(from.cap_eff(), known);
  out.bounding = set_of(from.cap_bnd(), known);
  out.ambient = set_of(from.cap_amb(), known);
  out.securebits = from.secbits();
  out.no_new_privs = from.no_new_privs().value_or(0) != 0;
  return out;
}

void set_capabilities(PlanBuilder& builder, Actor actor, const Credentials& to) {
  const __user_cap_header_struct head{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> sets{};
  for (unsigned i = 0; i < 2; ++i) {
    sets[i].effective = static_cast<std::uint32_t>(to.effective >> (32 * i));
    sets[i].permitted = static_cast<std::uint32_t>(to.permitted >> (32 * i));
    sets[i].inheritable = static_cast<std::uint32_t>(to.inheritable >> (32 * i));
  }
  builder.call(actor, SYS_capset, {builder.object(head), builder.object(sets)}, "capabilities");
}

void set_ids(PlanBuilder& builder, Actor actor, const Credentials& to) {
  builder.call(actor, SYS_setgroups,
               {to.groups.size(), builder.data(std::as_bytes(std::span(to.groups)))},
               "supplementary groups");
  builder.call(actor, SYS_setresgid, {to.gids[0], to.gids[1], to.gids[2]}, "group ids");
  builder.call(actor, SYS_setfsgid, {to.gids[3]}, "file system group id");
  builder.call(actor, SYS_setresuid, {to.uids[0], to.uids[1], to.uids[2]}, "user ids");
  builder.call(actor, SYS_setfsuid, {to.uids[3]}, "file system user id");
}

// In this order: what gives rights away comes after what needs them.
void become(PlanBuilder& builder, const HostFacts& facts, Actor actor, const Credentials& to) {
  const Credentials& from = facts.credentials;
  builder.call(actor, SYS_prctl, {PR_SET_SECUREBITS, from.securebits | kNoSetuidFixup, 0, 0, 0},
               "keep capabilities while ids change");
  set_ids(builder, actor, to);
  for (unsigned bit = 0; bit <= facts.last_capability; ++bit) {
    if (((from.bounding & ~to.bounding) >> bit & 1) != 0) {
      builder.call(actor, SYS_prctl, {PR_CAPBSET_DROP, bit, 0, 0, 0}, "bounding set");
    }
  }
  if (from.ambient != 0) {
    builder.call(actor, SYS_prctl, {PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0},
                 "no ambient capabilities");
  }
  Credentials all = to;  // an ambient one must be permitted and inheritable first
  set_capabilities(
      builder, actor,
      Credentials{
          all.uids, all.gids, {}, all.inheritable, from.permitted, from.effective, 0, 0, 0, false});
  for (unsigned bit = 0; bit <= facts.last_capability; ++bit) {
    if ((to.ambient >> bit & 1) != 0) {
      builder.call(actor, SYS_prctl, {PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, bit, 0, 0},
                   "ambient capability");
    }
  }
  builder.call(actor, SYS_prctl, {PR_SET_SECUREBITS, to.securebits, 0, 0, 0}, "secure bits");
  set_capabilities(builder, actor, to);
}

void refuse_rights(PlanBuilder& builder, const HostFacts& facts, const ThreadImage& thread,
                   const Credentials& to) {
  const Credentials& from = facts.credentials;
  const std::uint64_t lacking = (to.permitted & ~from.permitted) | (to.bounding & ~from.bounding);
  if (lacking != 0) {
    builder.refuse(state::refusal(
        state::Piece::capability_of_task, "task " + std::to_string(thread.tid),
        "capability " + std::to_string(__builtin_ctzll(lacking)), "run live-restore with it"));
  }
  if (from.no_new_privs && !to.no_new_privs) {
    builder.refuse(
        state::refusal(state::Piece::no_new_privs_of_ours, "task " + std::to_string(thread.tid)));
  }
}

void plan_parent_death(PlanBuilder& builder, const PlanOptions& options, const TaskImage& task,
                       const ThreadImage& thread) {
  const std::uint32_t signal = thread.own().pdeath_sig().value_or(0);
  if (signal == 0) {
    return;
  }
  if (options.detach && task.pid() == builder.plan().root) {
    note_loss(builder, state::Piece::root_parent_death, "task " + std::to_string(thread.tid));
    return;
  }
  builder.call({thread.tid}, SYS_prctl, {PR_SET_PDEATHSIG, signal, 0, 0, 0},
               "signal when its parent ends");
}

}  // namespace

Result<void> plan_credentials(PlanBuilder& builder, const HostFacts& facts,
                              const PlanOptions& options, const TaskImage& task) {
  const std::uint64_t known = (std::uint64_t{2} << facts.last_capability) - 1;
  for (const ThreadImage& thread : task.threads) {
    const Actor actor{thread.tid};
    const auto* entry = thread.own().creds();
    const Credentials to =
        credentials_of(entry != nullptr ? *entry : *task.threads[0].own().creds(), known);
    Credentials as_we_are = facts.credentials;
    as_we_are.no_new_privs = to.no_new_privs;
    refuse_rights(builder, facts, thread, to);
    if (to != as_we_are) {
      become(builder, facts, actor, to);
    }
    if (to.no_new_privs && !facts.credentials.no_new_privs) {
      builder.call(actor, SYS_prctl, {PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0}, "no new privileges");
    }
    plan_parent_death(builder, options, task, thread);
  }
  // Only 0 and 1 can be set; 2 is what a change of ids leaves where fs.suid_dumpable says so.
  const int dumpable = task.mm->dumpable().value_or(1);
  if (dumpable == 0 || dumpable == 1) {
    builder.call({task.pid()}, SYS_prctl, {PR_SET_DUMPABLE, dumpable, 0, 0, 0}, "dumpable or not");
  }
  return {};
}

}  // namespace img::plan
