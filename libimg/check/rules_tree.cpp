// SPDX-License-Identifier: MIT
// PST-*: who is whose parent, in which group and session. The checks of sessions follow the steps
// of CRIU's restore, because what it can make again with its helper tasks is valid.
#include <fmt/core.h>

#include <algorithm>

#include "libimg/check/facts.h"

namespace img::check {
namespace {

constexpr std::uint32_t kMaxPid = 4 * 1024 * 1024;  // PID_MAX_LIMIT of the kernel

class TreeRules : public RuleSet {
 public:
  explicit TreeRules(Facts& facts) : facts_(facts) {}

  void record(const Record& record) override {
    if (record.key.file.kind == Kind::pstree && record.key.seq != 0) {
      entries_.push_back(record.key.seq);
      relation(facts_.tree.processes().back());
    }
  }

  void finish() override {
    const auto processes = facts_.tree.processes();
    if (processes.empty()) {
      if (facts_.has(Kind::pstree) && facts_.is_whole(Kind::pstree)) {
        facts_.report.add(RuleId::PST_1, facts_.at({Kind::pstree, 0}), "holds no process");
      }
      return;
    }
    if (roots_ == 0 && facts_.is_whole(Kind::pstree)) {
      facts_.report.add(RuleId::PST_1, at(0, "ppid", processes[0].ppid),
                        "no process is the root: none has ppid 0");
    }
    for (std::size_t i = 0; i < processes.size(); ++i) {
      threads(i, processes[i]);
      zombie(i, processes[i]);
      group(i, processes[i]);
    }
    sessions();
  }

 private:
  Where at(std::size_t position, std::string field, std::uint64_t value) const {
    return facts_.at({Kind::pstree, 0}, entries_[position], std::move(field),
                     std::to_string(value));
  }

  void pid_in_range(std::size_t position, const char* field, std::uint32_t pid, bool may_be_zero) {
    if (pid == 0 && !may_be_zero) {
      facts_.report.add(RuleId::PST_3, at(position, field, pid), "no process has the id 0");
    } else if (pid >= kMaxPid) {
      facts_.report.add(RuleId::PST_3, at(position, field, pid),
                        fmt::format("{} is above what a kernel can give ({})", pid, kMaxPid - 1));
    }
  }

  /// As it is read: every id must be new, and the parent must have come before.
  void relation(const Process& process) {
    const std::size_t position = entries_.size() - 1;
    pid_in_range(position, "pid", process.pid, false);
    pid_in_range(position, "pgid", process.pgid, true);
    pid_in_range(position, "sid", process.sid, true);
    if (process.ppid == 0) {
      if (++roots_ > 1) {
        facts_.report.add(RuleId::PST_1, at(position, "ppid", 0),
                          fmt::format("process {} is a second root", process.pid));
      }
    } else if (process.parent == Process::kNone) {
      lost_parent(position, process);
    }
    take_id(position, "pid", process.pid);
    const auto tids = facts_.tree.threads(process);
    for (std::size_t i = 1; i < tids.size(); ++i) {
      pid_in_range(position, "threads", tids[i], false);
      take_id(position, "threads", tids[i]);
    }
  }

  void lost_parent(std::size_t position, const Process& process) {
    std::string why = "which is not there before it";
    if (process.ppid == process.pid) {
      why = "itself";
    } else if (ids_.contains(process.ppid)) {
      why = "which is a thread";
    }
    facts_.report.add(
        RuleId::PST_2, at(position, "ppid", process.ppid),
        fmt::format("the parent of process {} is {}, {}", process.pid, process.ppid, why));
  }

  void take_id(std::size_t position, const char* field, std::uint32_t id) {
    if (id != 0 && !ids_.insert(id).second) {
      facts_.report.add(RuleId::PST_3, at(position, field, id),
                        fmt::format("{} is the id of another process or thread too", id));
    }
  }

