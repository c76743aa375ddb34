// SPDX-License-Identifier: MIT
// What everything that collects goes by: what was asked for, the stopped tree, where records go,
// and what is to be said about it in the end. Between the first stop and the last resume nothing is
// printed and nothing opened by name, so that is all kept here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libimg/base/result.h"
#include "live/dump/record_buffer.h"
#include "live/state/state.h"
#include "live/trace/freeze.h"

namespace img::dump {

struct DumpOptions {
  bool link_remap = false;
  bool tcp_established = false;
  bool shell_job = false;
  std::uint64_t ghost_limit = 64U << 20;
  bool leave_running = false;
  bool dry_run = false;  // nothing is made outside this process
};

/// Of the moment in which all of the tree stood still.
struct FreezeClocks {
  std::uint64_t realtime_ns = 0;
  std::uint64_t monotonic_ns = 0;
  std::uint64_t boottime_ns = 0;
};

/// What a dump has to say besides its records.
class Remarks {
 public:
  /// The tree cannot be dumped. Collecting goes on, so that all reasons are told at once.
  void refuse(state::Refusal reason) { refusals_.push_back(std::move(reason)); }
  void refuse(state::Piece piece, std::string thing, std::string detail = {},
              std::string hint = {}) {
    refuse(state::refusal(piece, std::move(thing), std::move(detail), std::move(hint)));
  }
  /// A piece of state that a restored tree will not have. `thing`: "process 12 (nginx)".
  void lose(state::Piece piece, const std::string& thing) {
    notes_.push_back(thing + ": " + std::string(state::row(piece).text));
  }

  [[nodiscard]] const std::vector<state::Refusal>& refusals() const { return refusals_; }
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }

 private:
  std::vector<state::Refusal> refusals_;
  std::vector<std::string> notes_;
};

/// Contents of shared memory objects: one pagemap-shmem each, however many map or hold them.
class SharedMemory;

struct DumpContext {
  const DumpOptions& options;
  trace::FrozenTree& tree;
  const FreezeClocks& clocks;
  RecordBuffer& records;
  SharedMemory& shared_memory;
  Remarks& remarks;
};

/// "process 12 (nginx)", for errors and notes.
[[nodiscard]] std::string name_of(const trace::FrozenProcess& process);

}  // namespace img::dump
