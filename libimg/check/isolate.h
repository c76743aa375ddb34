// SPDX-License-Identifier: MIT
// Asks about an image in a child process: LMDB believes its file, and one from a stranger can make
// it crash or turn in circles. What the child finds comes through a pipe; how it ends badly becomes
// a finding.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "libimg/check/check.h"

namespace img::check {

/// What a child may be asked.
struct Question {
  std::string place;  // "web.store::redis", for findings about the child's end
  std::chrono::milliseconds limit;
  std::function<Result<Summary>(FindingSink&)> ask;
};

/// As `ask` would answer by itself, but if that crashes or takes longer than the limit, the answer
/// is a summary with one error more (STO-1), told to `findings`.
[[nodiscard]] Result<Summary> ask_in_child(const Question& question, FindingSink& findings);

/// The same for a list of names; Fault::corrupt where the child crashes.
[[nodiscard]] Result<std::vector<std::string>> list_in_child(
    const std::string& place, std::chrono::milliseconds limit,
    const std::function<Result<std::vector<std::string>>()>& list);

}  // namespace img::check
