// SPDX-License-Identifier: MIT
#include "live/plan/tree.h"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <map>
#include <set>

#include "live/plan/settings.h"

namespace img::plan {
namespace {

using model::Process;

constexpr std::size_t kDeepest = 1000;
// Actors that are no recorded process: nobody asked for their pid.
constexpr std::uint32_t kFirstNameless = 0x8000'0000;
constexpr std::uint32_t kLargestPid = 4 << 20;

std::string number(std::uint32_t pid) {
  return std::to_string(pid);
}

class TreePlanner {
 public:
  TreePlanner(PlanBuilder& builder, const RestoreImage& image, const HostFacts& facts,
              const PlanOptions& options, Births& births, CgroupPlanner& cgroups)
      : builder_(builder),
        image_(image),
        facts_(facts),
        options_(options),
        births_(births),
        cgroups_(cgroups) {}

  Result<std::vector<Actor>> plan() {
    IMG_TRY(check());
    const Process& root = image_.tree().processes()[0];
    make(root, kRestorer);
    builder_.step(ClearMemory{{root.pid}});
    IMG_TRY(births_.born(root, kRestorer));
    IMG_TRY(make_descendants(root, facts_.session, 0));
    IMG_TRY(make_orphans());
    IMG_TRY(plan_groups());
    end_helpers();
    return std::vector<Actor>(bereaved_.begin(), bereaved_.end());
  }

 private:
  struct Helper {
    Actor actor;
    Actor parent;
  };
  struct ByTid {
    bool operator()(const Actor& a, const Actor& b) const { return a.tid < b.tid; }
  };

  Result<void> check();
  Result<void> check_session(const Process& root);
  void make(const Process& process, Actor parent);
  Result<void> make_descendants(const Process& process, std::uint32_t born_into, std::size_t depth);
  Result<void> make_child(const Process& child, Actor parent, std::uint32_t session,
                          std::size_t depth);
  Result<void> make_by_helper(const Process& child, const Process& parent, std::size_t depth);
  Result<void> make_orphans();
  Result<void> plan_groups();
  void lead_group(const Process& process);
  Result<void> add_helper(Actor helper, Actor parent);
  void end_helpers();
  void set_subreaper(Actor actor);
  [[nodiscard]] std::vector<const Process*> children(const Process& process) const;

