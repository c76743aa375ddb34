// SPDX-License-Identifier: MIT
// The way from a rule's code to the sink: fills in what every finding has, and counts.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libimg/check/check.h"
#include "libimg/check/finding.h"
#include "libimg/check/needs.h"

namespace img::check {

class Report {
 public:
  Report(FindingSink& sink, std::uint64_t most_per_rule)
      : sink_(sink), most_per_rule_(most_per_rule), counts_(rules().size()) {}

  /// `wrong` is what is wrong here, as a clause; what follows from it is added from the rule.
  void add(RuleId rule, Where where, std::string wrong);
  void add(RuleId rule, Severity severity, Where where, std::string wrong);
  /// The text as it is.
  void add_plain(RuleId rule, Severity severity, Where where, std::string text);

  /// An error where it is stated what will be given and this is not among it.
  void need(Need need, const Given& given);
  /// Once for each rule and reason.
  void not_asked(RuleId rule, const std::string& why);

  [[nodiscard]] Summary& summary() { return summary_; }

 private:
  [[nodiscard]] std::string_view effect_of(RuleId id) const;

  FindingSink& sink_;
  std::uint64_t most_per_rule_;
  std::vector<std::uint64_t> counts_;
  std::set<std::pair<RuleId, std::string>> not_asked_;
  Summary summary_;
};

}  // namespace img::check
