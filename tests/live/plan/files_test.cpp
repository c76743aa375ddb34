// SPDX-License-Identifier: MIT
// The calls that bring open files back, planned for real dumps; no process is made.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

#include "libimg/criu/directory_reader.h"
#include "live/plan/files/image_files.h"
#include "live/plan/print.h"

namespace img::plan {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string planned(const std::string& dump, FileOptions options = {}) {
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
  std::ostringstream out;
  for (const Error& refusal : builder.plan().refusals) {
    out << "refused: " << refusal.thing << ": " << refusal.what << '\n';
  }
  print(out, builder.plan());
  return out.str();
}

TEST(ImageFiles, EveryDumpIsPlannedOrRefusedInWords) {
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(STASIS_FIXTURES) + "/dumps")) {
    if (std::filesystem::exists(entry.path() / "inventory.img")) {
      EXPECT_FALSE(planned(entry.path().filename()).empty()) << entry.path();
    }
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
