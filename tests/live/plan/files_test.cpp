// SPDX-License-Identifier: MIT
// The calls that bring open files back, planned for real dumps; no process is made.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <filesystem>
#include <functional>
#include <set>
#include <sstream>

#include "libimg/criu/directory_reader.h"
#include "live/plan/files/image_files.h"
#include "live/plan/print.h"
#include "schema/tty_generated.h"
#include "tests/fixtures/edited_image.h"

namespace img::plan {
namespace {

using fixtures::EditedImage;
using testing::HasSubstr;
using testing::Not;

using Edit = std::function<void(EditedImage&)>;

Plan plan_of(const std::string& dump, FileOptions options = {}, const Edit& edit = {}) {
  Result<std::unique_ptr<criu::DirectoryReader>> opened =
      criu::DirectoryReader::open(std::string(STASIS_FIXTURES) + "/dumps/" + dump);
  EXPECT_TRUE(opened) << dump;
  EditedImage image(**opened);
  if (edit) {
    edit(image);
  }
  model::ImageReader* const reader = &image;
  Result<std::unique_ptr<ImageFiles>> files = ImageFiles::read(*reader, std::move(options));
  EXPECT_TRUE(files) << dump;
  PlanBuilder builder(static_cast<std::uint32_t>((*files)->highest_descriptor() + 1));
  EXPECT_TRUE((*files)->open_all(builder));
  const Result<std::vector<model::FileKey>> keys = reader->files();
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
  for (const state::Refusal& refusal : plan.refusals) {
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

bool refuses(const Plan& plan, state::Piece piece) {
  return std::any_of(plan.refusals.begin(), plan.refusals.end(),
                     [&](const state::Refusal& one) { return one.piece() == piece; });
}

TEST(ImageFiles, WhatIsMissingIsRefused) {
  EXPECT_FALSE(refuses(plan_of("fds"), state::Piece::file_in_image));
  const Plan plan = plan_of("fds", {}, [](EditedImage& image) { image.hide(model::Kind::memfd); });
  EXPECT_TRUE(refuses(plan, state::Piece::file_in_image));
}

TEST(ImageFiles, WhatIsNotHereIsRefused) {
  EXPECT_FALSE(refuses(plan_of("pty"), state::Piece::terminal_type));
  const Plan plan = plan_of("pty", {}, [](EditedImage& image) {
    image.edit(model::Kind::tty_info, [](flatbuffers::Table& entry) {
      entry.SetField<std::int32_t>(schema::TtyInfoEntry::VT_TYPE,
                                   static_cast<std::int32_t>(schema::TtyType::EXT_TTY), 0);
    });
  });
  EXPECT_TRUE(refuses(plan, state::Piece::terminal_type));
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
