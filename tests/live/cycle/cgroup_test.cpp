// SPDX-License-Identifier: MIT
// Cgroups of a tree: recorded ones, ours, one that is named, and one that is missing.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "tests/live/cycle/cycle.h"
#include "tests/support/scratch.h"

namespace img::live_test {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSkip = "skip: ";

/// A group with groups below it, in a hierarchy of its own (v1) or in the one there is (v2), gone
/// with this.
class Groups {
 public:
  explicit Groups(bool v2) : v2_(v2), name_("stasis-" + std::to_string(::getpid()) + "-test") {
    std::string folder = fs::temp_directory_path() / "stasis-groups-XXXXXX";
    mounted_ = ::mkdtemp(folder.data());
    is_there_ = mount_it() && ::mkdir(path("").c_str(), 0755) == 0;
  }
  ~Groups() {
    for (const char* below : {"/one/two", "/one", "/threads", ""}) {
      for (int i = 0; i < 2000 && ::rmdir(path(below).c_str()) < 0 && errno == EBUSY; ++i) {
        ::usleep(1000);  // until the last of it has gone
      }
    }
    ::umount(mounted_.c_str());
    // A hierarchy goes with its last mount, but not while a group of it is still on its way out.
    for (int i = 1; i < 200 && !v2_ && is_listed(); ++i) {
      ::usleep(10'000);
      if (i % 20 == 0 && mount_it()) {
        ::umount(mounted_.c_str());
      }
    }
    ::rmdir(mounted_.c_str());
  }
  [[nodiscard]] bool is_there() const { return is_there_; }
  [[nodiscard]] std::string path(const std::string& below) const {
    return mounted_ + "/" + name_ + below;
  }
  [[nodiscard]] std::string make(const std::string& below) const {
    return ::mkdir(path(below).c_str(), 0755) == 0 ? "" : "cannot make group " + below;
  }
  [[nodiscard]] std::string move(std::uint64_t id, const std::string& below,
                                 bool is_thread = false) const {
    const char* file = !is_thread ? "/cgroup.procs" : v2_ ? "/cgroup.threads" : "/tasks";
    std::ofstream out(path(below) + file);
    out << id << std::flush;
    return out ? "" : "cannot move " + std::to_string(id) + " to " + below;
  }

 private:
  [[nodiscard]] bool mount_it() const {
    const std::string options = "none,name=" + name_;
    return ::mount("none", mounted_.c_str(), v2_ ? "cgroup2" : "cgroup", 0,
                   v2_ ? nullptr : options.c_str()) == 0;
  }
  [[nodiscard]] bool is_listed() const {
    return test::slurp("/proc/self/cgroup").find("name=" + name_ + ":") != std::string::npos;
  }

  bool v2_;
  std::string name_;
  std::string mounted_;
  bool is_there_ = false;
};

// Of every task here: what the kernel says.
std::map<std::string, std::string> groups_of_all(pid_t root, const victim::Page& page) {
  std::map<std::string, std::string> out;
  const std::string root_tasks = "/proc/" + std::to_string(root) + "/task";
  for (const auto& entry : fs::directory_iterator(root_tasks)) {
    out[entry.path()] = test::slurp(entry.path() / "cgroup");
  }
  for (const int lane : {0, 1, 4, 5}) {
    const std::string path = "/proc/" + std::to_string(page.lanes[lane].load()) + "/cgroup";
    out[path] = test::slurp(path);
  }
  return out;
}

// The root in one group, a child in one below, another child in the one above.
std::string spread(Cycle& cycle, const Groups& groups) {
  const auto& lanes = cycle.victim().page().lanes;
  std::string why = groups.make("/one");
  why += groups.make("/one/two");
  why += groups.move(static_cast<std::uint64_t>(cycle.victim().pid()), "/one");
  why += groups.move(lanes[0], "/one/two");
  return why + groups.move(lanes[5], "");
}

std::string come_back(bool v2, const std::string& options) {
  const Groups groups(v2);
  if (!groups.is_there()) {
    return std::string(kSkip) + "no such hierarchy can be mounted here";
  }
  Cycle cycle("family");
  std::string why = spread(cycle, groups);
  const auto before = groups_of_all(cycle.victim().pid(), cycle.victim().page());
  why += why.empty() ? cycle.dump() : "";
  why += why.empty() ? cycle.restore("--detach " + options) : "";
  why += why.empty() ? cycle.goes_on() : "";
  const auto after = groups_of_all(cycle.victim().pid(), cycle.victim().page());
  return why.empty() && before != after ? "the groups differ" : why;
}

void expect(const std::string& result, const std::string& wanted = "") {
  if (result.starts_with(kSkip)) {
    GTEST_SKIP() << result;
  }
  EXPECT_EQ(result, wanted);
}

class CycleCgroups : public testing::TestWithParam<bool> {};

TEST_P(CycleCgroups, EveryTaskIsInItsOwnAgain) {
  expect(in_own_namespace([] { return come_back(GetParam(), ""); }));
}

TEST_P(CycleCgroups, HereIsWhereWeAre) {
  expect(in_own_namespace([] { return come_back(GetParam(), "--cgroup here"); }),
         "the groups differ");
}

TEST_P(CycleCgroups, AMissingOneIsRefusedBeforeAnythingIsMade) {
  expect(in_own_namespace([]() -> std::string {
    const Groups groups(GetParam());
    if (!groups.is_there()) {
      return std::string(kSkip) + "no such hierarchy can be mounted here";
    }
    Cycle cycle("family");
    std::string why = spread(cycle, groups);
    why += why.empty() ? cycle.dump() : "";
    ::rmdir(groups.path("/one/two").c_str());
    ::rmdir(groups.path("/one").c_str());
    const std::string refused = why.empty() ? cycle.restore() : why;
    for (const char* part : {"live-restore 1:", "/one: No such", "/one/two: No such",
                             "(--cgroup here, or --cgroup PATH)"}) {
      if (refused.find(part) == refused.npos) {
        return "no `" + std::string(part) + "` in: " + refused;
      }
    }
    // Elsewhere it may live.
    why = cycle.restore("--detach --cgroup " + groups.path(""));
    why += why.empty() ? cycle.goes_on() : "";
    const std::string now =
        test::slurp("/proc/" + std::to_string(cycle.victim().pid()) + "/cgroup");
    return now.find("-test\n") == now.npos ? why + "it is not in the group: " + now : why;
  }));
}

std::string with_thread_alone(bool v2) {
  const Groups groups(v2);
  if (!groups.is_there()) {
    return std::string(kSkip) + "no such hierarchy can be mounted here";
  }
  Cycle cycle("threads");
  std::string why = groups.make("/threads");
  if (v2) {
    std::ofstream(groups.path("/threads/cgroup.type")) << "threaded";
    if (test::slurp(groups.path("/threads/cgroup.type")) != "threaded\n") {
      return std::string(kSkip) + "no threaded groups here";
    }
  }
  const pid_t root = cycle.victim().pid();
  why += groups.move(static_cast<std::uint64_t>(root), "");
  std::uint64_t last = 0;
  for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(root) + "/task")) {
    last = std::max<std::uint64_t>(last, std::stoull(entry.path().filename()));
  }
  why += groups.move(last, "/threads", true);
  const std::string file = "/proc/" + std::to_string(root) + "/task/" + std::to_string(last);
  const std::string before = test::slurp(file + "/cgroup");
  why += why.empty() ? cycle.turn() : "";
  const std::string after = test::slurp(file + "/cgroup");
  return why.empty() && before != after ? "before " + before + " after " + after : why;
}

