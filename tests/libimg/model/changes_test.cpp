// SPDX-License-Identifier: MIT
#include "libimg/store/changes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/libimg/model/sample_image.h"

namespace img::model {
namespace {

using store::NameTaken;
using store::Store;
using store::testing::draft;
using store::testing::must;
using store::testing::Scratch;
using namespace testing;  // NOLINT: the sample image

std::vector<std::string> names(const Store& store) {
  std::vector<std::string> all;
  const auto now = must(store.snapshot());
  for (const auto& row : must(store::list_images(*now))) {
    all.push_back(std::string(row.name()) + (row.has_name ? "" : "?") + (row.pinned ? "!" : ""));
  }
  return all;
}

std::size_t pending(const Store& store) {
  return must(store::pending_images(store, *must(store.snapshot()))).size();
}

class Changes : public ::testing::Test {
 protected:
  void write(const std::string& name, unsigned seed, NameTaken taken = NameTaken::refuse,
             const std::string& parent = {}) {
    auto made = draft(name, seed % 2 == 0 ? "even" : "odd");
    if (!parent.empty()) {
      made.parent = must(store::find_image(*must(store_->snapshot()), parent)).id;
    }
    auto writer = must(StoreImageWriter::begin(store_, made, taken));
    must(writer->record(raw_file(Kind::route, seed, noise(10'000, seed)).record()));
    must(writer->commit());
  }

  Scratch scratch_;
  std::shared_ptr<const Store> store_ = must(Store::create(scratch_ / "s"));
};

TEST_F(Changes, NewestIsTheLastCommitted) {
  write("a", 1);
  write("b", 2);
  write("c", 3);
  const auto now = must(store_->snapshot());
  EXPECT_EQ(must(store::newest_image(*now)).name(), "c");
  EXPECT_EQ(must(store::newest_image(*now, "even")).name(), "b");
  EXPECT_FALSE(store::newest_image(*now, "none"));
  EXPECT_EQ(names(*store_), (std::vector<std::string>{"a", "b", "c"}));
}

TEST_F(Changes, ANameIsTakenOnce) {
  write("a", 1);
  const auto second = StoreImageWriter::begin(store_, draft("a"));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().fault, Fault::conflict);

  // Taken only after the second had begun.
  auto late = must(StoreImageWriter::begin(store_, draft("b")));
  write("b", 2);
  EXPECT_EQ(late->commit().error().fault, Fault::conflict);
}

TEST_F(Changes, ReplacingIsOneCommit) {
  write("a", 1);
  const auto before = must(StoreImageReader::open(store_, "a"));
  write("a", 2, NameTaken::replace);
  EXPECT_EQ(names(*store_), std::vector<std::string>{"a"});
  EXPECT_EQ(must(must(StoreImageReader::open(store_, "a"))->files()).at(0).id, 2U);
  // Who had it open keeps it.
  EXPECT_EQ(must(read_image(*before)).at(0).payload, noise(10'000, 1));
  EXPECT_EQ(pending(*store_), 1U);
}

TEST_F(Changes, AReplacedParentStaysForItsChildren) {
  write("a", 1);
  write("child", 2, NameTaken::refuse, "a");
  write("a", 3, NameTaken::replace);
  EXPECT_EQ(names(*store_), (std::vector<std::string>{"a?", "child", "a"}));
  const auto reader = must(StoreImageReader::open(store_, "child"));
  EXPECT_EQ(must(must(reader->parent())->files()).at(0).id, 1U);
}

// Its child is not committed, but will be.
TEST_F(Changes, TheParentOfWhatIsBeingWrittenStays) {
  write("a", 1);
  auto made = draft("child");
  made.parent = must(store::find_image(*must(store_->snapshot()), "a")).id;
  auto writer = must(StoreImageWriter::begin(store_, made));
  EXPECT_EQ(store::delete_image(*store_, "a").error().fault, Fault::conflict);
  write("a", 3, NameTaken::replace);
  must(writer->record(raw_file(Kind::route, 2, noise(10'000, 2)).record()));
  must(writer->commit());
  EXPECT_THAT(names(*store_), ::testing::UnorderedElementsAre("a?", "a", "child"));
  const auto reader = must(StoreImageReader::open(store_, "child"));
  EXPECT_EQ(must(must(reader->parent())->files()).at(0).id, 1U);
}

TEST_F(Changes, Rename) {
  write("a", 1);
  write("b", 2);
  EXPECT_EQ(store::rename_image(*store_, "a", "b").error().fault, Fault::conflict);
  EXPECT_EQ(store::rename_image(*store_, "none", "c").error().fault, Fault::missing);
  EXPECT_EQ(store::rename_image(*store_, "a", "../c").error().fault, Fault::usage);
  must(store::rename_image(*store_, "a", "c"));
  EXPECT_EQ(names(*store_), (std::vector<std::string>{"c", "b"}));
  EXPECT_EQ(must(must(StoreImageReader::open(store_, "c"))->files()).at(0).id, 1U);
}

TEST_F(Changes, WhatIsPinnedOrNeededStays) {
  write("a", 1);
  write("child", 2, NameTaken::refuse, "a");
  must(store::pin_image(*store_, "child", true));
  EXPECT_EQ(names(*store_), (std::vector<std::string>{"a", "child!"}));
  EXPECT_EQ(store::delete_image(*store_, "child").error().fault, Fault::conflict);
  EXPECT_EQ(store::delete_image(*store_, "a").error().fault, Fault::conflict);
  EXPECT_EQ(must(StoreImageWriter::begin(store_, draft("child"), NameTaken::replace))
                ->commit()
                .error()
                .fault,
            Fault::conflict);
  must(store::pin_image(*store_, "child", false));
  must(store::delete_image(*store_, "child"));
  must(store::delete_image(*store_, "a"));
  EXPECT_TRUE(names(*store_).empty());
  EXPECT_EQ(pending(*store_), 0U);
}

TEST_F(Changes, UseOfPacksIsCounted) {
  write("a", 1);
  const auto now = must(store_->snapshot());
  const auto row = must(store::find_image(*now, "a"));
  const auto pack = store::Id::of(*row.header->packs()->Get(0));
  const auto users = must(store::users_of_pack(*now, pack));
  ASSERT_EQ(users.size(), 1U);
  EXPECT_EQ(users[0].commit, row.commit);
  EXPECT_EQ(users[0].bytes, 10'000U);
  must(store::delete_image(*store_, "a"));
  EXPECT_TRUE(must(store::users_of_pack(*must(store_->snapshot()), pack)).empty());
}

TEST_F(Changes, AnIdIsInAStoreOnce) {
  auto made = draft("a");
  made.id = {1, 2};
  must(must(StoreImageWriter::begin(store_, made))->commit());
  made.name = "b";
  EXPECT_EQ(must(StoreImageWriter::begin(store_, made))->commit().error().fault, Fault::conflict);
  made.id = {};
  made.parent = store::Id{7, 7};
  EXPECT_EQ(StoreImageWriter::begin(store_, made).error().fault, Fault::missing);
}

TEST_F(Changes, WritersGrowSideBySide) {
  std::vector<std::thread> writers;
  for (unsigned t = 0; t < 4; ++t) {
    writers.emplace_back([&, t] {
      for (unsigned i = 0; i < 5; ++i) {
        write("w" + std::to_string(t) + "." + std::to_string(i), t * 10 + i);
      }
    });
  }
  for (std::thread& writer : writers) {
    writer.join();
  }
  EXPECT_EQ(names(*store_).size(), 20U);
  for (unsigned t = 0; t < 4; ++t) {
    const auto copies = must(read_image(store_, "w" + std::to_string(t) + ".4"));
    EXPECT_EQ(copies.at(0).payload, noise(10'000, t * 10 + 4));
  }
}

TEST_F(Changes, ProvenanceAndFreezeAreKept) {
  flatbuffers::FlatBufferBuilder builder;
  const schema::Id128 digest(3, 4);
  const auto link = builder.CreateString("../1");
  schema::ProvenanceBuilder provenance(builder);
  provenance.add_origin(schema::Origin::criu_directory);
  provenance.add_digest(&digest);
  provenance.add_parent_link(link);
  provenance.add_level(2);
  builder.Finish(provenance.Finish());
  auto made = draft("a");
  {
    auto writer = must(StoreImageWriter::begin(store_, made));
    writer->header().provenance =
        flatbuffers::GetRoot<schema::Provenance>(builder.GetBufferPointer());
    must(writer->commit());
  }
  must(store::rename_image(*store_, "a", "b"));
  const auto reader = must(StoreImageReader::open(store_, "b"));
  const auto* kept = reader->header().provenance();
  ASSERT_NE(kept, nullptr);
  EXPECT_EQ(kept->origin(), schema::Origin::criu_directory);
  EXPECT_EQ(kept->digest()->lo(), 4U);
  EXPECT_EQ(kept->parent_link()->str(), "../1");
  EXPECT_EQ(kept->level(), 2U);
  EXPECT_EQ(kept->img_version(), 2U);
  EXPECT_EQ(reader->header().freeze(), nullptr);
}

}  // namespace
}  // namespace img::model
