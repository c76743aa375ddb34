// SPDX-License-Identifier: MIT
// A store that is collected: what goes, what stays, and that what stays reads as before.
#include <gtest/gtest.h>

#include <filesystem>

#include "libimg/gc/apply.h"
#include "libimg/gc/plan.h"
#include "libimg/store/changes.h"
#include "libimg/store/compact.h"
#include "libimg/store/pack_table.h"
#include "tests/libimg/gc/gc_store.h"

namespace img::gc {
namespace {

namespace fs = std::filesystem;
using namespace testing;  // NOLINT: the stores

TEST_F(GcStore, WithoutAPolicyNoImageGoes) {
  write("a", 1);
  write("b", 2);
  const Outcome done = collect();
  EXPECT_TRUE(done.dropped.empty());
  EXPECT_EQ(names(), (Names{"a", "b"}));
}

TEST_F(GcStore, TheNewestOfEachSeriesStay) {
  for (unsigned i = 1; i <= 6; ++i) {
    write("x" + std::to_string(i), i, store::NameTaken::refuse, "x");
    write("y" + std::to_string(i), i, store::NameTaken::refuse, "y");
  }
  must(store::pin_image(*store_, "x2", true));
  Options options;
  options.policy.keep_last = 2;
  const Outcome done = collect(options);
  EXPECT_EQ(names(), (Names{"x2", "x5", "y5", "x6", "y6"}));
  EXPECT_EQ(done.dropped.size(), 7U);
  EXPECT_EQ(packs(), 5U);
  options.policy.series = "y";
  options.policy.keep_last = 1;
  collect(options);
  EXPECT_EQ(names(), (Names{"x2", "x5", "x6", "y6"}));
  expect_whole();
}

TEST_F(GcStore, DeletedByName) {
  write("a", 1);
  write("b", 2);
  write("c", 3);
  Options options;
  options.policy.drop = {"b"};
  EXPECT_GT(collect(options).bytes, 0U);
  EXPECT_EQ(names(), (Names{"a", "c"}));
  EXPECT_EQ(packs(), 2U);
  EXPECT_EQ(make_plan(store_, options).error().fault, Fault::missing);
}

TEST_F(GcStore, PinnedAndNeededAreNotDeleted) {
  write("a", 1);
  write_child("b", 2, "a");
  must(store::pin_image(*store_, "b", true));
  Options options;
  options.policy.drop = {"a"};
  EXPECT_EQ(make_plan(store_, options).error().fault, Fault::conflict);
  options.policy.drop = {"b"};
  EXPECT_EQ(make_plan(store_, options).error().fault, Fault::conflict);
  options.policy.drop = {"a", "b"};
  options.unpin = {"b"};
  collect(options);
  EXPECT_TRUE(names().empty());
  EXPECT_EQ(packs(), 0U);
}

TEST_F(GcStore, AKeptImageTakesOverWhatItNeeds) {
  write_chain(5);
  const auto before = memory("c5");
  Options options;
  options.policy.keep_last = 2;
  const Plan plan = must(make_plan(store_, options));
  EXPECT_TRUE(plan.images[3].folds);
  EXPECT_FALSE(plan.images[4].folds);
  EXPECT_GT(plan.images[3].folded_bytes, 0U);
  collect(options);
  EXPECT_EQ(names(), (Names{"c4", "c5"}));
  EXPECT_EQ(memory("c5"), before);
  options.policy.keep_last = 1;
  collect(options);
  EXPECT_EQ(names(), (Names{"c5"}));
  EXPECT_EQ(memory("c5"), before);
  EXPECT_EQ(must(store::find_image(*must(store_->snapshot()), "c5")).header->parent(), nullptr);
  expect_whole();
}

TEST_F(GcStore, AParentInTheMiddleOfAChainGoes) {
  write_chain(4);
  const auto c3 = memory("c3");
  const auto c4 = memory("c4");
  must(store::pin_image(*store_, "c1", true));
  must(store::pin_image(*store_, "c3", true));
  Options options;
  options.policy.keep_last = 1;
  collect(options);
  EXPECT_EQ(names(), (Names{"c1", "c3", "c4"}));
  EXPECT_EQ(memory("c3"), c3);
  EXPECT_EQ(memory("c4"), c4);
  const auto now = must(store_->snapshot());
  EXPECT_EQ(store::Id::of(*must(store::find_image(*now, "c3")).header->parent()),
            must(store::find_image(*now, "c1")).id);
  expect_whole();
}

TEST_F(GcStore, ManyRunsMoreThanAChunkHolds) {
  std::vector<model::testing::Run> even;
  std::vector<model::testing::Run> all = {{0, 12'000, 1}};
  for (std::uint64_t page = 0; page < 12'000; page += 2) {
    even.push_back({page, 1});
  }
  // Its parent's pages lie in two packs by turns, so every page is an extent of its own.
  write_memory("p", {{0, 12'000}}, 1);
  write_memory("q", even, 2, "p", true);
  write_memory("r", all, 3, "q");
  const auto before = memory("r");
  ASSERT_EQ(before.size(), 12'000U * 4096);
  must(store::pin_image(*store_, "r", true));
  Options options;
  options.policy.keep_last = 1;
  options.policy.series = "test";
  collect(options);
  EXPECT_EQ(names(), (Names{"r"}));
  EXPECT_EQ(memory("r"), before);
  expect_whole();
}

TEST_F(GcStore, APackOfWhichLittleIsAliveIsWrittenAnew) {
  write_memory("p", {{0, 400}}, 1);
  write_memory("q", {{0, 20, 1}, {20, 380}}, 2, "p");
  const auto before = memory("q");
  Options options;
  options.policy.keep_last = 1;
  const Plan plan = must(make_plan(store_, options));
  ASSERT_EQ(plan.packs.size(), 1U);
  EXPECT_TRUE(plan.packs[0].rewrite);
  const Outcome done = collect(options);
  EXPECT_EQ(done.rewritten, 1U);
  EXPECT_EQ(memory("q"), before);
  EXPECT_LT(pack_bytes(), 410U * 4096);
  expect_whole();
  EXPECT_TRUE(must(make_plan(store_, options)).is_nothing());
}

TEST_F(GcStore, ADamagedBlockIsNotGivenANewHash) {
  write_memory("p", {{0, 400}}, 1);
  write_memory("q", {{0, 20, 1}, {20, 380}}, 2, "p");
  const store::Id pack = store::Id::of(
      *must(store::find_image(*must(store_->snapshot()), "p")).header->packs()->Get(0));
  {
    std::fstream file(scratch_ / ("s/packs/" + store::pack_file_name(pack)),
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(5 * 4096);
    file.put('x');
  }
  Options options;
  options.policy.keep_last = 1;
  EXPECT_EQ(collect(options).rewritten, 0U);
  const auto row = must(store::find_pack(*must(store_->snapshot()), pack));
  ASSERT_TRUE(row);
  EXPECT_FALSE(
      store::verify_pack(store_->packs(), pack, row->bytes, row->hashes_digest, store_->place()));
}

TEST_F(GcStore, AReaderKeepsThePacksThatItMaySee) {
  write("a", 1);
  write("b", 2);
  const auto before = copies("a");
  std::optional reader = must(model::StoreImageReader::open(store_, "a"));
  Options options;
  options.policy.drop = {"a"};
  const Outcome first = collect(options);
  EXPECT_EQ(first.waiting_packs, 1U);
  EXPECT_EQ(packs(), 2U);
  EXPECT_EQ(must(model::testing::read_image(**reader)), before);
  reader.reset();
  const Outcome second = collect();
  EXPECT_EQ(second.waiting_packs, 0U);
  EXPECT_GT(second.bytes, 0U);
  EXPECT_EQ(packs(), 1U);
}

TEST_F(GcStore, WhatAWriterIsAboutToCommitStays) {
  write("a", 1);
  auto writer = must(model::StoreImageWriter::begin(store_, store::testing::draft("w")));
  must(writer->record(model::testing::raw_file(Kind::tmpfs_dev, 1, noise(200'000, 1)).record()));
  store::HeaderDraft child = store::testing::draft("child");
  child.parent = must(store::find_image(*must(store_->snapshot()), "a")).id;
  auto second = must(model::StoreImageWriter::begin(store_, child));
  Options options;
  options.policy.drop = {"a"};
  const Outcome done = collect(options);
  EXPECT_EQ(done.stayed, Names{"a"});
  EXPECT_EQ(done.purged, 0U);
  EXPECT_EQ(packs(), 3U);
  must(writer->commit());
  must(second->commit());
  EXPECT_EQ(names(), (Names{"a", "child", "w"}));
  expect_whole();
}

TEST_F(GcStore, WhatASharingWriterMayReferToStays) {
  write_memory("a", {{0, 50}}, 1);
  const auto wanted = memory("a");
  {
    const auto reader = must(model::StoreImageReader::open(store_, "a"));
    const auto* listed = reader->view().header().packs();
    store::Sharing sharing;
    sharing.packs = {store::Id::of(*listed->Get(0))};
    auto writer = must(model::StoreImageWriter::begin(store_, store::testing::draft("w"),
                                                      store::NameTaken::refuse, sharing));
    must(copy_image(*reader, *writer));
    Options options;
    options.policy.drop = {"a"};
    EXPECT_EQ(collect(options).dropped, Names{"a"});
    must(writer->commit());
  }
  EXPECT_EQ(memory("w"), wanted);
  EXPECT_EQ(packs(), 1U);
  collect();
  EXPECT_EQ(memory("w"), wanted);
  expect_whole();
}

TEST_F(GcStore, WhatADeadWriterLeftGoes) {
  write("a", 1);
  store::testing::Child child([&] {
    const auto store = store::Store::open(scratch_ / "s");
    auto writer = model::StoreImageWriter::begin(*store, store::testing::draft("dead"));
    for (std::uint32_t i = 1; writer && i <= 30'000; ++i) {
      if (!(*writer)->record(model::testing::process(i, i, 2).record())) {
        return 1;
      }
    }
    return ::kill(::getpid(), SIGKILL);
  });
  ASSERT_TRUE(WIFSIGNALED(child.wait()));
  const Plan plan = must(make_plan(store_, {}));
  ASSERT_EQ(plan.pending.size(), 1U);
  EXPECT_EQ(plan.pending[0].name, "dead");
  EXPECT_EQ(collect().purged, 1U);
  EXPECT_EQ(packs(), 1U);
  EXPECT_TRUE(must(make_plan(store_, {})).is_nothing());
  expect_whole();
}

TEST_F(GcStore, AnImageWithoutANameGoesWithItsLastChild) {
  write("a", 1);
  write_child("b", 2, "a");
  write("a", 3, store::NameTaken::replace);
  EXPECT_EQ(names(), (Names{"a?", "b", "a"}));
  collect();
  EXPECT_EQ(names(), (Names{"a?", "b", "a"}));
  Options options;
  options.policy.drop = {"b"};
  collect(options);
  EXPECT_EQ(names(), (Names{"a"}));
}

TEST_F(GcStore, CompactionNeedsTheStoreForItself) {
  for (unsigned i = 0; i < 40; ++i) {
    write("n" + std::to_string(i), i);
  }
  Options options;
  options.policy.keep_last = 1;
  collect(options);
  const auto before = copies("n39");
  store::StoreOptions soon;
  soon.deadline = std::chrono::milliseconds(10);
  EXPECT_EQ(store::compact_database(scratch_ / "s", soon).error().fault, Fault::conflict);
  store_.reset();
  const auto sizes = must(store::compact_database(scratch_ / "s"));
  EXPECT_LT(sizes.after, sizes.before);
  EXPECT_EQ(fs::file_size(scratch_ / "s/data.mdb"), sizes.after);
  store_ = must(store::Store::open(scratch_ / "s"));
  EXPECT_EQ(copies("n39"), before);
  write("later", 5);
  expect_whole();
}

}  // namespace
}  // namespace img::gc
