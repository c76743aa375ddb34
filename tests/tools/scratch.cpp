// SPDX-License-Identifier: MIT
#include "tests/tools/scratch.h"

#include <array>
#include <cstdio>
#include "tests/support/scratch.h"

namespace img::tools {

namespace fs = std::filesystem;

void Scratch::SetUp() {
  before_ = fs::current_path();
  folder_ = fs::temp_directory_path() / ("tools-" + std::to_string(::getpid()));
  fs::remove_all(folder_);
  fs::create_directories(folder_);
  fs::current_path(folder_);
}

void Scratch::TearDown() {
  fs::current_path(before_);
  fs::remove_all(folder_);
}

frame::ToolRun Scratch::run(std::unique_ptr<frame::Program> program,
                            std::vector<std::string> arguments, const std::string& in) {
  return frame::TestStreams(in).run(*program, std::move(arguments));
}

std::string Scratch::dump(const std::string& name) {
  return STASIS_FIXTURES "/dumps/" + name;
}

std::string Scratch::text_of(const fs::path& path) {
  EXPECT_TRUE(fs::exists(path)) << path;
  return test::slurp(path);
}

std::string Scratch::difference(const std::string& a, const std::string& b) {
  const std::string command = "diff -r --no-dereference '" + a + "' '" + b + "' 2>&1";
  std::FILE* const pipe = ::popen(command.c_str(), "r");
  std::string out;
  std::array<char, 4096> buffer{};
  while (const std::size_t count = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    out.append(buffer.data(), count);
  }
  const int status = ::pclose(pipe);
  return out.empty() && status != 0 ? "diff failed" : out;
}

}  // namespace img::tools