  PlanBuilder& builder_;
  const RestoreImage& image_;
  const HostFacts& facts_;
  const PlanOptions& options_;
  Births& births_;
  CgroupPlanner& cgroups_;
  std::set<std::uint32_t> ids_;   // of tasks, threads and helpers
  std::set<std::uint32_t> made_;  // processes
  std::vector<Helper> helpers_;
  std::map<std::uint32_t, Actor> dead_leaders_;  // session: the helper that leads it
  std::set<Actor, ByTid> subreapers_;
  std::set<Actor, ByTid> bereaved_;
  // Children of a session that somebody else in the tree leads: made there, by a helper that ends.
  std::vector<const Process*> orphans_;
  std::uint32_t next_nameless_ = kFirstNameless;
};

std::vector<const Process*> TreePlanner::children(const Process& process) const {
  std::vector<const Process*> out;
  const auto all = image_.tree().processes();
  for (std::uint32_t at = process.first_child; at != Process::kNone; at = all[at].next_sibling) {
    out.push_back(&all[at]);
  }
  return out;
}

Result<void> TreePlanner::check() {
  std::size_t roots = 0;
  for (const Process& process : image_.tree().processes()) {
    roots += process.parent == Process::kNone ? 1 : 0;
    auto threads = image_.tree().threads(process);
    if (process.is_zombie()) {
      threads = std::span(&process.pid, 1);
    }
    for (const std::uint32_t tid : threads) {
      if (tid == 0 || tid > kLargestPid || !ids_.insert(tid).second) {
        return fail(Fault::corrupt, "pstree.img", "task " + number(tid),
                    "its number is impossible, or there twice");
      }
      builder_.expect(FreePid{tid});
    }
  }
  const Process& root = image_.tree().processes()[0];
  if (roots != 1 || root.is_zombie()) {
    return fail(Fault::corrupt, "pstree.img", "", "it is not one tree with a living root");
  }
  return check_session(root);
}

// A root that leads no session was part of one outside of the tree: of a terminal's shell.
Result<void> TreePlanner::check_session(const Process& root) {
  if (root.sid != root.pid && !options_.shell_job) {
    builder_.refuse(state::refusal(state::Piece::session_outside, "process " + number(root.pid),
                                   "session " + number(root.sid),
                                   "--shell-job makes it part of this one"));
  }
  return {};
}

void TreePlanner::make(const Process& process, Actor parent) {
  MakeTask step{parent, process.pid};
  if (const TaskImage* task = image_.find(process.pid); task != nullptr) {
    step.exit_signal = exit_signal_of(*task);
  }
  const Process* recorded = image_.tree().parent(process);
  if (recorded != nullptr && recorded->pid == parent.tid && !process.is_zombie()) {
    const model::TaskIds& ids = process.ids;
    step.flags |= ids.files != 0 && ids.files == recorded->ids.files ? CLONE_FILES : 0;
    step.flags |= ids.fs != 0 && ids.fs == recorded->ids.fs ? CLONE_FS : 0;
  }
  builder_.step(step);
  made_.insert(process.pid);
  // Before it has children, who are born where it is.
  cgroups_.place(process.pid, parent, cgroups_.set_of(process));
}

Result<void> TreePlanner::make_child(const Process& child, Actor parent, std::uint32_t session,
                                     std::size_t depth) {
  make(child, parent);
  IMG_TRY(births_.born(child, parent));
  return make_descendants(child, session, depth + 1);
}

void TreePlanner::set_subreaper(Actor actor) {
  if (subreapers_.insert(actor).second) {
    builder_.call(actor, SYS_prctl, {PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0},
                  "get the children of helpers back");
  }
}

// Nobody has had the number as long as it was that of a session or group.
Result<void> TreePlanner::add_helper(Actor helper, Actor parent) {
  if (helper.tid < kFirstNameless &&
      (helper.tid == 0 || helper.tid > kLargestPid || !ids_.insert(helper.tid).second)) {
    return fail(Fault::corrupt, "pstree.img", "session or group " + number(helper.tid),
                "its number is impossible, or a task's that does not lead it");
  }
  MakeTask step{parent, helper.tid};
  step.is_helper = true;
  builder_.step(step);
  births_.helper_born(helper, parent);
  cgroups_.place(helper.tid, parent, 0);
  helpers_.push_back({helper, parent});
  if (helper.tid < kFirstNameless) {
    builder_.expect(FreePid{helper.tid});
  }
  return {};
}

// The leader of the child's session has ended, and the child has been given to `parent` since.
Result<void> TreePlanner::make_by_helper(const Process& child, const Process& parent,
                                         std::size_t depth) {
  if (image_.tree().find(child.sid) != nullptr) {
    orphans_.push_back(&child);
    return {};
  }
  auto [leader, is_new] = dead_leaders_.try_emplace(child.sid, Actor{child.sid});
  if (is_new) {
    set_subreaper({parent.pid});
    IMG_TRY(add_helper(leader->second, {parent.pid}));
    builder_.call(leader->second, SYS_setsid, {}, "session of a leader that has ended");
  }
  return make_child(child, leader->second, child.sid, depth);
}

Result<void> TreePlanner::make_descendants(const Process& process, std::uint32_t born_into,
                                           std::size_t depth) {
  if (depth > kDeepest) {
    return fail(Fault::limit, "pstree.img", "", "the tree is deeper than " + number(kDeepest));
  }
  const Process& root = image_.tree().processes()[0];
  const bool leads = process.sid == process.pid;
  const std::uint32_t outside = root.sid == root.pid ? 0 : root.sid;
  // A session outside of the tree is the one that the root was born into.
  const auto wants = [&](const Process& child) {
    return child.sid == outside ? facts_.session : child.sid;
  };
  const auto is_older = [&](const Process& child) {
    return leads && child.sid != child.pid && child.sid != process.pid && wants(child) == born_into;
  };
  const auto all = children(process);
  for (const Process* child : all) {
    if (is_older(*child)) {
      IMG_TRY(make_child(*child, {process.pid}, born_into, depth));
    }
  }
  if (leads) {
    builder_.call({process.pid}, SYS_setsid, {}, "lead session " + number(process.pid));
  }
  const std::uint32_t session = leads ? process.pid : born_into;
  for (const Process* child : all) {
    if (is_older(*child)) {
      continue;
    }
    if (child->sid == child->pid || wants(*child) == session) {
      IMG_TRY(make_child(*child, {process.pid}, session, depth));
    } else {
      IMG_TRY(make_by_helper(*child, process, depth));
    }
  }
  return {};
}

// While one is made, more of them may be found below it.
Result<void> TreePlanner::make_orphans() {
  while (!orphans_.empty()) {
    const auto ready = std::ranges::find_if(
        orphans_, [this](const Process* one) { return made_.contains(one->sid); });
    if (ready == orphans_.end()) {
      return fail(Fault::corrupt, "pstree.img", "session " + number(orphans_.front()->sid),
                  "its leader would have to be born in it");
    }
    const Process* const orphan = *ready;
    orphans_.erase(ready);
    const Process* parent = image_.tree().parent(*orphan);
    const Actor helper{next_nameless_++};
    set_subreaper({parent->pid});
    IMG_TRY(add_helper(helper, {orphan->sid}));
    IMG_TRY(make_child(*orphan, helper, orphan->sid, 0));
  }
  return {};
}

void TreePlanner::lead_group(const Process& process) {
  builder_.call({process.pid}, SYS_setpgid, {0, 0}, "lead group " + number(process.pid));
}

Result<void> TreePlanner::plan_groups() {
  const auto all = image_.tree().processes();
  for (const Process& process : all) {
    if (process.pgid == process.pid && process.sid != process.pid) {
      lead_group(process);
    }
  }
  const Process& root = all[0];
  std::set<std::uint32_t> made;
  for (const Process& process : all) {
    const std::uint32_t group = process.pgid;
    if (group == process.pid || (group == root.pgid && image_.tree().find(group) == nullptr)) {
      continue;
    }
    const bool has_leader = image_.tree().find(group) != nullptr || dead_leaders_.contains(group);
    if (!has_leader && made.insert(group).second) {
      IMG_TRY(add_helper({group}, {process.pid}));
      builder_.call({group}, SYS_setpgid, {0, 0}, "group of a leader that has ended");
    }
    builder_.call({process.pid}, SYS_setpgid, {0, group}, "join group " + number(group));
  }
  return {};
}

// The youngest first: a helper may be another's child.
void TreePlanner::end_helpers() {
  for (auto helper = helpers_.rbegin(); helper != helpers_.rend(); ++helper) {
    builder_.step(EndHelper{helper->actor.tid, helper->parent});
    bereaved_.insert(helper->parent);
  }
  for (const Actor actor : subreapers_) {
    builder_.call(actor, SYS_prctl, {PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0}, "no subreaper any more");
  }
  for (const Process& process : image_.tree().processes()) {
    if (process.is_zombie() && image_.tree().parent(process) != nullptr) {
      bereaved_.insert({image_.tree().parent(process)->pid});
    }
  }
}

}  // namespace

Result<std::vector<Actor>> plan_tree(PlanBuilder& builder, const RestoreImage& image,
                                     const HostFacts& facts, const PlanOptions& options,
                                     Births& births, CgroupPlanner& cgroups) {
  return TreePlanner(builder, image, facts, options, births, cgroups).plan();
}

}  // namespace img::plan
