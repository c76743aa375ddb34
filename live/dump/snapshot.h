// SPDX-License-Identifier: MIT
// Copies of address spaces that cost no copying: a clone of each process, made by itself, that
// never runs its program. The tree goes on while memory is read from the clones.
//
// The process clones a helper that has its memory (and holds it, as vfork does), and the helper
// clones the copy and ends, so the process has no child that it did not start. Which of the three
// makes which call follows from results alone: poll with no descriptors, where a clone returned 0,
// succeeds, and with that many of them at address 0 it fails. If we are killed in the midst of it,
// the copy ends by itself after kLonelyTime.
#pragma once

#include <sys/types.h>

#include <optional>
#include <vector>

#include "live/dump/memory_writer.h"
#include "live/trace/freeze.h"

namespace img::dump {

class Snapshots {
 public:
  /// One of every process of the stopped tree, and the sources of `spaces` turned to them. Nothing
  /// where one cannot be made: then none is, and the spaces are as they were.
  [[nodiscard]] static Result<std::optional<Snapshots>> take(trace::FrozenTree& tree,
                                                             std::vector<PlacedSpace>& spaces);
  Snapshots(Snapshots&& other) noexcept : clones_(std::move(other.clones_)) {}
  Snapshots& operator=(Snapshots&& other) noexcept;
  ~Snapshots() { end(); }

 private:
  Snapshots() = default;
  [[nodiscard]] Result<bool> add(trace::FrozenProcess& process);
  void end();

  std::vector<trace::Tracee> clones_;  // as the spaces with a process
};

}  // namespace img::dump
