// SPDX-License-Identifier: MIT
#include "libimg/check/finding.h"

#include <fmt/core.h>
#include <strings.h>

#include <array>

#include "libimg/base/assert.h"

namespace img::check {
namespace {

// The names that stand in the table.
constexpr auto error = Severity::error;
constexpr auto warning = Severity::warning;
constexpr auto note = Severity::note;
constexpr auto image = Scope::image;
constexpr auto parents = Scope::parents;
constexpr auto host = Scope::host;
constexpr auto need = Scope::need;
constexpr auto refuses = Effect::refuses;
constexpr auto crashes = Effect::crashes;
constexpr auto hangs = Effect::hangs;
constexpr auto unreadable = Effect::unreadable;
constexpr auto differs = Effect::differs;
constexpr auto nothing = Effect::nothing;

constexpr std::array kRules = {
#define IMG_RULE(name, id, severity, scope, effect, text) \
  Rule{RuleId::name, id, severity, scope, effect, text, {}},
#define IMG_RULE_LATER(name, id, severity, scope, effect, text, why) \
  Rule{RuleId::name, id, severity, scope, effect, text, why},
#include "libimg/check/rule_table.inc"
};

std::string_view advice(Effect effect) {
  switch (effect) {
    case Effect::refuses:
    case Effect::crashes:
    case Effect::hangs:
      return "Take the dump again; if it is the only one, img-convert to JSON, correct the field, "
             "and back.";
    case Effect::unreadable:
      return "Take the image from where it was imported from, or from another copy of the store.";
    case Effect::differs: return "Look whether the program minds; a new dump would not have it.";
    case Effect::nothing: return "Nothing has to be done.";
  }
  return {};
}

}  // namespace

std::span<const Rule> rules() {
  return kRules;
}

const Rule& rule(RuleId id) {
  IMG_ASSERT(static_cast<std::size_t>(id) < kRules.size());
  return kRules[static_cast<std::size_t>(id)];
}

const Rule* find_rule(std::string_view id) {
  for (const Rule& known : kRules) {
    if (known.id.size() == id.size() && ::strncasecmp(known.id.data(), id.data(), id.size()) == 0) {
      return &known;
    }
  }
  return nullptr;
}

std::string explain(const Rule& known) {
  std::string text =
      fmt::format("{} ({}, asks the {}): {}.\n", known.id, severity_name(known.severity),
                  scope_name(known.scope), known.text);
  text += fmt::format("Otherwise {}. {}\n", effect_text(known.effect), advice(known.effect));
  if (!known.not_built.empty()) {
    text += fmt::format("Not asked by this version: {}.\n", known.not_built);
  }
  return text;
}

std::string_view severity_name(Severity severity) {
  switch (severity) {
    case Severity::note: return "note";
    case Severity::warning: return "warning";
    case Severity::error: return "error";
  }
  return "error";
}

std::string_view scope_name(Scope scope) {
  switch (scope) {
    case Scope::image: return "image";
    case Scope::parents: return "image and its parents";
    case Scope::host: return "host";
    case Scope::need: return "options of the restore";
  }
  return "image";
}

std::string_view effect_text(Effect effect) {
  switch (effect) {
    case Effect::refuses: return "criu restore stops with an error";
    case Effect::crashes: return "criu restore crashes";
    case Effect::hangs: return "criu restore hangs, or loops for ever";
    case Effect::unreadable: return "the image cannot be read out of the store";
    case Effect::differs: return "the restored program may silently differ";
    case Effect::nothing: return "nothing goes wrong";
  }
  return {};
}

std::string Finding::place() const {
  std::string place = where.file;
  if (where.entry != 0) {
    place += fmt::format(" entry {}", where.entry);
  }
  if (!where.field.empty()) {
    place += " field " + where.field;
  }
  if (where.offset != 0) {
    place += fmt::format(" byte {}", where.offset);
  }
  return place;
}

std::string Finding::line() const {
  return fmt::format("{} {} {}: {}", rule_id(), severity_name(severity), place(), text);
}

}  // namespace img::check
