// SPDX-License-Identifier: MIT
// One broken image for every rule that a file can break: a fixture, and the one thing that is
// changed in it. Rules that are broken by bytes, links or whole chains have theirs in
// fixtures/corrupt.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/libimg/check/judged.h"

namespace img::check {

using Json = nlohmann::ordered_json;

inline constexpr auto kError = Severity::error;
inline constexpr auto kWarning = Severity::warning;
inline constexpr auto kNote = Severity::note;

struct Case {
  std::string rule;
  std::string what;  // names the test
  Severity severity;
  std::string dump;
  std::function<void(Copy&)> breaking;
};

/// Of the image as a whole, tasks and memory.
std::vector<Case> task_cases();
/// Of open files, and of what the tasks lived in.
std::vector<Case> file_cases();

using Change = std::function<void(Json&)>;

/// Changes an entry of a file, the first unless said otherwise.
std::function<void(Copy&)> in(const std::string& file, const Change& change, std::size_t entry = 0);
/// Changes all entries at once.
std::function<void(Copy&)> all(const std::string& file, const Change& change);
/// Changes the part of the first open file of a type.
std::function<void(Copy&)> of(const std::string& type, const std::string& part,
                              const Change& change);
std::function<void(Copy&)> removed(const std::string& file);
std::function<void(Copy&)> made(const std::string& file, const std::string& magic,
                                const Json& entries);
Json owner();
Json numbers(std::size_t count);
/// An open file that nobody holds, to say something about a type no fixture has.
std::function<void(Copy&)> added(const std::string& type, const std::string& part, Json body);

}  // namespace img::check