  void threads(std::size_t position, const Process& process) {
    const auto tids = facts_.tree.threads(process);
    if (process.is_zombie()) {
      if (tids.size() > 1) {
        facts_.report.add(RuleId::PST_5, at(position, "threads", tids.size()),
                          fmt::format("zombie {} has {} threads", process.pid, tids.size()));
      }
      return;  // what its only one is, is garbage in real dumps
    }
    if (tids.empty()) {
      facts_.report.add(RuleId::PST_4, at(position, "threads", 0),
                        fmt::format("process {} has no thread", process.pid));
    } else if (tids[0] != process.pid && process.state != model::TaskState::unknown) {
      facts_.report.add(RuleId::PST_4, at(position, "threads", tids[0]),
                        fmt::format("the first thread of process {} is {}", process.pid, tids[0]));
    }
  }

  void zombie(std::size_t position, const Process& process) {
    const Process* parent = facts_.tree.parent(process);
    if (parent != nullptr && parent->is_zombie()) {
      facts_.report.add(RuleId::PST_5, at(position, "ppid", process.ppid),
                        fmt::format("process {} is the child of {}, a zombie, which has none",
                                    process.pid, parent->pid));
    }
    if (!process.is_zombie()) {
      return;
    }
    for (const Kind kind : {Kind::mm, Kind::fs, Kind::ids, Kind::pagemap, Kind::vmas}) {
      if (facts_.has(kind, process.pid)) {
        facts_.report.add(
            RuleId::PST_5, facts_.at({kind, process.pid}),
            fmt::format("{} is a zombie, which has no memory and no files", process.pid));
      }
    }
  }

  void group(std::size_t position, const Process& process) {
    const Process& root = facts_.tree.processes()[0];
    if (process.sid == process.pid && process.pgid != process.pid) {
      facts_.report.add(RuleId::PST_7, at(position, "pgid", process.pgid),
                        fmt::format("process {} leads its session, but is in group {}", process.pid,
                                    process.pgid));
      return;
    }
    if (process.pgid == 0 || process.pgid == process.pid) {
      return;
    }
    const Process* leader = facts_.tree.find(process.pgid);
    if (leader == nullptr) {
      if (process.pgid == 1 && process.pgid != root.pgid) {
        facts_.report.add(RuleId::PST_7, at(position, "pgid", 1),
                          fmt::format("group 1 of process {} has no leader here, and another "
                                      "process 1 is always there",
                                      process.pid));
      } else if (facts_.thread_owner.contains(process.pgid)) {
        facts_.report.add(
            RuleId::PST_7, at(position, "pgid", process.pgid),
            fmt::format("group {} of process {} is a thread's id", process.pgid, process.pid));
      } else if (process.pgid != process.sid &&
                 !(process.pgid == root.pgid && root.sid != root.pid)) {
        facts_.report.add(RuleId::PST_7, Severity::warning, at(position, "pgid", process.pgid),
                          fmt::format("group {} of process {} has no leader: a restore makes one "
                                      "for a moment",
                                      process.pgid, process.pid));
      }
    } else if (leader->pgid == leader->pid && leader->sid != process.sid) {
      facts_.report.add(RuleId::PST_7, at(position, "pgid", process.pgid),
                        fmt::format("process {} of session {} is in group {} of session {}",
                                    process.pid, process.sid, process.pgid, leader->sid));
    }
  }

  // Sessions. A process is born into its parent's session, or into one that an ancestor was in
  // before it made its own. Children of the root may be orphans of a session whose leader is
  // elsewhere or dead: a helper stands in for their parent.

  struct Node {
    std::uint32_t pid = 0;
    std::uint32_t sid = 0;
    std::uint32_t parent = Process::kNone;
    std::uint32_t born_sid = 0;
    bool has_born_sid = false;
  };

  void sessions() {
    const auto processes = facts_.tree.processes();
    for (const Process& process : processes) {
      const auto position = static_cast<std::uint32_t>(nodes_.size());
      const bool is_branch = process.parent == Process::kNone || process.parent == 0;
      branches_.push_back(is_branch ? position : branches_[process.parent]);
      nodes_.push_back({process.pid, process.sid, process.parent, 0, false});
    }
    for (std::size_t i = 1; i < processes.size(); ++i) {
      const Process& process = processes[i];
      if (process.parent == 0 && process.sid != processes[0].sid && process.sid != process.pid) {
        nodes_[i].parent = helper(i, process);
      }
    }
    for (std::size_t i = 0; i < processes.size(); ++i) {
      const Process& process = processes[i];
      if (process.parent != Process::kNone && process.sid != process.pid) {
        born(i);
      }
      leader(i, process);
    }
  }

