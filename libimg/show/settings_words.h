// SPDX-License-Identifier: MIT
// TaskSettings in words: what a process and its threads have set that CRIU has no place for.
#pragma once

#include <string>
#include <vector>

#include "libimg/show/subject.h"

namespace img::show {

/// One line for the process, if it has any, and one for each thread that has; few, if all threads
/// have the same.
[[nodiscard]] std::vector<std::string> settings_words(Subject& subject, std::uint32_t pid);

}  // namespace img::show
