// SPDX-License-Identifier: MIT
// A restore as data: who makes which system calls, in which order, and what must be true of this
// machine before the first of them. Made from an image and from facts about the host by pure
// functions, printed by --plan, run by restore. Knows no process and asks the kernel nothing.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "libimg/base/result.h"
#include "libimg/model/record.h"
#include "live/arch/x86_64/thread_info.h"
#include "live/state/state.h"

namespace img::plan {

/// Who acts: a task or thread of the tree by its recorded id, or live-restore itself.
struct Actor {
  std::uint32_t tid = 0;
  [[nodiscard]] bool is_restorer() const { return tid == 0; }
  friend bool operator==(const Actor&, const Actor&) = default;
};
inline constexpr Actor kRestorer{};

/// A place for the result of one call, good for the whole plan: a descriptor that the restorer
/// opened has the same number in every task, since all tables begin as copies of its own.
enum class Slot : std::uint32_t {};
/// Index into Plan::data.
enum class DataId : std::uint32_t {};

/// An argument: a number, the result of an earlier call plus a number, or the address of Data plus
/// an offset.
struct Value {
  enum class Kind : std::uint8_t { number, result, address };
  Kind kind = Kind::number;
  std::uint32_t index = 0;
  std::uint64_t number = 0;  // negative ones as the kernel sees them

