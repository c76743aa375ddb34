// SPDX-License-Identifier: MIT
// What live-restore says where it starts nothing: plans, refusals, usage.
#include <gmock/gmock.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "tests/tools/json_doc.h"
#include "tests/tools/scratch.h"
#include "tools/tools.h"

namespace img::tools {
namespace {

using frame::ToolRun;
using nlohmann::json;
using testing::HasSubstr;

class LiveRestore : public Scratch {
 protected:
  static ToolRun restore(std::vector<std::string> arguments) {
    return run(live_restore(), std::move(arguments));
  }
};

// The processes of this dump belong to a session that is nowhere here: always refused.
TEST_F(LiveRestore, EveryReasonIsToldWithItsOption) {
  const ToolRun done = restore({"-D", dump("shell-job"), "--plan"});
  EXPECT_EQ(done.exit, 1);
  EXPECT_THAT(done.err, HasSubstr("(--shell-job"));
}

TEST_F(LiveRestore, InTheForegroundARefusalIs126) {
  EXPECT_EQ(restore({"-D", dump("shell-job")}).exit, 126);
  EXPECT_EQ(restore({"-D", dump("shell-job"), "--detach"}).exit, 1);
  EXPECT_EQ(restore({"-D", "missing"}).exit, 125);
  EXPECT_EQ(restore({"-D", "missing", "-d"}).exit, 2);
}

TEST_F(LiveRestore, JsonIsDocumented) {
  const ToolRun done = restore({"-D", dump("shell-job"), "--plan", "--json"});
  EXPECT_EQ(done.exit, 1);
  expect_documented("live-restore", {done});
  const json told = json::parse(done.out, nullptr, false);
  EXPECT_EQ(told["schema"], "stasis/restore/1");
  EXPECT_FALSE(told["refusals"].empty());
}

TEST_F(LiveRestore, NonsenseIsUsage) {
  EXPECT_EQ(restore({}).exit, 2);
  EXPECT_EQ(restore({"a.store", "-D", "dump"}).exit, 2);
  EXPECT_EQ(restore({"-D", dump("single"), "--inherit-fd", "x"}).exit, 2);
  EXPECT_EQ(restore({"-D", dump("single"), "--memory", "some"}).exit, 2);
  EXPECT_THAT(restore({"-D", dump("single"), "--memory", "lazy"}).err,
              HasSubstr("not in this version"));
  EXPECT_THAT(restore({"-D", dump("single"), "--cgroup", "/proc"}).err, HasSubstr("not a cgroup"));
}

TEST_F(LiveRestore, AStoreIsPlannedAsItsDirectory) {
  ASSERT_EQ(run(img_convert(), {dump("single"), "web.store", "--as", "single"}).exit, 0);
  const ToolRun store = restore({"web.store", "-i", "single", "--plan"});
  const ToolRun directory = restore({"-D", dump("single"), "--plan"});
  EXPECT_EQ(store.out, directory.out);
  EXPECT_THAT(store.out, HasSubstr(" mmap("));
}

}  // namespace
}  // namespace img::tools
