// SPDX-License-Identifier: MIT
// What a plan expects of this machine, and what is said where it is otherwise.
#include "live/restore/preflight.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include "libimg/criu/directory_reader.h"
#include "live/restore/image_rules.h"
#include "schema/settings_generated.h"
#include "tests/fixtures/edited_image.h"

namespace img::restore {
namespace {

namespace fs = std::filesystem;
using state::Piece;

class Preflight : public testing::Test {
 protected:
  Preflight() {
    std::string pattern = (fs::temp_directory_path() / "stasis-preflight-XXXXXX").string();
    place_ = ::mkdtemp(pattern.data());
  }
  ~Preflight() override { fs::remove_all(place_); }

  /// The one reason against it, if there is one.
  std::optional<state::Refusal> against(const plan::Expectation& expected,
                                        const PreflightOptions& options = {}) {
    plan::Plan plan;
    plan.hierarchies.push_back(plan::Hierarchy{{""}});
    plan.expectations = {expected};
    plan::Credentials ours;
    ours.effective = 1;
    std::vector<state::Refusal> reasons = preflight(plan, ours, options);
    EXPECT_LE(reasons.size(), 1U);
    return reasons.empty() ? std::nullopt : std::optional(reasons.front());
  }
  static std::optional<Piece> piece(const std::optional<state::Refusal>& reason) {
    return reason ? std::optional(reason->piece()) : std::nullopt;
  }
  std::string file(const char* name, const std::string& content) {
    std::ofstream(place_ / name) << content;
    ::chmod((place_ / name).c_str(), 0600);
    return (place_ / name).string();
  }

  fs::path place_;
};

TEST_F(Preflight, NumbersInUse) {
  EXPECT_EQ(piece(against(plan::FreePid{static_cast<std::uint32_t>(::getpid())})),
            Piece::pid_in_use);
  EXPECT_EQ(piece(against(plan::FreePid{0x3ffffe})), std::nullopt);
}

TEST_F(Preflight, OurOwnCapabilities) {
  EXPECT_EQ(piece(against(plan::Capability{40, 21, "to choose the pids"})), Piece::our_capability);
  EXPECT_EQ(piece(against(plan::Capability{40, 0, "to choose the pids"})), std::nullopt);
}

TEST_F(Preflight, FilesThatAreNotThere) {
  plan::FilePresent expected;
  expected.path = (place_ / "none").string();
  EXPECT_EQ(piece(against(expected)), Piece::file_missing);
}

TEST_F(Preflight, FilesThatHaveChanged) {
  plan::FilePresent expected;
  expected.path = file("a", "12345");
  expected.mode = S_IFREG | 0600;
  expected.has_size = true;
  expected.size = 5;
  EXPECT_EQ(piece(against(expected)), std::nullopt);
  expected.size = 4;
  const auto reason = against(expected);
  EXPECT_EQ(piece(reason), Piece::file_changed);
  EXPECT_NE(reason->hint.find("--truncate"), std::string::npos);
  EXPECT_EQ(piece(against(expected, {{}, {{"REG-4", ""}}})), std::nullopt);
  expected.size = 5;
  expected.mode = S_IFREG | 0644;
  EXPECT_EQ(piece(against(expected)), Piece::file_changed);
}

TEST_F(Preflight, CgroupsThatAreNotThere) {
  EXPECT_EQ(piece(against(plan::CgroupPresent{0, "/stasis-test-none"})), Piece::cgroup_missing);
}

TEST_F(Preflight, RulesOfTheImage) {
  auto dump = criu::DirectoryReader::open(STASIS_FIXTURES "/dumps/single");
  ASSERT_TRUE(dump.has_value());
  EXPECT_TRUE(broken_rules(**dump, {})->empty());
  fixtures::EditedImage image(**dump);
  flatbuffers::FlatBufferBuilder builder;
  const auto threads =
      builder.CreateVector(std::vector<flatbuffers::Offset<schema::ThreadSettings>>());
  builder.Finish(schema::CreateTaskSettings(builder, flatbuffers::nullopt, flatbuffers::nullopt, 0,
                                            0, false, 0, flatbuffers::nullopt, threads));
  const std::uint64_t nobody = 4711;
  image.add({model::Kind::settings, nobody}, "TaskSettings", builder);
  const auto reasons = broken_rules(image, {});
  ASSERT_TRUE(reasons.has_value()) << reasons.error().line();
  ASSERT_EQ(reasons->size(), 1U);
  EXPECT_EQ(reasons->front().piece(), Piece::broken_rule);
  EXPECT_EQ(reasons->front().hint, "--ignore STG-1");
  EXPECT_TRUE(broken_rules(image, {{"STG-1", ""}})->empty());
}

TEST_F(Preflight, NamesOfSockets) {
  EXPECT_EQ(piece(against(plan::SocketOrNothing{(place_ / "none").string()})), std::nullopt);
  EXPECT_EQ(piece(against(plan::SocketOrNothing{file("plain", "")})), Piece::socket_name_taken);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  const std::string path = (place_ / "socket").string();
  path.copy(name.sun_path, sizeof name.sun_path - 1);
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(::bind(listener, reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
  ASSERT_EQ(::listen(listener, 5), 0);
  EXPECT_EQ(piece(against(plan::SocketOrNothing{path})), Piece::socket_name_in_use);
  ::close(listener);
  EXPECT_EQ(piece(against(plan::SocketOrNothing{path})), std::nullopt);
}

}  // namespace
}  // namespace img::restore
