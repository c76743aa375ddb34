// SPDX-License-Identifier: MIT
// A directory for one test, on tmpfs, gone when it ends; and what most tests of stores begin with.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "libimg/store/image_view.h"
#include "libimg/store/pending_image.h"
#include "libimg/store/store.h"

namespace img::store::testing {

class Scratch {
 public:
  Scratch() : path_("/dev/shm/stasis-test-XXXXXX") {
    if (::mkdtemp(path_.data()) == nullptr) {
      path_ = "/tmp/stasis-test-XXXXXX";
      if (::mkdtemp(path_.data()) == nullptr) {
        std::abort();
      }
    }
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
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
