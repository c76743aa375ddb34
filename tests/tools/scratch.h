// SPDX-License-Identifier: MIT
// A folder for one test to write in, and to be in: what tools print then has the same paths
// everywhere.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/tools/frame/test_streams.h"

namespace img::tools {

class Scratch : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  /// A whole tool in this process.
  [[nodiscard]] static frame::ToolRun run(std::unique_ptr<frame::Program> program,
                                          std::vector<std::string> arguments,
                                          const std::string& in = {});
  /// A CRIU dump of the fixtures: "zoo", "chain-edited/3".
  [[nodiscard]] static std::string dump(const std::string& name);
  [[nodiscard]] static std::string text_of(const std::filesystem::path& path);
  /// What `diff -r --no-dereference` says; empty: the same.
  [[nodiscard]] static std::string difference(const std::string& a, const std::string& b);

 private:
  std::filesystem::path folder_;
  std::filesystem::path before_;
};

}  // namespace img::tools