  Value() = default;
  template <std::integral T>
  Value(T from) : number(static_cast<std::uint64_t>(static_cast<std::int64_t>(from))) {}
  Value(Slot slot, std::uint64_t addend = 0)
      : kind(Kind::result), index(static_cast<std::uint32_t>(slot)), number(addend) {}
  Value(DataId data, std::uint64_t offset = 0)
      : kind(Kind::address), index(static_cast<std::uint32_t>(data)), number(offset) {}
};

/// Part of Data that is known only when the call is made: `bytes` (4 or 8) at `offset`. A pointer
/// in a struct is a Value of a DataId.
struct Patch {
  std::uint32_t offset = 0;
  std::uint8_t bytes = 8;
  Value value;
  /// The value as decimal digits and zero bytes, `bytes` together: "/proc/self/fd/17".
  bool is_decimal = false;
};

/// Memory that calls point to, zero bytes long at least. The restorer has one copy for the whole
/// plan; a task gets a fresh one with each step, which later calls of that step see changed.
struct Data {
  std::vector<std::byte> bytes;
  std::vector<Patch> patches;
};

/// What becomes of the plan where a call fails.
enum class OnFailure : std::uint8_t {
  stop,      // the restore has failed
  go_on,     // whatever it was: the result is -errno
  go_on_if,  // it is Call::tolerated; otherwise stop
};

struct Call {
  long number = 0;  // SYS_...
  std::array<Value, 6> args{};
  std::uint8_t arg_count = 0;
  Slot slot{};  // of the result; every call has one
  OnFailure on_failure = OnFailure::stop;
  int tolerated = 0;  // an errno
  /// For people: "open /var/log/x". Said in the error where the call fails.
  std::string what;
};

/// Calls of one actor in order. Of a task at most some hundred are run in one go; they see each
/// other's results.
struct Calls {
  Actor actor;
  std::vector<Call> calls;
};

/// After the step before, of the same actor or not: the 4 bytes at `offset` of its Data are the
/// result in `slot` (pipe2 and socketpair write two descriptors). Of the restorer only.
struct Load {
  DataId data{};
  std::uint32_t offset = 0;
  Slot slot{};
};

/// A pseudoterminal with this number (/dev/pts/N): its master, at or above the base. Of the
/// restorer only; fails where another terminal of the host has the number.
struct OpenTerminal {
  std::uint32_t index = 0;
  Slot slot{};
};

/// A process of the restorer's that only stands in for one that is gone, while something of it is
/// opened; `pid` 0: any. `slot` is its pid. It ends, and is reaped, with EndStandIn.
struct MakeStandIn {
  std::uint32_t pid = 0;
  Slot slot{};
};
struct EndStandIn {
  Slot slot{};
};

/// A process as child of `parent`; stopped before its first instruction.
struct MakeTask {
  Actor parent;  // the restorer: this is the root
  std::uint32_t pid = 0;
  std::uint64_t flags = 0;         // CLONE_FILES, CLONE_FS
  bool is_helper = false;          // holds a session or group open, and is gone before the end
  std::uint32_t exit_signal = 17;  // SIGCHLD
};
struct MakeThread {
  std::uint32_t pid = 0;
  std::uint32_t tid = 0;
};

struct Range {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
};
/// The root has nothing mapped any more but the workbench; its children are born like that.
struct ClearMemory {
  Actor actor;
};
/// Pages of the image into the mappings of a task. Ranges: where pages belong; others are passed
/// over (vdso). Inherited: only pages that are not there already.
struct Fill {
  std::uint32_t pid = 0;
  std::vector<Range> ranges;
  bool is_inherited = false;
  /// Mappings among these that are new, anonymous, private, and large.
  std::vector<Range> anonymous{};
};
/// A task and what it will make, or one thread, into a group of Plan::hierarchies[hierarchy].
struct MoveToCgroup {
  std::uint32_t tid = 0;
  std::uint32_t hierarchy = 0;
  std::string path;  // from the root of the hierarchy
  bool is_thread = false;
};
/// An asynchronous I/O context (io_setup) with its ring where it was, filled from the image.
struct MakeAioRing {
  Actor actor;
  std::uint64_t start = 0;
  std::uint64_t bytes = 0;
  std::uint32_t requests = 0;
  std::uint32_t events = 0;  // that the ring has room for
  std::uint32_t head = 0;    // the first that has not been taken out
  std::uint32_t tail = 0;    // one behind the last
};
/// Anonymous memory for several tasks to map: a descriptor, at or above the base.
struct MakeSegment {
  Slot file{};
  std::uint64_t bytes = 0;
};
/// Memory of the image into a file (memfd, shared segment), page for page.
struct FillFile {
  Slot file{};
  model::FileKey pagemap;  // Kind::pagemap_shmem
  std::uint64_t bytes = 0;
};
/// The bytes that follow a record of the image, written to a descriptor of the restorer: at
/// `offset`, or, where that is kAppend, with write(2) (pipes, sockets).
struct CopyPayload {
  static constexpr std::uint64_t kAppend = ~std::uint64_t{0};
  Slot file{};
  model::RecordKey record;
  std::uint64_t offset = kAppend;
  std::string what;
};
/// A text into a file of /proc/TID.
struct WriteProc {
  std::uint32_t tid = 0;
  std::string file;  // "oom_score_adj"
  std::string text;
  OnFailure on_failure = OnFailure::stop;
};
/// The task ends as its zombie says, and is one when the step is over.
struct BecomeZombie {
  std::uint32_t pid = 0;
  Actor parent;
  std::uint32_t exit_code = 0;  // as wait(2) reports it
  std::string name;
};
/// A helper ends and is reaped by `parent`.
struct EndHelper {
  std::uint32_t pid = 0;
  Actor parent;
};
/// Pending SIGCHLD that only the making of its children has caused is taken away.
struct ForgetChildren {
  Actor actor;
};
/// A call that the thread was in is begun for what is left of its time, and interrupted: the kernel
/// knows its rest then, as it did. Comes before SetThread of any thread of the process.
struct BeginCall {
  std::uint32_t tid = 0;
  std::uint64_t number = 0;
  std::array<std::uint64_t, 4> args{};
};
/// The thread has AMX tiles from here on: the kernel makes room for them when they are first used.
/// Comes before SetThread of any thread of the process.
struct UseTiles {
  std::uint32_t tid = 0;
};
/// Syscall user dispatch, as the kernel says it.
struct UserDispatch {
  std::uint64_t mode = 0;
  std::uint64_t selector = 0;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};
/// What a thread goes on with: the last thing before it is let go.
struct SetThread {
  std::uint32_t pid = 0;
  std::uint32_t tid = 0;
  arch::ThreadInfo state;
  std::uint64_t mask = 0;
  std::uint64_t rseq = 0;     // address of struct rseq, where
  std::uint64_t rseq_cs = 0;  // ... this critical section is to be remembered
  std::optional<UserDispatch> dispatch{};
};
/// Processes that are whole go on, or, with a signal, are stopped by it and stay so.
struct LetGo {
  struct Process {
    std::uint32_t pid = 0;
    int stop_signal = 0;
  };
  std::vector<Process> processes;
};

using Step = std::variant<Calls, Load, OpenTerminal, MakeStandIn, EndStandIn, MakeTask, MakeThread,
                          MoveToCgroup, ClearMemory, Fill, MakeAioRing, MakeSegment, FillFile,
                          CopyPayload, WriteProc, BecomeZombie, EndHelper, ForgetChildren,
                          BeginCall, UseTiles, SetThread, LetGo>;

/// What must be true of this machine; asked before the first step, all at once.
struct FreePid {
  std::uint32_t pid = 0;
};
struct FilePresent {
  std::string path;
  std::uint32_t mode = 0;  // st_mode; 0: not known
  bool has_size = false;
  std::uint64_t size = 0;
  std::vector<std::uint32_t> build_id;  // as the image has it
  std::string hint;                     // the option that overrides it
};
/// Nothing at this path, or a socket that nobody listens on any more.
struct SocketOrNothing {
  std::string path;
};
struct CgroupPresent {
  std::uint32_t hierarchy = 0;
  std::string path;
};
struct Capability {
  unsigned number = 0;   // CAP_...
  unsigned or_else = 0;  // which does as well
  std::string why;       // "to choose the pids"
};
using Expectation = std::variant<FreePid, FilePresent, SocketOrNothing, CgroupPresent, Capability>;

/// A cgroup hierarchy by the controllers that are mounted together: "name=x" for a named one, and
/// one empty word for v2.
struct Hierarchy {
  std::vector<std::string> controllers;
};

struct Plan {
  std::vector<Data> data;
  std::vector<Step> steps;
  std::uint32_t slots = 0;
  std::vector<Expectation> expectations;
  /// Why it must not be run; each names the option that overrides it, where one can.
  std::vector<state::Refusal> refusals;
  /// What will be different.
  std::vector<std::string> notes;

  std::vector<Hierarchy> hierarchies;
  std::uint32_t root = 0;
  std::uint32_t base = 0;       // one more than the highest descriptor of any task
  std::uint64_t workbench = 0;  // free in every task's layout and in the restorer's
  /// By pid: a signal that is not pending there, to tell us that calls are made.
  std::map<std::uint32_t, int> signals;
};

}  // namespace img::plan
