// SPDX-License-Identifier: MIT
#include "tools/frame/run_tool.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/tools/frame/test_streams.h"
#include "tools/frame/arguments.h"
#include "tools/frame/progress.h"

namespace img::frame {
namespace {

constexpr ToolInfo kInfo = {"img-test", "test", "usage of img-test\n"};

class TestProgram : public Program {
 public:
  [[nodiscard]] const ToolInfo& info() const override { return kInfo; }
  void declare(CLI::App& app) override {
    app.add_option("SRC", source)->required();
    app.add_option("--with", with);
    app.add_option("-i", name);
    add_repeated(app, "--ignore", ignored);
  }
  Result<int> run(Call& call) override {
    common = call.common;
    return body(call);
  }

  std::string source;
  std::string with;
  std::string name;
  std::vector<std::string> ignored;
  Common common;
  std::function<Result<int>(Call&)> body = [](Call& call) -> Result<int> {
    call.report.text() << "text\n";
    return 0;
  };
};

ToolRun run(std::vector<std::string> arguments, TestProgram&& program = {}) {
  return TestStreams().run(program, std::move(arguments));
}

nlohmann::json json_of(const ToolRun& run) {
  return nlohmann::json::parse(run.out);
}

TEST(RunTool, PassesTextAndExitCodeOn) {
  TestProgram program;
  program.body = [](Call& call) -> Result<int> {
    call.report.text() << "found\n";
    return 1;
  };
  const ToolRun done = run({"x"}, std::move(program));
  EXPECT_EQ(done.exit, 1);
  EXPECT_EQ(done.out, "found\n");
  EXPECT_EQ(done.err, "");
}

TEST(RunTool, UsageErrorsAreTwo) {
  for (const std::vector<std::string>& wrong :
       std::vector<std::vector<std::string>>{{},
                                             {"a", "b"},
                                             {"--nonsense", "a"},
                                             {"-x", "a"},
                                             {"a", "-i"},
                                             {"a", "--with"},
                                             {"a", "-i", "b", "-i", "c"}}) {
    const ToolRun done = run(wrong);
    EXPECT_EQ(done.exit, 2);
    EXPECT_EQ(done.out, "");
    EXPECT_TRUE(done.err.starts_with("img-test: arguments: ")) << done.err;
    EXPECT_EQ(std::count(done.err.begin(), done.err.end(), '\n'), 1) << done.err;
  }
}

TEST(RunTool, CriuOptionsAreRefusedByName) {
  EXPECT_EQ(run({"--images-dir=x", "a"}).err,
            "img-test: arguments: --images-dir: an option of criu that img-test does not have "
            "(see img-test --help)\n");
  EXPECT_EQ(run({"--nonsense", "a"}).err,
            "img-test: arguments: --nonsense: no such option (see img-test --help)\n");
}

TEST(RunTool, ValuesMayLookLikeOptions) {
  TestProgram program;
  TestStreams streams;
  EXPECT_EQ(streams.run(program, {"--with", "--tcp-established --shell-job", "a"}).exit, 0);
  EXPECT_EQ(program.with, "--tcp-established --shell-job");
  TestProgram dashes;
  EXPECT_EQ(TestStreams().run(dashes, {"--", "--odd-name"}).exit, 0);
  EXPECT_EQ(dashes.source, "--odd-name");
  TestProgram dash;
  EXPECT_EQ(TestStreams().run(dash, {"-"}).exit, 0);
  EXPECT_EQ(dash.source, "-");
}

TEST(RunTool, RepeatedOptionsTakeOneValueEach) {
  TestProgram program;
  EXPECT_EQ(TestStreams().run(program, {"--ignore", "A", "src", "--ignore", "B"}).exit, 0);
  EXPECT_EQ(program.source, "src");
  EXPECT_EQ(program.ignored, (std::vector<std::string>{"A", "B"}));
}

TEST(RunTool, CountsVerbosityAsCriuDoes) {
  for (const auto& [argument, expected] : std::vector<std::pair<std::string, int>>{
           {"-v", 1}, {"-vv", 2}, {"-v4", 4}, {"-v0", 0}, {"--verbose", 1}}) {
    TestProgram program;
    EXPECT_EQ(TestStreams().run(program, {argument, "a"}).exit, 0);
    EXPECT_EQ(program.common.verbosity, expected) << argument;
  }
}

TEST(RunTool, HelpAndVersionNeedNothingElse) {
  EXPECT_EQ(run({"--help"}).out, "usage of img-test\n");
  EXPECT_EQ(run({"--nonsense", "-h"}).exit, 0);
  EXPECT_EQ(run({"--version"}).out, "img-test (Stasis) " + std::string(version()) + "\n");
  const ToolRun help = run({"--help", "--json"});
  EXPECT_EQ(json_of(help)["exit"], 0);
  EXPECT_EQ(help.err, "usage of img-test\n");
}

TEST(RunTool, JsonIsOneObjectInEveryOutcome) {
  const ToolRun good = run({"--json", "a"});
  EXPECT_EQ(json_of(good)["schema"], "stasis/test/1");
  EXPECT_EQ(json_of(good)["tool"], "img-test");
  EXPECT_EQ(json_of(good)["exit"], 0);
  EXPECT_FALSE(json_of(good).contains("error"));

  const ToolRun usage = run({"--json", "--nonsense"});
  EXPECT_EQ(usage.exit, 2);
  EXPECT_EQ(json_of(usage)["exit"], 2);
  EXPECT_EQ(json_of(usage)["error"]["what"], "--nonsense");

  TestProgram broken;
  broken.body = [](Call& call) -> Result<int> {
    call.report.json().begin_array("list");
    call.report.json().begin_object();
    return fail(Fault::corrupt, "core-1.img", "entry 1", "cut off", "dump again");
  };
  const ToolRun middle = run({"--json", "a"}, std::move(broken));
  EXPECT_EQ(middle.exit, 2);
  EXPECT_EQ(json_of(middle)["error"], (nlohmann::json{{"thing", "core-1.img"},
                                                      {"what", "entry 1"},
                                                      {"why", "cut off"},
                                                      {"hint", "dump again"}}));
  EXPECT_EQ(middle.err, "img-test: core-1.img: entry 1: cut off (dump again)\n");
}

TEST(RunTool, ErrorsAreEscaped) {
  TestProgram broken;
  broken.body = [](Call&) -> Result<int> { return fail(Fault::corrupt, "a\x1b[2J\xff", "b"); };
  EXPECT_EQ(run({"a"}, std::move(broken)).err, "img-test: a\\x1b[2J\\xff: b\n");
}

TEST(RunTool, WhatIsThrownIsCaught) {
  TestProgram broken;
  broken.body = [](Call&) -> Result<int> { throw std::runtime_error("odd"); };
  const ToolRun done = run({"a"}, std::move(broken));
  EXPECT_EQ(done.exit, 2);
  EXPECT_EQ(done.err, "img-test: internal error: odd\n");
}

TEST(RunTool, ASignalGivesTheExitCodeOfWhatItBrokeOff) {
  const std::atomic<int> signal = SIGTERM;
  TestProgram program;
  TestStreams streams;
  streams.streams.signal = &signal;
  program.body = [](Call&) -> Result<int> { return fail(Fault::gone, "out", "interrupted"); };
  EXPECT_EQ(streams.run(program, {"a"}).exit, 128 + SIGTERM);
  TestProgram finished;
  EXPECT_EQ(streams.run(finished, {"a"}).exit, 0);
}

int run_into(const char* path, std::string* err) {
  const UniqueFd fd(::open(path, O_WRONLY | O_CLOEXEC));
  FdBuffer buffer(fd.get());
  std::ostream out(&buffer);
  TestStreams streams;
  streams.streams.out = &out;
  TestProgram program;
  const int code = streams.run(program, {"a"}).exit;
  *err = streams.err.str();
  return code;
}

TEST(RunTool, OutputThatCannotBeWrittenIsAnError) {
  std::string err;
  EXPECT_EQ(run_into("/dev/full", &err), 2);
  EXPECT_EQ(err, "img-test: standard output: write: No space left on device\n");
  EXPECT_EQ(run_into("/dev/null", &err), 0);
}

TEST(RunTool, AClosedPipeIsSilent) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ::close(ends[0]);
  const UniqueFd fd(ends[1]);
  const auto old = ::signal(SIGPIPE, SIG_IGN);
  FdBuffer buffer(fd.get());
  std::ostream out(&buffer);
  TestStreams streams;
  streams.streams.out = &out;
  TestProgram program;
  EXPECT_EQ(streams.run(program, {"a"}).exit, 128 + SIGPIPE);
  EXPECT_EQ(streams.err.str(), "");
  ::signal(SIGPIPE, old);
}

std::string shown_by(unsigned patience_ms, bool terminal, std::vector<std::string> arguments) {
  TestStreams streams;
  TestProgram program;
  program.body = [&](Call& call) -> Result<int> {
    const Progress progress(call, "import", [] { return 1 << 20; });
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return 0;
  };
  streams.streams.err_is_terminal = terminal;
  streams.streams.patience_ms = patience_ms;
  return streams.run(program, std::move(arguments)).err;
}

TEST(Progress, ShowsOnlyOnATerminalAndAfterAWhile) {
  EXPECT_TRUE(shown_by(1, true, {"a"}).starts_with("\r\x1b[Kimport: 1.0 MiB\r\x1b[K"));
  EXPECT_EQ(shown_by(10'000, true, {"a"}), "");
  EXPECT_EQ(shown_by(1, false, {"a"}), "");
  EXPECT_EQ(shown_by(1, true, {"-q", "a"}), "");
}

}  // namespace
}  // namespace img::frame
