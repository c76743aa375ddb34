// SPDX-License-Identifier: MIT
// What only a tool of its own process shows: signals, closed pipes, files that shrink.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "tests/tools/scratch.h"

namespace img::tools {
namespace {

class Process : public Scratch {
 protected:
  /// Starts a shell command, with our tools first in its PATH, as a process group of its own.
  static pid_t start(const std::string& command) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::setpgid(0, 0);
      const std::string line = "PATH=" STASIS_BIN ":$PATH; " + command;
      ::execl("/bin/sh", "sh", "-c", line.c_str(), nullptr);
      ::_exit(127);
    }
    return child;
  }
  static int wait_for(pid_t child) {
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  static int sh(const std::string& command) { return wait_for(start(command)); }
};

// The tool waits for its input, with nothing to do but to be ended.
TEST_F(Process, ASignalEndsItWith128AndItsNumber) {
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    ASSERT_EQ(::mkfifo("fifo", 0600), 0);
    const pid_t child = start("exec img-convert - out.json < fifo 2> err.txt");
    const int writer = ::open("fifo", O_WRONLY);  // returns when the tool has opened it
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    ASSERT_EQ(::kill(child, number), 0);
    EXPECT_EQ(wait_for(child), 128 + number);
    ::close(writer);
    EXPECT_EQ(text_of("err.txt"), "img-convert: standard input: interrupted\n");
    std::filesystem::remove("err.txt");
    std::filesystem::remove("fifo");
    EXPECT_TRUE(std::filesystem::is_empty("."));
  }
}

// Each level of a chain is a directory that stays open.
TEST_F(Process, AChainMayHaveMoreLevelsThanTheUsualLimitHasFiles) {
  namespace fs = std::filesystem;
  constexpr int kLevels = 200;
  fs::copy(dump("chain-snapshots/1"), "1");
  for (int level = 2; level <= kLevels; ++level) {
    fs::copy(dump("chain-snapshots/2"), std::to_string(level),
             fs::copy_options::recursive | fs::copy_options::copy_symlinks);
    fs::remove(std::to_string(level) + "/parent");
    fs::create_directory_symlink("../" + std::to_string(level - 1),
                                 std::to_string(level) + "/parent");
  }
  EXPECT_EQ(sh("ulimit -Sn 64; exec img-convert 200 flat --to criu --flatten > /dev/null"), 0);
  EXPECT_EQ(sh("ulimit -Sn 64; exec img-diff 200 flat -q"), 0);
}

TEST_F(Process, AClosedPipeIsSilent) {
  EXPECT_EQ(sh("exec 2> err.txt; { img-convert " + dump("zoo") +
               "/files.img -; echo $? > exit.txt; } | head -c 1 > /dev/null"),
            0);
  EXPECT_EQ(text_of("err.txt"), "");
}

TEST_F(Process, AFullDeviceIsAnError) {
  EXPECT_EQ(sh("img-convert " + dump("zoo") + "/files.img - > /dev/full 2> err.txt"), 2);
  EXPECT_EQ(text_of("err.txt"), "img-convert: standard output: write: No space left on device\n");
}

TEST_F(Process, ModesDoNotDependOnTheUmask) {
  EXPECT_EQ(sh("umask 777; img-convert " + dump("zoo") + " out --to criu > /dev/null"), 0);
  EXPECT_EQ(sh("umask 0; img-convert " + dump("zoo") + "/files.img f.json > /dev/null"), 0);
  using std::filesystem::perms;
  EXPECT_EQ(std::filesystem::status("out").permissions(), perms::owner_all);
  EXPECT_EQ(std::filesystem::status("out/core-22826.img").permissions(),
            perms::owner_read | perms::owner_write);
  EXPECT_EQ(std::filesystem::status("f.json").permissions(),
            perms::owner_read | perms::owner_write);
}

}  // namespace
}  // namespace img::tools
