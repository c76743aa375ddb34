// SPDX-License-Identifier: MIT
// What live-dump says where it dumps nothing: refusals, usage, what this host can do.
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "live/dump/session.h"
#include "tests/tools/json_doc.h"
#include "tests/tools/scratch.h"
#include "tools/tools.h"

namespace img::tools {
namespace {

using frame::ToolRun;
using nlohmann::json;
using testing::HasSubstr;

class LiveDump : public Scratch {
 protected:
  static ToolRun dump_of(std::vector<std::string> arguments) {
    return run(live_dump(), std::move(arguments));
  }
  // One line, and no store.
  static void expect_line(const ToolRun& done, int exit, const std::string& text) {
    EXPECT_EQ(done.exit, exit) << done.err;
    EXPECT_THAT(done.err, HasSubstr(text));
    EXPECT_EQ(std::count(done.err.begin(), done.err.end(), '\n'), 1) << done.err;
    EXPECT_FALSE(std::filesystem::exists("web.store"));
  }
};

class LiveDumpCapable : public LiveDump {
 protected:
  void SetUp() override {
    LiveDump::SetUp();
    if (const auto capable = dump::check_capabilities(); !capable) {
      GTEST_SKIP() << capable.error().line();
    }
  }
};

// A process that leads its session and has none of our files.
class Sleeper {
 public:
  explicit Sleeper(bool is_subreaper = false) : pid_(::fork()) {
    if (pid_ == 0) {
      ::prctl(PR_SET_CHILD_SUBREAPER, is_subreaper, 0, 0, 0);
      ::setsid();
      ::close_range(0, ~0U, 0);
      ::execl("/bin/sleep", "sleep", "60", nullptr);
      ::_exit(127);
    }
    while (::getsid(pid_) != pid_) {
      ::usleep(1000);
    }
  }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;
  ~Sleeper() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

TEST_F(LiveDump, NonsenseIsUsage) {
  EXPECT_EQ(dump_of({}).exit, 2);
  EXPECT_EQ(dump_of({"web.store"}).exit, 2);
  EXPECT_THAT(dump_of({"-t", "-5", "web.store"}).err, HasSubstr("-t -5: is no process"));
  EXPECT_THAT(dump_of({"-t", "1", "web.store", "-R", "-s"}).err, HasSubstr("does not go with"));
  EXPECT_EQ(dump_of({"-t", "1", "web.store", "--as", "a/b"}).exit, 2);
  EXPECT_THAT(dump_of({"-t", "1", "web.store", "--timeout", "soon"}).err, HasSubstr("soon"));
}

TEST_F(LiveDumpCapable, WhatCannotBeDumpedIsSaidInOneLine) {
  const std::string self = std::to_string(::getpid());
  expect_line(dump_of({"-t", self, "web.store"}), 1, "it is this program itself");
  expect_line(dump_of({"-t", std::to_string(::getppid()), "web.store"}), 1, "this program itself");
  expect_line(dump_of({"-t", "4194303", "web.store"}), 2, "process 4194303: no such process");
  expect_line(dump_of({"-t", std::to_string(::gettid()), "missing/web.store"}), 1, "itself");
}

TEST_F(LiveDumpCapable, JsonIsDocumented) {
  Sleeper sleeper;
  const std::string victim = std::to_string(sleeper.pid());
  const ToolRun refused = dump_of({"-t", std::to_string(::getpid()), "web.store", "--json"});
  const ToolRun dry = dump_of({"-t", victim, "web.store", "--dry-run", "--json"});
  EXPECT_FALSE(std::filesystem::exists("web.store"));
  const ToolRun done = dump_of({"-t", victim, "web.store", "--leave-running", "--json"});
  EXPECT_EQ(refused.exit, 1);
  EXPECT_EQ(dry.exit, 0) << dry.err;
  EXPECT_EQ(done.exit, 0) << done.err;
  expect_documented("live-dump", {refused, dry, done, dump_of({"--status", "--json"})});
  const json told = json::parse(refused.out, nullptr, false);
  EXPECT_EQ(told["schema"], "stasis/dump/1");
  EXPECT_EQ(told["refusals"].size(), 1U);
}

// It would find the clones that hold the snapshot among its children.
TEST_F(LiveDumpCapable, ASubreaperStandsStillForTheCopy) {
  for (const bool is_subreaper : {false, true}) {
    Sleeper sleeper(is_subreaper);
    const ToolRun done = dump_of({"-t", std::to_string(sleeper.pid()), "web.store",
                                  "--leave-running", "--as", is_subreaper ? "b" : "a", "--json"});
    ASSERT_EQ(done.exit, 0) << done.err;
    EXPECT_EQ(json::parse(done.out, nullptr, false)["snapshot"], !is_subreaper);
  }
}

TEST_F(LiveDumpCapable, StatusSaysWhatThisHostCan) {
  const ToolRun done = dump_of({"--status"});
  EXPECT_EQ(done.exit, 0);
  EXPECT_THAT(done.out, HasSubstr("kernel "));
}

}  // namespace
}  // namespace img::tools