  std::uint32_t helper(std::size_t position, const Process& process) {
    const auto known = helpers_.find(process.sid);
    if (known != helpers_.end()) {
      return known->second;
    }
    Node node{0, process.sid, 0, 0, false};
    if (const Process* session_leader = facts_.tree.find(process.sid)) {
      node.parent = static_cast<std::uint32_t>(session_leader - facts_.tree.processes().data());
      if (branches_[node.parent] == position) {
        facts_.report.add(RuleId::PST_6, at(position, "sid", process.sid),
                          fmt::format("process {} is in the session of {}, its own descendant",
                                      process.pid, process.sid));
        node.parent = 0;
      }
    } else {
      node.pid = process.sid;
    }
    const auto index = static_cast<std::uint32_t>(nodes_.size());
    nodes_.push_back(node);
    helpers_.emplace(process.sid, index);
    return index;
  }

  void born(std::size_t position) {
    const std::uint32_t sid = nodes_[position].sid;
    std::uint32_t at_node = nodes_[position].parent;
    if (nodes_[at_node].sid == sid) {
      return;
    }
    // Ours has helpers that are born where it is needed.
    if (facts_.restorer == Restorer::stasis) {
      return;
    }
    // Each ancestor is marked once: where the mark is there already, the rest of the way is known.
    while (at_node != Process::kNone && nodes_[at_node].pid != sid) {
      Node& node = nodes_[at_node];
      if (node.has_born_sid && node.born_sid != sid) {
        facts_.report.add(RuleId::PST_6, at(position, "sid", sid),
                          fmt::format("process {} would have to be born in session {} and in "
                                      "session {}",
                                      node.pid, node.born_sid, sid));
        return;
      }
      if (node.has_born_sid) {
        return;
      }
      node.has_born_sid = true;
      node.born_sid = sid;
      at_node = node.parent;
    }
    if (at_node == Process::kNone) {
      facts_.report.add(RuleId::PST_6, at(position, "sid", sid),
                        fmt::format("the leader of session {} is no ancestor of process {}", sid,
                                    nodes_[position].pid));
    }
  }

  void leader(std::size_t position, const Process& process) {
    const std::uint32_t root_sid = facts_.tree.processes()[0].sid;
    if (process.sid == 0 && root_sid != 0) {
      facts_.report.add(RuleId::PST_6, at(position, "sid", 0),
                        fmt::format("process {} is in no session", process.pid));
      return;
    }
    if (process.sid == 0 || process.sid == process.pid) {
      return;
    }
    if (process.sid == 1 && root_sid != 1 && facts_.tree.find(1) == nullptr) {
      facts_.report.add(RuleId::PST_6, at(position, "sid", 1),
                        fmt::format("session 1 of process {} has no leader here, and another "
                                    "process 1 is always there",
                                    process.pid));
      return;
    }
    const Process* session_leader = facts_.tree.find(process.sid);
    if (session_leader == nullptr && facts_.thread_owner.contains(process.sid)) {
      facts_.report.add(
          RuleId::PST_6, at(position, "sid", process.sid),
          fmt::format("session {} of process {} is a thread's id", process.sid, process.pid));
    } else if (session_leader != nullptr && session_leader->sid != process.sid) {
      facts_.report.add(RuleId::PST_6, at(position, "sid", process.sid),
                        fmt::format("process {} is in session {}, but {} itself is in session {}",
                                    process.pid, process.sid, process.sid, session_leader->sid));
    }
  }

  Facts& facts_;
  std::vector<std::uint64_t> entries_;  // number of each process's entry
  std::unordered_set<std::uint32_t> ids_;
  std::size_t roots_ = 0;
  std::vector<std::uint32_t> branches_;  // the child of the root that each process is below
  std::vector<Node> nodes_;              // the processes, then helpers
  std::unordered_map<std::uint32_t, std::uint32_t> helpers_;  // by session
};

}  // namespace

std::unique_ptr<RuleSet> tree_rules(Facts& facts) {
  return std::make_unique<TreeRules>(facts);
}

}  // namespace img::check
