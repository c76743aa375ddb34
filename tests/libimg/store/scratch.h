// SPDX-License-Identifier: MIT
// What most tests of stores begin with: a folder in memory, and images by hand.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "libimg/store/image_view.h"
#include "libimg/store/pending_image.h"
#include "libimg/store/store.h"
#include "tests/support/scratch.h"

namespace img::store::testing {

class Scratch : public test::Scratch {
 public:
  Scratch() : test::Scratch(test::memory_folder()) {}
};

/// The value, or a failed test that prints the error's line.
template <class T>
T must(Result<T> result) {
  if (!result) {
    ADD_FAILURE() << result.error().line();
    std::abort();
  }
  return std::move(*result);
}
inline void must(const Result<void>& result) {
  ASSERT_TRUE(result) << result.error().line();
}

inline HeaderDraft draft(const std::string& name, const std::string& series = "test") {
  HeaderDraft made;
  made.name = name;
  made.series = series;
  return made;
}

}  // namespace img::store::testing
