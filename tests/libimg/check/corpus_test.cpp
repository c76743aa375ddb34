// SPDX-License-Identifier: MIT
// Real dumps, in which nothing may be found, and broken ones, which are judged as their labels say.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <ostream>

#include "libimg/criu/directory_reader.h"
#include "tests/fixtures/variant.h"
#include "tests/libimg/check/judged.h"
#include "tests/support/scratch.h"

namespace img::fixtures {

void PrintTo(const Variant& variant, std::ostream* out) {
  *out << variant.name;
}

}  // namespace img::fixtures

namespace img::check {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> dumps() {
  std::vector<fs::path> found;
  for (const auto& entry : fs::recursive_directory_iterator(STASIS_FIXTURES "/dumps")) {
    if (!entry.is_symlink() && entry.is_directory() && criu::is_image_directory(entry.path())) {
      found.push_back(entry.path());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::string test_name(std::string text) {
  for (char& c : text) {
    c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  }
  return text;
}

class Valid : public testing::TestWithParam<fs::path> {};

TEST_P(Valid, HasNoError) {
  const Judgement judgement = judge(GetParam());
  EXPECT_EQ(judgement.summary.errors, 0U) << judgement.text();
  EXPECT_GT(judgement.summary.records, 0U);
}

INSTANTIATE_TEST_SUITE_P(Dumps, Valid, testing::ValuesIn(dumps()), [](const auto& test) {
  return test_name(fs::relative(test.param, STASIS_FIXTURES "/dumps").string());
});

class Broken : public testing::TestWithParam<fixtures::Variant> {};

/// "1/pages-4.img" is the file of that name in the image directory of that name.
bool names(const Finding& finding, const std::string& file) {
  const fs::path full = fs::path(finding.where.image) / finding.where.file;
  return full.string().ends_with("/" + file);
}

/// Which rules may speak, by the code of the label. Codes that are not here: any.
const std::map<std::string, std::vector<std::string_view>>& fitting_rules() {
  static const std::map<std::string, std::vector<std::string_view>> all = {
      {"archive-bad-json", {"ARC-7"}},
      {"archive-missing-member", {"ARC-6"}},
      {"archive-traversal", {"ARC-1"}},
      {"archive-truncated", {"ARC-4"}},
      {"bad-length", {"SET-2"}},
      {"bad-magic", {"SET-1"}},
      {"bad-path", {"REG-1"}},
      {"bad-protobuf", {"SET-2"}},
      {"bad-version", {"INV-1"}},
      {"cgroup-bad-set-id", {"CGR-1"}},
      {"cgroup-different-controllers", {"CGR-2"}},
      {"cgroup-missing-set", {"CGR-1"}},
      {"cgroup-path-traversal", {"CGR-3"}},
      {"core-missing-part", {"CORE-5", "THR-1"}},
      {"epoll-missing-target", {"EPL-1"}},
      {"file-entry-mismatch", {"FIL-1"}},
      {"file-type-mismatch", {"FDI-2"}},
      {"ghost-truncated", {"GHO-1"}},
      {"image-is-symlink", {"SET-1"}},
      {"image-not-regular", {"SET-1"}},
      {"in-parent-without-parent", {"PGM-6", "PGM-5"}},
      {"missing-file-id", {"FDI-2"}},
      {"missing-ghost", {"REM-2"}},
      {"missing-image", {"SET-1", "CORE-1", "CORE-5", "CGR-1", "INE-3", "PGM-1"}},
      {"missing-required-field", {"SET-2"}},
      {"nesting-too-deep", {"SET-2"}},
      {"orphan-image", {"SET-6"}},
      {"pagemap-bad-flags", {"PGM-8"}},
      {"pagemap-empty-entry", {"PGM-2"}},
      {"pagemap-not-aligned", {"PGM-2"}},
      {"pagemap-overlap", {"PGM-2"}},
      {"pagemap-overruns-pages", {"PGM-4"}},
      {"pages-not-aligned", {"PGM-4"}},
      {"parent-escape", {"PGM-6"}},
      {"parent-loop", {"PGM-6"}},
      {"parent-not-directory", {"PGM-6"}},
      {"parent-page-missing", {"PGM-5"}},
      {"path-traversal", {"REG-1"}},
      {"pipe-data-too-big", {"PIP-2"}},
      {"pstree-bad-group", {"PST-7"}},
      {"pstree-bad-pid", {"PST-3"}},
      {"pstree-bad-session", {"PST-6", "PST-7"}},
      {"pstree-bad-threads", {"PST-4"}},
      {"pstree-cycle", {"PST-2"}},
      {"pstree-duplicate-pid", {"PST-3"}},
      {"pstree-no-root", {"PST-1"}},
      {"remap-missing-file", {"REM-1"}},
      {"socket-missing-peer", {"UNX-2"}},
      {"trailing-garbage", {"SET-2", "SET-4"}},
      {"truncated", {"SET-2", "SET-3"}},
      {"vma-bad-range", {"MM-3"}},
      {"vma-bad-status", {"MM-5"}},
      {"vma-missing-shmem", {"MM-6", "SHM-1"}},
      {"vma-not-aligned", {"MM-3"}},
      {"vma-unsorted", {"MM-3"}},
      {"zombie-bad-exit-code", {"EXIT-1", "EXIT-2"}},
      {"zombie-has-children", {"PST-5"}},
      {"zombie-has-resources", {"PST-5"}},
  };
  return all;
}

bool fits(const Finding& finding, const fixtures::Variant& variant) {
  const auto rules = fitting_rules().find(variant.code);
  if (rules != fitting_rules().end() && std::find(rules->second.begin(), rules->second.end(),
                                                  finding.rule_id()) == rules->second.end()) {
    return false;
  }
  for (const std::string& file : variant.files) {
    if (names(finding, file)) {
      return true;
    }
  }
  return false;
}

TEST_P(Broken, IsJudgedAsItsLabelSays) {
  const fixtures::Variant& variant = GetParam();
  const test::Scratch place;
  const Judgement judgement = judge(fixtures::build(variant, place / "variant"));
  if (variant.severity != "error") {
    EXPECT_EQ(judgement.summary.errors, 0U) << judgement.text();
  }
  if (variant.severity == "accept") {
    return;
  }
  const Severity wanted = variant.severity == "error" ? Severity::error : Severity::warning;
  bool is_told = false;
  for (const Finding& finding : judgement.findings) {
    is_told = is_told || (finding.severity == wanted && fits(finding, variant));
  }
  EXPECT_TRUE(is_told) << variant.code << " in " << testing::PrintToString(variant.files)
                       << ", found:\n"
                       << judgement.text();
}

INSTANTIATE_TEST_SUITE_P(Variants, Broken, testing::ValuesIn(fixtures::variants()),
                         [](const auto& test) { return test_name(test.param.name); });

TEST(Variants, AreAllThere) {
  EXPECT_GE(fixtures::variants().size(), 81U);
  EXPECT_EQ(std::ranges::count(fixtures::variants(), true, &fixtures::Variant::is_archive), 5);
}

}  // namespace
}  // namespace img::check
