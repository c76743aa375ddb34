// SPDX-License-Identifier: MIT
// What a process has set that CRIU has no place for comes back, and what does not is said.
#include <gtest/gtest.h>

#include "tests/live/cycle/cycle.h"

namespace img::live_test {
namespace {

constexpr const char* kNotHere = "not on this machine";

TEST(CycleSettings, ComeBack) {
  EXPECT_EQ(in_own_namespace([]() -> std::string {
              Cycle cycle("settings");
              if (const auto missing = cycle.victim().page().lanes[0].load(); missing != 0) {
                return "settings that this machine does not have: " + std::to_string(missing);
              }
              std::string why = cycle.turn();
              return why.empty() ? cycle.turn() : why;
            }),
            "");
}

class CycleSettingsOf : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Ways, CycleSettingsOf,
                         testing::Values("selector", "range", "inside", "thread"),
                         [](const auto& way) { return std::string(way.param); });

// Stopped anywhere: in its own code with calls let through, in foreign code, in its handler.
TEST_P(CycleSettingsOf, DispatchedCalls) {
  const std::string why = in_own_namespace([]() -> std::string {
    Cycle cycle("user_dispatch", {GetParam()});
    if (cycle.victim().page().lanes[0].load() == 0) {
      return kNotHere;
    }
    std::string said;
    for (int i = 0; i < 5 && said.empty(); ++i) {
      said = cycle.turn();
    }
    return said;
  });
  if (why == kNotHere) {
    GTEST_SKIP() << "this kernel cannot dispatch calls in this way";
  }
  EXPECT_EQ(why, "");
}

// With a snapshot the memory of a clone would be that of a moment in which calls are let through.
TEST(CycleSettings, UserDispatch) {
  EXPECT_EQ(in_own_namespace([]() -> std::string {
              Cycle cycle("user_dispatch");
              std::string why = cycle.dump("--leave-running");
              why = why.empty() ? cycle.goes_on() : why;
              return why.empty() ? cycle.turn() : why;
            }),
            "");
}

TEST(CycleSettings, Tiles) {
  const std::string why = in_own_namespace([]() -> std::string {
    Cycle cycle("tiles");
    auto& lanes = cycle.victim().page().lanes;
    if (lanes[0].load() == 0) {
      return kNotHere;
    }
    for (int i = 0; i < 2; ++i) {
      if (std::string said = cycle.turn(); !said.empty()) {
        return said;
      }
    }
    lanes[1].store(1);
    if (!eventually([&] { return lanes[2].load() == 1; })) {
      return "a thread that began late may not use tiles: " + cycle.victim().complaint();
    }
    return cycle.goes_on();
  });
  if (why == kNotHere) {
    GTEST_SKIP() << "this machine has no AMX";
  }
  EXPECT_EQ(why, "");
}

TEST(CycleSettings, LossesAreNoted) {
  EXPECT_EQ(told_by_dump("losses", {"keyrings of its own", "limit of processor time"}), "");
}

}  // namespace
}  // namespace img::live_test
