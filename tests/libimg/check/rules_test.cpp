// SPDX-License-Identifier: MIT
// Every rule that is built finds what is broken in the image that breaks it.
#include <gtest/gtest.h>

#include <fstream>
#include <ostream>
#include <set>
#include <sstream>

#include "tests/libimg/check/broken.h"
#include "tests/support/scratch.h"

namespace img::check {

void PrintTo(const Case& one, std::ostream* out) {
  *out << one.rule << ": " << one.what;
}

namespace {

std::vector<Case> cases() {
  std::vector<Case> all = task_cases();
  const std::vector<Case> more = file_cases();
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

class Rules : public testing::TestWithParam<Case> {};

TEST_P(Rules, IsFound) {
  Copy copy(GetParam().dump);
  GetParam().breaking(copy);
  const Judgement judgement = judge(copy.path());
  EXPECT_TRUE(judgement.has(GetParam().rule, GetParam().severity)) << judgement.text();
  if (GetParam().severity != kError) {
    EXPECT_EQ(judgement.summary.errors, 0U) << judgement.text();
  }
}

INSTANTIATE_TEST_SUITE_P(Broken, Rules, testing::ValuesIn(cases()), [](const auto& test) {
  std::string name = test.param.rule + "_" + test.param.what;
  for (char& c : name) {
    c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  }
  return name;
});

/// Rules that are about a chain, whose broken images are in fixtures/corrupt.
const std::set<std::string_view> kOfChains = {"PGM-5", "PGM-6", "PGM-7",
                                              // and about a store: store_test.cpp
                                              "STO-1", "STO-2", "STO-3",
                                              // and what no dump of CRIU has: settings_test.cpp
                                              "STG-1", "STG-2"};

/// Rules about archives, which archive_rules_test.cpp breaks.
const std::set<std::string_view> kOfArchives = {"ARC-1", "ARC-2", "ARC-3", "ARC-4",
                                                "ARC-5", "ARC-6", "ARC-7", "ARC-8"};

TEST(RuleTable, EveryRuleThatIsBuiltHasABrokenImage) {
  std::set<std::string_view> broken = kOfChains;
  broken.insert(kOfArchives.begin(), kOfArchives.end());
  for (const Rule& rule : rules()) {
    if (rule.scope == Scope::need || rule.scope == Scope::host) {
      broken.insert(rule.id);  // needs_test.cpp, host_test.cpp
    }
  }
  const std::vector<Case> known = cases();
  for (const Case& one : known) {
    EXPECT_NE(find_rule(one.rule), nullptr) << one.rule;
    broken.insert(one.rule);
  }
  for (const Rule& rule : rules()) {
    EXPECT_EQ(broken.contains(rule.id), rule.not_built.empty()) << rule.id;
  }
}

/// PGM-7 cannot be seen in fixtures/corrupt: a parent that is younger than its child.
TEST(Chain, AYoungerParentIsFound) {
  namespace fs = std::filesystem;
  const test::Scratch scratch;
  const fs::path place = scratch.path();
  fs::copy(STASIS_FIXTURES "/dumps/chain-snapshots", place / "c",
           fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  const Judgement before = judge(place / "c/3");
  EXPECT_FALSE(before.has("PGM-7", kWarning)) << before.text();
  Copy child("single");
  child.edit("inventory.img", [](Json& content) { content["entries"][0]["dump_uptime"] = 1; });
  fs::remove(place / "c/3/inventory.img");
  fs::copy_file(child.path() / "inventory.img", place / "c/3/inventory.img");
  const Judgement after = judge(place / "c/3");
  EXPECT_TRUE(after.has("PGM-7", kWarning)) << after.text();
}

TEST(RuleTable, IsTheOneOfTheFormat) {
  std::ifstream in(STASIS_SOURCE "/schema/FORMAT.md");
  std::set<std::string> written;
  bool is_section = false;
  for (std::string line; std::getline(in, line);) {
    is_section = line.starts_with("## ") ? line.find("Rule ids") != std::string::npos : is_section;
    const std::size_t ids = line.find("| ", 2);
    if (!is_section || !line.starts_with("| ") || ids == std::string::npos) {
      continue;
    }
    std::istringstream words(line.substr(ids + 2));
    for (std::string word; words >> word;) {
      word.erase(word.find_last_not_of(",|") + 1);
      if (word.find('-') != std::string::npos && word.front() != '-') {
        EXPECT_TRUE(written.insert(word).second) << word;
      }
    }
  }
  for (const Rule& rule : rules()) {
    EXPECT_EQ(written.erase(std::string(rule.id)), 1U) << rule.id;
  }
  EXPECT_TRUE(written.empty()) << *written.begin();
}

TEST(RuleTable, IsInOrder) {
  std::set<std::string_view> ids;
  for (std::size_t i = 0; i < rules().size(); ++i) {
    EXPECT_EQ(static_cast<std::size_t>(rules()[i].rule), i);
    EXPECT_TRUE(ids.insert(rules()[i].id).second) << rules()[i].id;
    EXPECT_FALSE(rules()[i].text.empty());
    EXPECT_EQ(find_rule(rules()[i].id), &rules()[i]);
    EXPECT_NE(explain(rules()[i]).find(rules()[i].id), std::string::npos);
  }
  EXPECT_EQ(find_rule("pst-1"), find_rule("PST-1"));
  EXPECT_EQ(find_rule("NOPE-1"), nullptr);
}

}  // namespace
}  // namespace img::check
