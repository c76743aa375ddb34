// SPDX-License-Identifier: MIT
#include "tools/check_findings.h"

#include <fmt/core.h>
#include <fnmatch.h>

#include "libimg/base/text.h"

namespace img::tools {
namespace {

void write_rule(JsonWriter& json, const check::Rule& rule) {
  json.text("id", rule.id);
  json.text("severity", check::severity_name(rule.severity));
  json.text("scope", check::scope_name(rule.scope));
  json.text("effect", check::effect_text(rule.effect));
  json.text("text", rule.text);
  json.boolean("asked", rule.not_built.empty());
  if (!rule.not_built.empty()) {
    json.text("not_asked_because", rule.not_built);
  }
}

Failure no_such_rule(const std::string& id) {
  return fail(Fault::usage, id, "no such rule", {}, "img-check --list-rules lists them");
}

}  // namespace

Result<Ignored> parse_ignored(const std::string& text) {
  const std::size_t colon = text.find(':');
  const check::Rule* rule = check::find_rule(text.substr(0, colon));
  if (rule == nullptr) {
    return no_such_rule(text);
  }
  return Ignored{rule->rule, colon == std::string::npos ? "" : text.substr(colon + 1)};
}

FindingReport::FindingReport(frame::Report& report, const std::vector<Ignored>& ignored,
                             std::string image)
    : report_(report), ignored_(ignored), image_(std::move(image)) {
  if (report_.is_json()) {
    report_.json().begin_array("findings");
  }
}

bool FindingReport::is_ignored(const check::Finding& finding) const {
  for (const Ignored& ignored : ignored_) {
    if (ignored.rule == finding.rule &&
        (ignored.glob.empty() ||
         ::fnmatch(ignored.glob.c_str(), finding.where.file.c_str(), 0) == 0)) {
      return true;
    }
  }
  return false;
}

void FindingReport::finding(const check::Finding& finding) {
  if (is_ignored(finding)) {
    ++ignored_count_;
    return;
  }
  ++counts_[static_cast<std::size_t>(finding.severity)];
  if (report_.is_json()) {
    write_json(finding);
    return;
  }
  const bool elsewhere = !finding.where.image.empty() && finding.where.image != image_;
  const std::string& image = elsewhere ? finding.where.image : image_;
  report_.text() << escaped(image) << ": " << escaped(finding.line()) << '\n';
}

void FindingReport::write_json(const check::Finding& finding) {
  JsonWriter& json = report_.json();
  json.begin_object();
  json.text("rule", finding.rule_id());
  json.text("severity", check::severity_name(finding.severity));
  json.text("effect", check::effect_text(check::rule(finding.rule).effect));
  json.text("image", finding.where.image);
  json.text("file", finding.where.file);
  json.number("entry", finding.where.entry);
  json.text("field", finding.where.field);
  json.text("value", finding.where.value);
  json.number("offset", finding.where.offset);
  json.text("text", finding.text);
  json.end();
}

void FindingReport::not_asked(check::RuleId rule, std::string_view why) {
  not_asked_.emplace_back(rule, why);
}

void FindingReport::write_needs(check::Restorer restorer, bool is_with) {
  std::string command;
  for (const check::Need& need : needs_) {
    const std::string option = need.text(restorer);
    if (!option.empty()) {
      command += " " + option;
    }
    if (!need.is_given) {
      report_.text() << fmt::format(
          "{}: {} need {}: {}; give {}\n", escaped(image_), check::rule(need.rule).id,
          escaped(need.where.file), escaped(need.why),
          escaped(option.empty() ? need.text(check::Restorer::criu) : option));
    }
  }
  if (!command.empty() && !is_with) {
    report_.text() << escaped(image_) << ": restore with: " << check::restorer_command(restorer)
                   << escaped(command) << '\n';
  }
}

void FindingReport::write_needs_json(check::Restorer restorer) {
  JsonWriter& json = report_.json();
  json.begin_array("needs");
  for (const check::Need& need : needs_) {
    json.begin_object();
    json.text("rule", check::rule(need.rule).id);
    json.text("file", need.where.file);
    json.number("entry", need.where.entry);
    json.text("option", need.text(restorer));
    std::vector<std::string> options;
    for (const check::RestoreOption& option : need.options) {
      options.push_back(option.text());
    }
    json.texts("criu_options", options);
    json.text("why", need.why);
    json.boolean("given", need.is_given);
    json.end();
  }
  json.end();
  json.text("restorer", check::restorer_command(restorer));
}

void FindingReport::write_not_asked() {
  if (report_.is_json()) {
    report_.json().begin_array("not_asked");
    for (const auto& [rule, why] : not_asked_) {
      report_.json().begin_object();
      report_.json().text("rule", check::rule(rule).id);
      report_.json().text("why", why);
      report_.json().end();
    }
    report_.json().end();
    return;
  }
  for (std::size_t i = 0; i < not_asked_.size();) {
    std::string ids;
    std::size_t same = i;
    while (same < not_asked_.size() && not_asked_[same].second == not_asked_[i].second) {
      ids += (ids.empty() ? "" : " ") + std::string(check::rule(not_asked_[same++].first).id);
    }
    report_.text() << escaped(image_) << ": not asked: " << ids << ": "
                   << escaped(not_asked_[i].second) << '\n';
    i = same;
  }
}

Counts FindingReport::conclude(const check::Summary* summary, bool is_with, bool quiet) {
  Counts counts = counts_;
  const auto restorer = summary == nullptr ? check::Restorer::criu : summary->restorer;
  if (summary != nullptr && ignored_.empty()) {
    counts = {summary->notes, summary->warnings, summary->errors};  // those not told too
  }
  if (report_.is_json()) {
    JsonWriter& json = report_.json();
    json.end();
    write_needs_json(restorer);
    write_not_asked();
    json.number("errors", counts[2]);
    json.number("warnings", counts[1]);
    json.number("notes", counts[0]);
    json.number("ignored", ignored_count_);
    if (summary != nullptr) {
      json.number("not_told", summary->not_told);
      json.number("files", summary->files);
      json.number("records", summary->records);
      json.number("levels", summary->levels);
      json.boolean("pre_dump", summary->is_predump);
    }
  } else if (summary != nullptr && !quiet) {
    write_not_asked();
    write_needs(restorer, is_with);
    const auto number = [](std::uint64_t count, std::string_view what) {
      return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
    };
    report_.text() << fmt::format("{}: {}, {}, {} ({}, {})\n", escaped(image_),
                                  number(counts[2], "error"), number(counts[1], "warning"),
                                  number(counts[0], "note"), number(summary->files, "file"),
                                  number(summary->records, "record"));
  }
  return counts;
}

void list_rules(frame::Report& report) {
  if (report.is_json()) {
    report.json().begin_array("rules");
    for (const check::Rule& rule : check::rules()) {
      report.json().begin_object();
      write_rule(report.json(), rule);
      report.json().end();
    }
    report.json().end();
    return;
  }
  for (const check::Rule& rule : check::rules()) {
    report.text() << rule.id << ' ' << check::severity_name(rule.severity) << ' '
                  << check::scope_name(rule.scope) << (rule.not_built.empty() ? "" : " not-asked")
                  << ": " << rule.text << '\n';
  }
}

Result<void> explain_rule(frame::Report& report, const std::string& id) {
  const check::Rule* const rule = check::find_rule(id);
  if (rule == nullptr) {
    return no_such_rule(id);
  }
  if (!report.is_json()) {
    report.text() << check::explain(*rule) << '\n';
    return {};
  }
  report.json().begin_array("rules");
  report.json().begin_object();
  write_rule(report.json(), *rule);
  report.json().text("explanation", check::explain(*rule));
  report.json().end();
  report.json().end();
  return {};
}

}  // namespace img::tools
