// SPDX-License-Identifier: MIT
// The table of process state and the code stay together.
#include "live/state/state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <iterator>
#include <regex>
#include <set>
#include <string>
#include <type_traits>

#include "tests/support/scratch.h"

namespace img::state {
namespace {

namespace fs = std::filesystem;

template <class Visit>
void visit_sources(const char* folder, Visit visit) {
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(STASIS_SOURCE) / folder)) {
    const std::string extension = entry.path().extension().string();
    if (extension == ".cpp" || extension == ".h") {
      visit(entry.path(), test::slurp(entry.path()));
    }
  }
}

std::set<std::string> all_matches(const std::string& text, const char* pattern,
                                  const char* format) {
  std::set<std::string> out;
  const std::regex wanted(pattern);
  for (auto at = std::sregex_iterator(text.begin(), text.end(), wanted);
       at != std::sregex_iterator(); ++at) {
    out.insert(at->format(format));
  }
  return out;
}

// What ends live-dump before it has looked at any process.
const std::set<std::string> kNoRefusals = {"preflight.cpp", "destination.cpp"};

TEST(StateTable, EveryRowNamesATestThatExists) {
  std::set<std::string> tests;
  visit_sources("tests/live", [&](const fs::path&, const std::string& text) {
    tests.merge(all_matches(text, R"(TEST(?:_F|_P)?\((\w+), (\w+)\))", "$1.$2"));
  });
  ASSERT_GT(tests.size(), 50U) << "the tests are not where they were";
  for (const Row& row : table()) {
    EXPECT_TRUE(row.test.starts_with("zdtm:") || tests.count(std::string(row.test)) != 0)
        << row.id << " names " << row.test;
  }
}

TEST(StateTable, EveryRefusalAndLossIsUsed) {
  std::set<std::string> used;
  visit_sources("live", [&](const fs::path& path, const std::string& text) {
    if (path.filename() != "state.h" && path.filename() != "state.cpp") {
      used.merge(all_matches(text, R"(Piece::(\w+))", "$1"));
    }
  });
  for (const Row& row : table()) {
    EXPECT_TRUE(row.fate == Fate::kept || used.count(std::string(row.id)) != 0)
        << row.id << " is in the table, and nothing refuses or loses it";
  }
}

// Whatever collects refusals takes this type, and it is made of rows only.
static_assert(!std::is_constructible_v<Refusal, Error>);
static_assert(!std::is_constructible_v<Refusal, Piece, Error>);
static_assert(!std::is_convertible_v<Error, Refusal>);

TEST(StateTable, NothingIsRefusedWithoutARow) {
  std::size_t files = 0;
  for (const char* folder : {"live/dump", "live/plan", "live/restore", "live/trace"}) {
    visit_sources(folder, [&](const fs::path& path, const std::string& text) {
      ++files;
      // What cannot be done at all is refused; other faults are of this machine, or of an image.
      const auto made = all_matches(
          text, R"((?:fail|make_error)\(\s*Fault::(?:unsupported|denied),\s*([^;]*))", "$1");
      for (const std::string& one : made) {
        EXPECT_TRUE(kNoRefusals.count(path.filename().string()) != 0)
            << path << " refuses without a row: " << one;
      }
      EXPECT_EQ(text.find("std::vector<Error>"), std::string::npos)
          << path << " collects errors that are no refusals";
    });
  }
  EXPECT_GT(files, 100U) << "the sources are not where they were";
}

TEST(StateTable, ARefusalThatCameAsAnErrorIsKnownAgain) {
  const Error error = refusal(Piece::io_uring, "process 12 (web)");
  const auto again = as_refusal(error);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->piece(), Piece::io_uring);
  EXPECT_FALSE(as_refusal(make_error(Fault::unsupported, "x", "y", "z")).has_value());
}

TEST(StateTable, RefusalsSayTheSentenceOfTheirRow) {
  const Error error = refusal(Piece::namespaces, "process 12 (web)", "network", "join it");
  EXPECT_EQ(error.fault, Fault::unsupported);
  EXPECT_THAT(error.line(), testing::HasSubstr(std::string(row(Piece::namespaces).text)));
  EXPECT_THAT(error.line(), testing::StartsWith("process 12 (web): network"));
}

TEST(StateTable, SentencesAreShortAndDiffer) {
  std::set<std::string_view> texts;
  for (const Row& row : table()) {
    EXPECT_FALSE(row.text.empty());
    EXPECT_LE(row.text.size(), 100U) << row.id;
    EXPECT_TRUE(texts.insert(row.text).second) << row.id;
  }
}

}  // namespace
}  // namespace img::state
