// SPDX-License-Identifier: MIT
// Help fits a screen, names every option, and its examples run.
#include <CLI/CLI.hpp>
#include <cstdlib>
#include <sstream>

#include "tests/tools/scratch.h"
#include "tools/tools.h"

namespace img::tools {
namespace {

struct Tool {
  std::unique_ptr<frame::Program> (*make)();
  /// What the examples need besides `dump`; a shell command. Null: they would start processes.
  const char* prepare;
};

bool names(std::string_view help, const CLI::Option& option) {
  const auto has = [&](const std::string& name) { return help.find(name) != help.npos; };
  return (!option.get_positional() || has(option.get_name())) &&
         std::ranges::all_of(
             option.get_lnames(),
             [&](const auto& name) { return has("--" + name) || !option.get_snames().empty(); }) &&
         std::ranges::all_of(option.get_snames(), [&](const auto& name) {
           return has("-" + name + " ") || has("-" + name + ",");
         });
}

class Help : public Scratch, public testing::WithParamInterface<Tool> {};

std::vector<std::string> lines_of(std::string_view text) {
  std::istringstream in{std::string(text)};
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
  }
  return lines;
}

TEST_P(Help, FitsOneScreen) {
  const std::vector<std::string> lines = lines_of(GetParam().make()->info().help);
  EXPECT_LE(lines.size(), 24u);
  for (const std::string& line : lines) {
    EXPECT_LE(line.size(), 80u) << line;
  }
}

TEST_P(Help, NamesEveryOption) {
  const auto program = GetParam().make();
  CLI::App app;
  app.set_help_flag();
  program->declare(app);
  for (const CLI::Option* option : app.get_options()) {
    EXPECT_TRUE(names(program->info().help, *option)) << option->get_name(true, true);
  }
  for (const char* common : {"--json", "-v", "-q", "-h", "--version"}) {
    EXPECT_NE(program->info().help.find(common), std::string_view::npos) << common;
  }
}

TEST_P(Help, EndsWithThreeExamplesThatRun) {
  const auto program = GetParam().make();
  const std::vector<std::string> lines = lines_of(program->info().help);
  ASSERT_GE(lines.size(), 4u);
  const auto examples = lines.end() - 3;
  EXPECT_EQ(*(examples - 1), "Examples:");
  if (GetParam().prepare == nullptr) {
    EXPECT_TRUE(std::all_of(examples, lines.end(), [&](const std::string& line) {
      return line.find(program->info().name) != line.npos;
    }));
    return;
  }
  std::filesystem::copy(dump("zoo"), "dump");
  ASSERT_EQ(std::system(("PATH=" STASIS_BIN ":$PATH; " + std::string(GetParam().prepare)).c_str()),
            0);
  for (auto line = examples; line != lines.end(); ++line) {
    EXPECT_TRUE(line->starts_with("  " + std::string(program->info().name))) << *line;
    const std::string command = "PATH=" STASIS_BIN ":$PATH; " + *line + " > out.txt 2> err.txt";
    EXPECT_EQ(std::system(command.c_str()), 0) << *line << '\n' << text_of("err.txt");
  }
}

INSTANTIATE_TEST_SUITE_P(Tools, Help,
                         testing::Values(Tool{img_check, "img-convert dump web.store --as redis"},
                                         Tool{img_convert, "true"},
                                         Tool{img_diff, "img-convert dump web.store --as redis"},
                                         Tool{img_merge, "img-convert dump/. web.store --as redis"},
                                         Tool{img_gc, "img-convert dump web.store"},
                                         Tool{img_show, "true"}, Tool{live_dump, nullptr},
                                         Tool{live_restore, nullptr}),
                         [](const auto& tool) {
                           std::string name(tool.param.make()->info().name);
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace img::tools
