// SPDX-License-Identifier: MIT
// Findings on their way out of img-check: as lines, or into a JSON list.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "libimg/check/check.h"
#include "tools/frame/program.h"

namespace img::tools {

/// RULE or RULE:GLOB; the glob is of the file's name.
struct Ignored {
  check::RuleId rule{};
  std::string glob;  // empty: everywhere
};
[[nodiscard]] Result<Ignored> parse_ignored(const std::string& text);

/// How many of each severity: notes, warnings, errors.
using Counts = std::array<std::uint64_t, 3>;

/// One image's. With --json its members of the object that is open.
class FindingReport : public check::FindingSink {
 public:
  /// `image` is what the user asked about; findings in a parent name that.
  FindingReport(frame::Report& report, const std::vector<Ignored>& ignored, std::string image);

  void finding(const check::Finding& finding) override;
  void need(const check::Need& need) override { needs_.push_back(need); }
  void not_asked(check::RuleId rule, std::string_view why) override;
  /// The last lines: how many there were, and what a restore needs (`is_with`: it is known what it
  /// will get). `summary` is null where the image could not be asked.
  Counts conclude(const check::Summary* summary, bool is_with, bool quiet);

 private:
  [[nodiscard]] bool is_ignored(const check::Finding& finding) const;
  void write_json(const check::Finding& finding);
  void write_needs(check::Restorer restorer, bool is_with);
  void write_needs_json(check::Restorer restorer);
  void write_not_asked();

  frame::Report& report_;
  const std::vector<Ignored>& ignored_;
  std::string image_;
  Counts counts_ = {};
  std::uint64_t ignored_count_ = 0;
  std::vector<check::Need> needs_;
  std::vector<std::pair<check::RuleId, std::string>> not_asked_;
};

/// `RULE SEVERITY SCOPE what must hold`, one line each, or as JSON.
void list_rules(frame::Report& report);
[[nodiscard]] Result<void> explain_rule(frame::Report& report, const std::string& id);

}  // namespace img::tools
