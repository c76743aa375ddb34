// SPDX-License-Identifier: MIT
// The calls that bring open files back, planned for real dumps; no process is made.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <filesystem>
#include <set>
#include <sstream>

#include "libimg/criu/directory_reader.h"
#include "live/plan/files/image_files.h"
#include "live/plan/print.h"

namespace img::plan {
namespace {

using testing::HasSubstr;
using testing::Not;

Plan plan_of(const std::string& dump, FileOptions options = {}) {
  Result<std::unique_ptr<criu::DirectoryReader>> reader =
      criu::DirectoryReader::open(std::string(STASIS_FIXTURES) + "/dumps/" + dump);
  EXPECT_TRUE(reader) << dump;
  Result<std::unique_ptr<ImageFiles>> files = ImageFiles::read(**reader, std::move(options));
  EXPECT_TRUE(files) << dump;
  PlanBuilder builder(static_cast<std::uint32_t>((*files)->highest_descriptor() + 1));
  EXPECT_TRUE((*files)->open_all(builder));
  const Result<std::vector<model::FileKey>> keys = (*reader)->files();
  EXPECT_TRUE(keys) << dump;
  for (const model::FileKey& key : *keys) {
    if (key.kind == model::Kind::fdinfo) {
      const Actor task{77};
      EXPECT_TRUE((*files)->install(builder, task, static_cast<std::uint32_t>(key.id)));
      EXPECT_TRUE((*files)->complete(builder, task, static_cast<std::uint32_t>(key.id)));
    }
  }
  EXPECT_TRUE((*files)->finish(builder));
  return builder.take();
}

std::string planned(const std::string& dump) {
  const Plan plan = plan_of(dump);
  std::ostringstream out;
  for (const Error& refusal : plan.refusals) {
    out << "refused: " << refusal.thing << ": " << refusal.what << '\n';
  }
  print(out, plan);
  return out.str();
}

/// What the restorer opens and leaves open.
std::set<std::uint32_t> left_open(const Plan& plan) {
  std::set<std::uint32_t> open;
  for (const Step& step : plan.steps) {
    if (const auto* terminal = std::get_if<OpenTerminal>(&step)) {
      open.insert(static_cast<std::uint32_t>(terminal->slot));
    }
    const auto* calls = std::get_if<Calls>(&step);
    for (std::size_t i = 0; calls != nullptr && i < calls->calls.size(); ++i) {
      const Call& call = calls->calls[i];
      if (calls->actor.is_restorer() && call.number == SYS_fcntl &&
          call.args[1].number == F_DUPFD_CLOEXEC) {
        open.insert(static_cast<std::uint32_t>(call.slot));
      } else if (calls->actor.is_restorer() && call.number == SYS_close) {
        open.erase(call.args[0].index);
      }
    }
  }
  return open;
}

std::vector<std::string> all_dumps() {
  std::vector<std::string> names;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(STASIS_FIXTURES) + "/dumps")) {
    if (std::filesystem::exists(entry.path() / "inventory.img")) {
      names.push_back(entry.path().filename());
    }
  }
  return names;
}

TEST(ImageFiles, EveryDumpIsPlannedOrRefusedInWords) {
  for (const std::string& dump : all_dumps()) {
    EXPECT_FALSE(planned(dump).empty()) << dump;
  }
}

// Who waits for the tree must not hold its pipes and terminals open.
TEST(ImageFiles, TheRestorerLetsGoOfEverything) {
  for (const std::string& dump : all_dumps()) {
    EXPECT_TRUE(left_open(plan_of(dump)).empty()) << dump;
  }
}

TEST(ImageFiles, ATableIsExactlyWhatWasRecorded) {
  const std::string plan = planned("redis-idle");
  EXPECT_THAT(plan, HasSubstr("close_range"));
  EXPECT_THAT(plan, HasSubstr("epoll_create1"));
  EXPECT_THAT(plan, HasSubstr("listen"));
  EXPECT_THAT(plan, Not(HasSubstr("refused")));
}

}  // namespace
}  // namespace img::plan
