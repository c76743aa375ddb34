// SPDX-License-Identifier: MIT
// STG-1 and STG-2: settings that no kernel takes, or that belong to nobody.
#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string_view>
#include <vector>

#include "libimg/check/check.h"
#include "libimg/criu/directory_reader.h"
#include "schema/settings_generated.h"
#include "tests/fixtures/edited_image.h"

namespace img::check {
namespace {

constexpr std::uint32_t kSingle = 26589;

struct Built {
  flatbuffers::FlatBufferBuilder builder;
  std::uint32_t tid = kSingle;
  std::uint32_t times = 1;
  std::function<void(schema::TaskSettingsBuilder&)> process;
  std::vector<std::uint64_t> cpus{1};
  std::vector<std::uint64_t> nodes{1};
  std::size_t part_bytes = 64;
  std::uint32_t part = 17;
  std::uint64_t mode = 1;
  std::uint32_t io_priority = 2 << 13 | 4;

  void finish() {
    builder.ForceDefaults(true);
    std::vector<flatbuffers::Offset<schema::ThreadSettings>> threads;
    for (std::uint32_t i = 0; i < times; ++i) {
      const auto words = builder.CreateVector(cpus);
      const auto dispatch = schema::CreateUserDispatch(builder, mode, 0x1000, 0, 0);
      const auto policy = schema::CreateMemoryPolicyDirect(builder, 2, &nodes);
      const auto bytes = builder.CreateVector(std::vector<std::uint8_t>(part_bytes));
      const auto parts =
          builder.CreateVector(std::vector{schema::CreateXsaveComponent(builder, part, bytes)});
      schema::ThreadSettingsBuilder out(builder);
      out.add_tid(tid);
      out.add_cpus(words);
      out.add_io_priority(io_priority);
      out.add_user_dispatch(dispatch);
      out.add_memory_policy(policy);
      out.add_xstate(parts);
      threads.push_back(out.Finish());
    }
    const auto all = builder.CreateVector(threads);
    schema::TaskSettingsBuilder out(builder);
    out.add_threads(all);
    if (process) {
      process(out);
    }
    builder.Finish(out.Finish());
  }
};

/// Ids of what is found in a dump with this record; nothing else is wrong with it.
std::set<std::string_view> found(const std::function<void(Built&)>& change,
                                 std::uint32_t pid = kSingle) {
  Built built;
  change(built);
  built.finish();
  auto dump = criu::DirectoryReader::open(STASIS_FIXTURES "/dumps/single");
  EXPECT_TRUE(dump.has_value());
  fixtures::EditedImage image(**dump);
  image.add({model::Kind::settings, pid}, "TaskSettings", built.builder);
  class Ids : public FindingSink {
   public:
    void finding(const Finding& one) override {
      if (one.severity == Severity::error) {
        ids.insert(one.rule_id());
      }
    }
    std::set<std::string_view> ids;
  } sink;
  EXPECT_TRUE(check(image, {}, sink).has_value());
  return sink.ids;
}

using Ids = std::set<std::string_view>;

TEST(Settings, GoodOnesAreNotFound) {
  EXPECT_EQ(found([](Built&) {}), Ids());
}

TEST(Settings, BelongToAProcessAndItsThreads) {
  EXPECT_EQ(found([](Built&) {}, 4711), Ids{"STG-1"});
  EXPECT_EQ(found([](Built& one) { one.tid = 4711; }), Ids{"STG-1"});
  EXPECT_EQ(found([](Built& one) { one.times = 2; }), Ids{"STG-1"});
}

TEST(Settings, HostileValues) {
  const std::function<void(Built&)> changes[] = {
      [](Built& one) { one.cpus.assign(1025, 1); },
      [](Built& one) {
        one.cpus = {0, 0};
      },
      [](Built& one) { one.nodes.assign(17, 1); },
      [](Built& one) { one.part_bytes = 8193; },
      [](Built& one) { one.part = 2; },
      [](Built& one) { one.part = 63; },
      [](Built& one) { one.mode = 2; },
      [](Built& one) { one.io_priority = 5 << 13; },
      [](Built& one) { one.process = [](auto& out) { out.add_autogroup_nice(20); }; },
      [](Built& one) { one.process = [](auto& out) { out.add_lock_future(1); }; },
      [](Built& one) { one.process = [](auto& out) { out.add_write_or_execute(4); }; },
      [](Built& one) { one.process = [](auto& out) { out.add_exit_signal(65); }; },
  };
  for (const auto& change : changes) {
    EXPECT_EQ(found(change), Ids{"STG-2"});
  }
}

}  // namespace
}  // namespace img::check
