// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <optional>

#include "live/trace/cgroup_freezer.h"
#include "live/trace/freeze.h"
#include "tests/live/victim_process.h"

namespace img::trace {
namespace {

using live_test::eventually;
using live_test::VictimProcess;
using testing::HasSubstr;

// A group of this test's own with one in it, both gone in the end.
class Group {
 public:
  explicit Group(const std::string& hierarchy)
      : path_(hierarchy + "/stasis-test-" + std::to_string(getpid())) {
    mkdir(path_.c_str(), 0755);
    mkdir(inner().c_str(), 0755);
  }
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;
  ~Group() {
    EXPECT_TRUE(eventually([&] { return gone(inner()) && gone(path_); })) << path_;
  }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string inner() const { return path_ + "/inner"; }
  [[nodiscard]] bool exists() const { return access(inner().c_str(), F_OK) == 0; }
  static void move(pid_t pid, const std::string& group) {
    std::ofstream(group + "/cgroup.procs") << pid;
  }
  [[nodiscard]] bool is_frozen() const {
    std::ifstream v1(path_ + "/freezer.state");
    std::ifstream v2(path_ + "/cgroup.freeze");
    std::string state;
    (v1 ? v1 : v2) >> state;
    return state != "THAWED" && state != "0";
  }
  void set_frozen(bool frozen) const {
    if (access((path_ + "/freezer.state").c_str(), F_OK) == 0) {
      std::ofstream(path_ + "/freezer.state") << (frozen ? "FROZEN" : "THAWED");
    } else {
      std::ofstream(path_ + "/cgroup.freeze") << (frozen ? "1" : "0");
    }
  }

 private:
  static bool gone(const std::string& path) {
    return rmdir(path.c_str()) == 0 || access(path.c_str(), F_OK) != 0;
  }
  std::string path_;
};

// Of the hierarchies that a machine may have mounted.
std::string hierarchy(bool v2) {
  for (const char* path : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/freezer"}) {
    const bool is_v2 = access((std::string(path) + "/cgroup.controllers").c_str(), F_OK) == 0;
    const bool is_v1 = std::string(path).ends_with("freezer") &&
                       access((std::string(path) + "/cgroup.procs").c_str(), W_OK) == 0;
    if (v2 ? is_v2 : is_v1) {
      return path;
    }
  }
  return {};
}

class Cgroup : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (hierarchy(GetParam()).empty()) {
      GTEST_SKIP() << "no such hierarchy is mounted";
    }
    group_.emplace(hierarchy(GetParam()));
    if (!group_->exists()) {
      GTEST_SKIP() << "no group can be made in it";
    }
  }
  std::optional<Group> group_;
};
INSTANTIATE_TEST_SUITE_P(Versions, Cgroup, testing::Bool(),
                         [](const auto& one) { return one.param ? "v2" : "v1"; });

TEST_P(Cgroup, ABombIsCaughtAndThawed) {
  VictimProcess victim("fork_bomb", {group_->path() + "/cgroup.procs"});
  for (int time = 0; time < 3; ++time) {
    {
      FreezeOptions options;
      options.cgroup = group_->path();
      const auto tree = freeze_tree(victim.pid(), options);
      ASSERT_TRUE(tree.has_value()) << tree.error().line();
      EXPECT_FALSE(group_->is_frozen());
      const std::uint64_t before = victim.page().rounds.load();
      usleep(20'000);
      EXPECT_EQ(victim.page().rounds.load(), before);
      EXPECT_GT(tree->processes.size(), 100U);
    }
    ASSERT_TRUE(victim.makes_rounds(1000));
  }
  victim.page().stop.store(1);
  EXPECT_TRUE(eventually([&] { return victim.complaint() != ""; })) << "it does not end";
}

TEST_P(Cgroup, VforkParentsAndInnerGroups) {
  VictimProcess outer("spawner");
  VictimProcess inner("threads");
  Group::move(outer.pid(), group_->path());
  Group::move(inner.pid(), group_->inner());
  for (int time = 0; time < 10; ++time) {
    FreezeOptions options;
    options.cgroup = group_->path();
    for (const pid_t pid : {outer.pid(), inner.pid()}) {
      const auto tree = freeze_tree(pid, options);
      ASSERT_TRUE(tree.has_value()) << tree.error().line();
    }
  }
  EXPECT_TRUE(outer.makes_rounds());
  EXPECT_TRUE(inner.makes_rounds());
  EXPECT_EQ(outer.complaint() + inner.complaint(), "");
}

TEST_P(Cgroup, IsThawedIfItsFreezerIsKilled) {
  VictimProcess victim("avx_loop");
  Group::move(victim.pid(), group_->path());
  for (int time = 0; time < 10; ++time) {
    const pid_t child = fork();
    if (child == 0) {
      const auto frozen =
          CgroupFreezer::freeze(group_->path(), Clock::now() + std::chrono::seconds(5));
      raise(frozen ? SIGKILL : SIGTERM);
    }
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_EQ(WTERMSIG(status), SIGKILL);
    EXPECT_TRUE(eventually([&] { return !group_->is_frozen(); }));
    EXPECT_TRUE(victim.makes_rounds());
  }
}

TEST_P(Cgroup, Refusals) {
  const auto reason = [&](const std::string& path) {
    const auto frozen = CgroupFreezer::freeze(path, Clock::now() + std::chrono::seconds(1));
    return frozen ? std::string("none") : frozen.error().line();
  };
  EXPECT_EQ(reason(group_->path()), "none");  // empty, and thawed again
  group_->set_frozen(true);
  EXPECT_THAT(reason(group_->path()), HasSubstr("frozen already"));
  EXPECT_TRUE(group_->is_frozen());  // as it was
  group_->set_frozen(false);
  EXPECT_THAT(reason("/tmp"), HasSubstr("no cgroup that can be frozen"));
  EXPECT_THAT(reason(group_->path() + "/none"), HasSubstr("no cgroup that can be frozen"));
  const pid_t child = fork();
  if (child == 0) {
    Group::move(getpid(), group_->inner());
    _exit(reason(group_->path()).find("this program itself") != std::string::npos ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace img::trace
