// SPDX-License-Identifier: MIT
// One dump from beginning to end, in the order that keeps the tree safe: what can be refused is
// refused before anything stops; nothing is printed and nothing but the store is opened by name
// while it is stopped; nothing is killed before the image is committed and synced; and whatever
// fails, everything runs on.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "live/dump/tree_dump.h"

namespace img::dump {

enum class Afterwards { kill, leave_running, leave_stopped };

struct Request {
  pid_t root = 0;
  std::string store;   // a store, or where one is to be made
  std::string as;      // the image's name; empty: SERIES-TIME
  std::string series;  // empty: the root program's name
  std::uint64_t now_ns = 0;
  std::string writer;  // what the image says it was made by
  Afterwards afterwards = Afterwards::kill;
  std::string freeze_cgroup;
  std::chrono::milliseconds timeout{10'000};
  DumpOptions options;
  bool dry_run = false;
  bool deduplicate = false;
  unsigned threads = 1;
  const std::atomic<int>* stop = nullptr;        // not 0: end as soon as possible
  std::atomic<std::uint64_t>* copied = nullptr;  // bytes of memory, for who watches
  std::function<void()> tree_goes_on;            // called once nothing stands still any more
};

struct Outcome {
  std::vector<state::Refusal> refusals;  // not empty: nothing else below means anything
  std::string name;
  std::size_t processes = 0;
  std::size_t zombies = 0;
  std::size_t tasks = 0;
  std::uint64_t memory_bytes = 0;  // in pages of the image
  std::uint64_t stored_bytes = 0;  // written to packs
  std::uint64_t record_bytes = 0;
  DumpStats stats;
  bool has_snapshot = false;       // the tree ran on while its memory was copied
  std::vector<std::string> notes;  // what is lost, and what was done otherwise
};

/// Traces from the calling thread, which should end soon after: a task that cannot be stopped is
/// let go only then.
[[nodiscard]] Result<Outcome> run_dump(const Request& request);

/// Fault::denied, by the name of the first capability that is missing.
[[nodiscard]] Result<void> check_capabilities();

}  // namespace img::dump
