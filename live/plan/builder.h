// SPDX-License-Identifier: MIT
// Writes a Plan, call by call. Adjacent calls of one actor become one step.
//
// How a planner of files adds calls:
//
//   const Slot fd = builder.call(kRestorer, SYS_openat,
//                                {AT_FDCWD, builder.text(path), O_RDWR}, "open " + path);
//   const Slot kept = builder.keep(fd);          // at or above base(), where all tasks find it
//   builder.call(kRestorer, SYS_lseek, {kept, position, SEEK_SET}, "seek in " + path);
//   ...
//   builder.call(task, SYS_dup3, {kept, 7, O_CLOEXEC}, "descriptor 7");
//
// Two descriptors from one call:
//
//   const DataId pair = builder.data(8);
//   builder.call(kRestorer, SYS_pipe2, {pair, O_NONBLOCK}, "make a pipe");
//   const Slot read_end = builder.keep(builder.load(pair, 0));
//   const Slot write_end = builder.keep(builder.load(pair, 4));
//
// What must be there is said with expect(), what cannot be done with refuse(); neither ends the
// planning, so that all reasons are told at once.
#pragma once

#include <initializer_list>
#include <set>
#include <string>
#include <string_view>

#include "live/plan/plan.h"

namespace img::plan {

struct Tolerate {
  OnFailure on_failure = OnFailure::stop;
  int tolerated = 0;
};
inline constexpr Tolerate kMustSucceed{};
inline constexpr Tolerate kMayFail{OnFailure::go_on, 0};
[[nodiscard]] constexpr Tolerate may_fail_with(int sys_errno) {
  return {OnFailure::go_on_if, sys_errno};
}

class PlanBuilder {
 public:
  /// `base`: one more than the highest descriptor that any task of the image has.
  explicit PlanBuilder(std::uint32_t base) : base_(base) { plan_.base = base; }

  [[nodiscard]] std::uint32_t base() const { return base_; }

  Slot call(Actor actor, long number, std::initializer_list<Value> args, std::string what,
            Tolerate tolerate = kMustSucceed);
  void step(Step step);

  /// A descriptor of the restorer moved to base() or above; the one it was is closed.
  [[nodiscard]] Slot keep(Slot descriptor);
  /// The 4 bytes at `offset` of what the restorer's calls so far have left in `data`.
  [[nodiscard]] Slot load(DataId data, std::uint32_t offset);
  void close(Slot descriptor);
  /// A descriptor that the restorer has at or above base() in another way.
  void note_kept(Slot descriptor) {
    kept_.push_back(descriptor);
    most_kept_ = std::max(most_kept_, kept_.size());
  }
  /// Below what number all descriptors are that the restorer ever has.
  [[nodiscard]] std::uint64_t files_at_once() const { return base_ + most_kept_; }
  /// All that is kept and not closed yet: whoever waits for the tree must not hold its files open.
  void close_kept();
  /// The master of /dev/pts/`index`, kept.
  [[nodiscard]] Slot open_terminal(std::uint32_t index);
  /// For a step that makes a result itself.
  [[nodiscard]] Slot new_slot() { return Slot{plan_.slots++}; }
  /// Its pid; 0: any. Ended by end_stand_in().
  [[nodiscard]] Slot stand_in(std::uint32_t pid);
  void end_stand_in(Slot stand_in) { step(EndStandIn{stand_in}); }

  [[nodiscard]] DataId data(std::size_t bytes);  // zeros
  [[nodiscard]] DataId data(Bytes bytes, std::vector<Patch> patches = {});
  [[nodiscard]] DataId text(std::string_view text);  // and a zero byte
  /// "/proc/self/fd/N": the open file itself, by a name that open(2) and its like take.
  [[nodiscard]] DataId own_path(Slot descriptor);
  template <class T>
  [[nodiscard]] DataId object(const T& object, std::vector<Patch> patches = {}) {
    return data(std::as_bytes(std::span(&object, 1)), std::move(patches));
  }

  void expect(Expectation expectation);
  /// Said once, however often it is found.
  void refuse(state::Refusal reason);
  void note(std::string what) { plan_.notes.push_back(std::move(what)); }

  [[nodiscard]] Plan& plan() { return plan_; }
  [[nodiscard]] Plan take() { return std::move(plan_); }

 private:
  Plan plan_;
  std::uint32_t base_;
  std::vector<Slot> kept_;
  std::size_t most_kept_ = 0;
  std::set<std::string> refused_;  // their lines
  std::string made_;               // by the last call, in its words
};

}  // namespace img::plan
