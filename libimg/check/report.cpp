// SPDX-License-Identifier: MIT
#include "libimg/check/report.h"

#include <algorithm>
#include <utility>

namespace img::check {

void Report::add(RuleId id, Where where, std::string wrong) {
  add(id, rule(id).severity, std::move(where), std::move(wrong));
}

// Ours asks the rules before it begins.
std::string_view Report::effect_of(RuleId id) const {
  const Effect effect = rule(id).effect;
  const bool ends =
      effect == Effect::refuses || effect == Effect::crashes || effect == Effect::hangs;
  return ends && summary_.restorer == Restorer::stasis ? "live-restore refuses it"
                                                       : effect_text(effect);
}

void Report::add(RuleId id, Severity severity, Where where, std::string wrong) {
  // A finding that is milder than its rule does not have the rule's effect.
  if (severity == rule(id).severity && severity != Severity::note) {
    wrong += "; ";
    wrong += effect_of(id);
    const bool is_of_image = rule(id).scope != Scope::host;
    wrong += severity == Severity::error && is_of_image ? ": take the dump again" : "";
  }
  add_plain(id, severity, std::move(where), std::move(wrong));
}

void Report::add_plain(RuleId id, Severity severity, Where where, std::string text) {
  switch (severity) {
    case Severity::error: ++summary_.errors; break;
    case Severity::warning: ++summary_.warnings; break;
    case Severity::note: ++summary_.notes; break;
  }
  if (++counts_[static_cast<std::size_t>(id)] > most_per_rule_ && most_per_rule_ != 0) {
    ++summary_.not_told;
    return;
  }
  sink_.finding({id, severity, std::move(where), std::move(text)});
}

void Report::need(Need need, const Given& given) {
  need.is_given = std::any_of(need.options.begin(), need.options.end(),
                              [&](const RestoreOption& option) { return given.has(option); });
  if (need.is_given || !given.is_stated()) {
    ++summary_.needs;
    sink_.need(need);
    return;
  }
  add_plain(need.rule, Severity::error, need.where,
            need.why + "; the restore will not be given " + need.options.front().text());
}

void Report::not_asked(RuleId rule, const std::string& why) {
  if (not_asked_.emplace(rule, why).second) {
    sink_.not_asked(rule, why);
  }
}

std::uint64_t Summary::of(Severity severity) const {
  switch (severity) {
    case Severity::error: return errors;
    case Severity::warning: return warnings;
    case Severity::note: return notes;
  }
  return 0;
}

}  // namespace img::check