TEST_P(CycleCgroups, AThreadAlone) {
  expect(in_own_namespace([] { return with_thread_alone(GetParam()); }));
}

std::string frozen_by_another() {
  const Groups groups(true);
  if (!groups.is_there()) {
    return std::string(kSkip) + "no such hierarchy can be mounted here";
  }
  const auto freeze = [&](const char* word) {
    std::ofstream(groups.path("/cgroup.freeze")) << word << std::flush;
  };
  Cycle cycle("family");
  std::string why = groups.move(static_cast<std::uint64_t>(cycle.victim().pid()), "");
  freeze("1");
  const std::string no_dump = cycle.dump();
  freeze("0");
  why += cycle.goes_on();
  why += why.empty() ? cycle.dump() : "";
  freeze("1");
  const std::string no_restore = cycle.restore();
  freeze("0");
  if (no_dump.find("its cgroup is frozen by somebody else") == no_dump.npos ||
      no_restore.find("frozen: nothing in it would run") == no_restore.npos) {
    return why + "not refused: " + no_dump + no_restore;
  }
  why += why.empty() ? cycle.restore() : "";
  return why.empty() ? cycle.goes_on() : why;
}

TEST(CycleCgroup, AFrozenGroupIsRefused) {
  expect(in_own_namespace(frozen_by_another));
}

INSTANTIATE_TEST_SUITE_P(Hierarchies, CycleCgroups, testing::Bool(),
                         [](const auto& v2) { return v2.param ? "V2" : "V1"; });

}  // namespace
}  // namespace img::live_test
