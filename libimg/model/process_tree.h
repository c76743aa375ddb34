// SPDX-License-Identifier: MIT
// Who is whose child, in which state, with which threads and shared objects: pstree.img together
// with the leaders' cores, the zombies and ids-PID.img. Judges nothing: an odd image gives an odd
// tree, but never a cycle.
//
//   IMG_ASSIGN(const ProcessTree tree, ProcessTree::read(reader));
//   tree.walk([](const Process& process, std::size_t depth) { ... });
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "libimg/base/result.h"
#include "libimg/model/record.h"
#include "schema/core_generated.h"
#include "schema/pstree_generated.h"
#include "schema/zombie_generated.h"

namespace img::model {

enum class TaskState : std::uint8_t {
  unknown,  // no core in the image, or a state that has no meaning
  alive,
  zombie,
  stopped,
};

/// TaskKobjIdsEntry; 0 where the image does not say.
struct TaskIds {
  std::uint32_t vm = 0;
  std::uint32_t files = 0;
  std::uint32_t fs = 0;
  std::uint32_t sighand = 0;
  std::uint32_t pid_ns = 0;
  std::uint32_t net_ns = 0;
  std::uint32_t ipc_ns = 0;
  std::uint32_t uts_ns = 0;
  std::uint32_t mnt_ns = 0;
  std::uint32_t user_ns = 0;
  std::uint32_t cgroup_ns = 0;
  std::uint32_t time_ns = 0;

  [[nodiscard]] static TaskIds of(const schema::TaskKobjIdsEntry& entry);
};

struct Process {
  static constexpr std::uint32_t kNone = UINT32_MAX;

  std::uint32_t pid = 0;
  std::uint32_t ppid = 0;
  std::uint32_t pgid = 0;
  std::uint32_t sid = 0;
  TaskState state = TaskState::unknown;
  bool has_ids = false;
  bool has_core = false;  // core-PID.img, in whatever shape, or its Zombie
  std::uint8_t comm_size = 0;
  char comm_bytes[16] = {};       // cut to 16
  std::uint32_t task_state = 0;   // as the image has it
  std::uint32_t exit_code = 0;    // as wait(2) reports it
  std::uint32_t stop_signal = 0;  // 0: not recorded
  std::uint32_t cg_set = 0;       // of the leader; 0: none
  TaskIds ids;

  // Positions in ProcessTree::processes().
  std::uint32_t parent = kNone;  // none: a root, or a parent that does not stand before it
  std::uint32_t first_child = kNone;
  std::uint32_t next_sibling = kNone;

  [[nodiscard]] std::string_view comm() const { return {comm_bytes, comm_size}; }
  [[nodiscard]] bool is_zombie() const { return state == TaskState::zombie; }

 private:
  friend class ProcessTree;
  std::uint32_t threads_begin_ = 0;
  std::uint32_t threads_end_ = 0;
};

class ProcessTree {
 public:
  /// Reads pstree, zombies, ids, and the core of every leader.
  [[nodiscard]] static Result<ProcessTree> read(ImageReader& reader);

  /// In the order of pstree.img.
  [[nodiscard]] std::span<const Process> processes() const { return processes_; }
  /// The first with this pid, or null.
  [[nodiscard]] const Process* find(std::uint32_t pid) const;
  /// As pstree.img lists them, the leader included. Of a zombie: garbage.
  [[nodiscard]] std::span<const std::uint32_t> threads(const Process& process) const;
  [[nodiscard]] const Process* parent(const Process& process) const;
  /// Each process once, parents before children, children in the order of the image.
  void walk(const std::function<void(const Process&, std::size_t depth)>& visit) const;

  // For those who read all records anyway, in any order of files but pstree.img first.
  void add(const schema::PstreeEntry& entry);
  void add_core(std::uint64_t pid, const schema::CoreEntry& core);
  void add_zombie(std::uint64_t pid, const schema::Zombie& zombie);
  void add_ids(std::uint64_t pid, const schema::TaskKobjIdsEntry& ids);

 private:
  [[nodiscard]] Process* find_mutable(std::uint64_t pid);
  std::vector<Process> processes_;
  std::vector<std::uint32_t> last_child_;  // of each process, while the tree grows
  std::vector<std::uint32_t> threads_;
  std::unordered_map<std::uint32_t, std::uint32_t> by_pid_;
};

}  // namespace img::model
