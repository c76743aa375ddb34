// SPDX-License-Identifier: MIT
// Main of the tests that trace: skipped, with the reason, where tracing is not possible.
#include <gtest/gtest.h>

#include <cstdio>

#include "tests/live/victim_process.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (!testing::GTEST_FLAG(list_tests)) {
    if (const std::string reason = img::live_test::why_not_trace(); !reason.empty()) {
      std::printf("skipped: %s\n", reason.c_str());
      return 77;
    }
  }
  return RUN_ALL_TESTS();
}
