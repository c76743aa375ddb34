// SPDX-License-Identifier: MIT
// What can be said about an image: rules, and findings that name one. Refuses to know how a rule
// is asked and how a finding is printed.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace img::check {

enum class Severity : std::uint8_t {
  note,     // worth knowing
  warning,  // silently different after a restore, or likely wrong
  error,    // the restore fails, crashes or hangs
};

/// What has to be asked to judge a rule.
enum class Scope : std::uint8_t {
  image,    // the image alone
  parents,  // the images it leaves its pages to
  host,     // the machine that is to restore it
  need,     // what the restore will be given
};

/// What happens where a rule is broken, when CRIU restores the image.
enum class Effect : std::uint8_t { refuses, crashes, hangs, unreadable, differs, nothing };

enum class RuleId : std::uint16_t {
#define IMG_RULE(name, ...) name,
#define IMG_RULE_LATER(name, ...) name,
#include "libimg/check/rule_table.inc"
};

struct Rule {
  RuleId rule{};
  std::string_view id;  // "PST-1"
  Severity severity = Severity::error;
  Scope scope = Scope::image;
  Effect effect = Effect::refuses;
  std::string_view text;       // what must hold
  std::string_view not_built;  // why it is not asked; empty where it is
};

/// All rules, in the order of the catalogue.
[[nodiscard]] std::span<const Rule> rules();
[[nodiscard]] const Rule& rule(RuleId id);
/// Null where there is no such rule. Case does not matter.
[[nodiscard]] const Rule* find_rule(std::string_view id);
/// Several sentences for a person: what must hold, what happens if not, what to do, what is asked.
[[nodiscard]] std::string explain(const Rule& rule);

[[nodiscard]] std::string_view severity_name(Severity severity);  // "error"
[[nodiscard]] std::string_view scope_name(Scope scope);           // "image"
/// "criu restore stops with an error"
[[nodiscard]] std::string_view effect_text(Effect effect);

/// Where it is. Texts from the image are in here as they are: whoever prints escapes them.
struct Where {
  std::string image = {};    // the image's place; differs from the one asked for in a parent
  std::string file = {};     // core-66.img
  std::uint64_t entry = 0;   // counted from 1; 0: the file as a whole
  std::string field = {};    // "tc.comm"
  std::string value = {};    // what stands there
  std::uint64_t offset = 0;  // of the byte in the file, where only that is known
};

struct Finding {
  RuleId rule{};
  Severity severity = Severity::error;
  Where where;
  std::string text;  // what is wrong, what will happen, what to do

  [[nodiscard]] std::string_view rule_id() const { return check::rule(rule).id; }
  /// "pstree.img entry 3 field ppid", with nothing escaped.
  [[nodiscard]] std::string place() const;
  /// "PST-2 error pstree.img entry 3 field ppid: ...", with nothing escaped.
  [[nodiscard]] std::string line() const;
};

struct Need;

class FindingSink {
 public:
  virtual ~FindingSink() = default;
  virtual void finding(const Finding& finding) = 0;
  /// A need that is met, or of which nobody said that it will not be.
  virtual void need(const Need& need) { static_cast<void>(need); }
  /// A rule that this image or user could not be asked about, or not wholly, and why.
  virtual void not_asked(RuleId rule, std::string_view why) {
    static_cast<void>(rule);
    static_cast<void>(why);
  }
};

}  // namespace img::check
