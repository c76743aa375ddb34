// SPDX-License-Identifier: MIT
// What a reader met, as findings.
#include "libimg/check/facts.h"

#include <fmt/core.h>

#include <charconv>

namespace img::check {
namespace {

using criu::Damage;
using criu::DamageKind;

RuleId rule_of(DamageKind kind) {
  switch (kind) {
    case DamageKind::missing:
    case DamageKind::pages_shared: return RuleId::PGM_1;
    case DamageKind::not_regular:
    case DamageKind::bad_magic: return RuleId::SET_1;
    case DamageKind::truncated:
    case DamageKind::bad_length:
    case DamageKind::bad_protobuf:
    case DamageKind::missing_field:
    case DamageKind::too_deep: return RuleId::SET_2;
    case DamageKind::payload_short:
    case DamageKind::payload_wrong: return RuleId::SET_3;
    case DamageKind::pages_short:
    case DamageKind::pages_excess: return RuleId::PGM_4;
    case DamageKind::not_understood: return RuleId::PGM_9;
    case DamageKind::member_outside: return RuleId::ARC_1;
    case DamageKind::member_type: return RuleId::ARC_2;
    case DamageKind::member_twice: return RuleId::ARC_3;
    case DamageKind::archive_short: return RuleId::ARC_4;
    case DamageKind::archive_limit: return RuleId::ARC_5;
    case DamageKind::no_image: return RuleId::ARC_6;
    case DamageKind::trailing: return RuleId::SET_4;
    case DamageKind::unknown_field: return RuleId::SET_5;
  }
  return RuleId::SET_2;
}

Severity severity_of(DamageKind kind) {
  return criu::stops_reading(kind) ? Severity::error : Severity::warning;
}

/// protobuf-c knows no groups, and takes a known field in its own wire type only.
bool is_skipped(std::string_view unknown) {
  return !unknown.ends_with(" (of another type)") && !unknown.ends_with(" (a group)");
}

/// A reader of JSON says "line 3, column 7, entries[2].tc.comm".
Where place_in_json(Where where, std::string_view place) {
  constexpr std::string_view kEntries = "entries[";
  const std::size_t begin = place.find(kEntries);
  const std::size_t end = begin == std::string_view::npos ? begin : place.find(']', begin);
  if (end == std::string_view::npos) {
    return where;
  }
  const std::string_view index =
      place.substr(begin + kEntries.size(), end - begin - kEntries.size());
  std::from_chars(index.data(), index.data() + index.size(), where.entry);
  ++where.entry;
  where.field = end + 2 < place.size() ? std::string(place.substr(end + 2)) : "";
  return where;
}

RuleId rule_of_json(const Where& where, std::string_view place) {
  if (place.find("magic") != std::string_view::npos) {
    return RuleId::SET_1;
  }
  return where.field == "extra" ? RuleId::SET_3 : RuleId::SET_2;
}

}  // namespace

Summary judge_unopened(const std::string& place, const std::vector<Damage>& met,
                       FindingSink& findings) {
  Report report(findings, 0);
  for (const Damage& damage : met) {
    // What is wrong is the archive; damage.file is the member that shows it.
    Where where{place, place.substr(place.rfind('/') + 1), 0, {}, damage.file, 0};
    report.add(rule_of(damage.kind), std::move(where),
               damage.file.empty() ? damage.text
                                   : fmt::format("member '{}' {}", damage.file, damage.text));
  }
  return report.summary();
}

void judge_error(Facts& facts, FileKey file, const Error& error) {
  const auto* provenance = facts.reader.header().provenance();
  if (provenance == nullptr || provenance->origin() != schema::Origin::json) {
    facts.report.add(RuleId::SET_2, facts.at(file), "cannot be read: " + error.line());
    return;
  }
  Where where = place_in_json(facts.at(file), error.what);
  const RuleId rule = rule_of_json(where, error.what);
  facts.report.add(rule, std::move(where), error.what + ": " + error.why);
}

bool judge_damage(Report& report, model::ImageReader& image, FileKey file,
                  const std::vector<Damage>& met, std::optional<std::uint64_t> pages_id) {
  bool has_stopped = false;
  for (const Damage& damage : met) {
    Severity severity = severity_of(damage.kind);
    has_stopped = has_stopped || severity == Severity::error;
    Where where{image.place(), damage.file, damage.entry, damage.field, {}, damage.offset};
    std::string text = damage.text;
    if (file.kind == Kind::unknown_file) {
      severity = Severity::note;  // no reader of the image opens it
    }
    if (damage.file != image.file_name(file)) {
      // A pages file that its page map could not open.
      text = fmt::format("{} {}", damage.file, damage.text);
      if (damage.kind == DamageKind::missing) {
        where.file = image.file_name(file);
        where.field = "pages_id";
        where.entry = 1;
      }
    } else if (damage.kind == DamageKind::pages_short && pages_id) {
      where.file = image.file_name({Kind::pages, *pages_id});
      text = fmt::format("{} {}", image.file_name(file), damage.text);
    }
    if (pages_id && where.field == "pages_id") {
      where.value = std::to_string(*pages_id);
    }
    if (damage.kind == DamageKind::unknown_field && !is_skipped(damage.field)) {
      report.add(RuleId::SET_2, Severity::error, std::move(where),
                 "the protobuf library of CRIU passes over fields it does not know, but not over "
                 "this one");
      continue;
    }
    const bool is_pagemap = file.kind == Kind::pagemap || file.kind == Kind::pagemap_shmem;
    const bool is_count = is_pagemap && damage.kind == DamageKind::payload_wrong;
    report.add(is_count ? RuleId::PGM_2 : rule_of(damage.kind), severity, std::move(where),
               std::move(text));
  }
  return has_stopped;
}

}  // namespace img::check
