// SPDX-License-Identifier: MIT
// Images for the tests of rules: a fixture with one file of it edited as JSON, and what is found.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "libimg/check/check.h"
#include "tests/support/scratch.h"

namespace img::check {

struct Judgement {
  Summary summary;
  std::vector<Finding> findings;
  std::vector<Need> needs;
  std::vector<std::pair<RuleId, std::string>> not_asked;

  /// Whether a finding of this rule, with this severity, is there.
  [[nodiscard]] bool has(std::string_view rule, Severity severity) const;
  [[nodiscard]] std::string text() const;
};

/// Opens a CRIU directory or an archive and judges it.
Judgement judge(const std::filesystem::path& image, Options options = {});

/// A copy of fixtures/dumps/<name> that goes with the test.
class Copy {
 public:
  explicit Copy(const std::string& dump);

  [[nodiscard]] std::filesystem::path path() const { return place_ / "image"; }
  /// One file as crit's JSON (`{"magic": ..., "entries": [...]}`), changed and put back.
  void edit(const std::string& file, const std::function<void(nlohmann::ordered_json&)>& change);
  /// A file that the dump does not have.
  void create(const std::string& file, const std::string& magic, nlohmann::ordered_json entries);
  void remove(const std::string& file);
  void rename(const std::string& from, const std::string& to);
  /// Puts these bytes at the end.
  void append(const std::string& file, const std::string& bytes);

 private:
  test::Scratch place_;
};

}  // namespace img::check
