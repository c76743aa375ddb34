// SPDX-License-Identifier: MIT
#include "libimg/model/store_image.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "libimg/store/value.h"
#include "tests/libimg/model/sample_image.h"

namespace img::model {
namespace {

using store::Store;
using store::testing::must;
using store::testing::Scratch;
using namespace testing;  // NOLINT: the sample image

TEST(StoreImage, GivesBackWhatWasWritten) {
  const Scratch scratch;
  const auto store = must(Store::create(scratch / "web.store"));
  const auto records = sample_records();
  must(write_image(store, "redis", records));
  EXPECT_EQ(must(read_image(store, "redis")), records);

  const auto reader = must(StoreImageReader::open(store));
  EXPECT_EQ(reader->place(), scratch / "web.store::redis");
  EXPECT_EQ(reader->header().records(), records.size());
  EXPECT_EQ(must(reader->parent()), nullptr);
  EXPECT_EQ(reader->file_name({Kind::pagemap, 66}), "pagemap-66.img");
}

TEST(StoreImage, IsThereForAProcessThatOpensTheStoreLater) {
  const Scratch scratch;
  const auto records = sample_records();
  must(write_image(must(Store::create(scratch / "s")), "a", records));
  EXPECT_EQ(must(read_image(must(Store::open(scratch / "s")), "a")), records);
}

TEST(StoreImage, TakesFilesInAnyOrder) {
  const Scratch scratch;
  const auto store = must(Store::create(scratch / "s"));
  auto records = sample_records();
  auto shuffled = records;
  std::stable_sort(shuffled.begin(), shuffled.end(), [](const Copy& a, const Copy& b) {
    return a.key.file.id * 31 % 7 < b.key.file.id * 31 % 7;
  });
  std::stable_sort(shuffled.begin(), shuffled.end(),
                   [](const Copy& a, const Copy& b) { return a.key.file > b.key.file; });
  must(write_image(store, "a", shuffled));
  EXPECT_EQ(must(read_image(store, "a")), records);
}

TEST(StoreImage, NeighbouringRunsOfPagesAreOnePart) {
  const Scratch scratch;
  const auto store = must(Store::create(scratch / "s"));
  must(write_image(store, "a", sample_records()));
  const auto reader = must(StoreImageReader::open(store, "a"));
  struct Sink : RecordSink {
    std::vector<std::size_t> parts;
    Result<void> record(const Record& record) override {
      parts.push_back(record.payload.parts.size());
      return {};
    }
  } sink;
  must(reader->read({Kind::pagemap, 66}, sink));
  EXPECT_EQ(sink.parts, (std::vector<std::size_t>{0, 1, 0}));
}

TEST(StoreImage, RefusesWhatItCouldNotGiveBack) {
  const Scratch scratch;
  const auto store = must(Store::create(scratch / "s"));
  const auto refused = [&](std::vector<Copy> records) {
    const auto done = write_image(store, "a", records);
    return done ? "" : done.error().line();
  };
  auto records = sample_records();
  records[1].key.seq = 3;  // a hole
  EXPECT_NE(refused(records).find("does not follow"), std::string::npos);

  records = sample_records();
  records[4].payload.resize(4096);
  EXPECT_NE(refused(records).find("bytes of memory"), std::string::npos);

  records = sample_records();
  records[0].flatbuffer.resize(records[0].flatbuffer.size() / 2);
  EXPECT_NE(refused(records).find("not a table"), std::string::npos);

  records = {process(1, 1, 1), raw_file(Kind::route, 1, "x"), process(1, 1, 1)};
  EXPECT_NE(refused(records).find("there already"), std::string::npos);
  EXPECT_EQ(must(store::list_images(*must(store->snapshot()))).size(), 0U);
}

TEST(StoreImage, IsNotCommittedWithAHole) {
  const Scratch scratch;
  const auto store = must(Store::create(scratch / "s"));
  auto writer = must(StoreImageWriter::begin(store, store::testing::draft("a")));
  EXPECT_FALSE(writer->record(process(2, 1, 1).record()));
  EXPECT_FALSE(writer->commit());
  EXPECT_TRUE(must(store::list_images(*must(store->snapshot()))).empty());
}

TEST(StoreImage, LargePagesBeginAtAMultipleOfTheirSize) {
  const Scratch scratch;
  const auto store = must(Store::create(scratch / "s"));
  auto draft = store::testing::draft("a");
  draft.page_size = 65536;
  auto writer = must(StoreImageWriter::begin(store, draft));
  Copy chunk = pagemap_chunk(1, 2, {{16, 1}, {64, 2}}, 1);
  chunk.payload = noise(3 * 65536, 9);
  must(writer->record(raw_file(Kind::ifaddr, 1, noise(5000, 3)).record()));
  must(writer->record(pagemap_head(1).record()));
  must(writer->record(chunk.record()));
  must(writer->commit());
  const auto reader = must(StoreImageReader::open(store, "a"));
  const auto extents = must(reader->view().record({Kind::extents, 1, 2}));
  const auto* list =
      flatbuffers::GetRoot<schema::ExtentChunk>(extents->value.flatbuffer.data())->extents();
  ASSERT_EQ(list->size(), 2U);
  EXPECT_EQ(list->Get(0)->offset() % 65536, 0U);
  EXPECT_EQ(list->Get(0)->first_page(), 1U);
  Collector collector;
  must(reader->read({Kind::pagemap, 1}, collector));
  EXPECT_EQ(collector.copies.at(1), chunk);
}

TEST(StoreImage, ParentIsReadFromTheSameStore) {
  const Scratch scratch;
  const auto store = must(Store::create(scratch / "s"));
  must(write_image(store, "one", sample_records()));
  const auto first = must(store::find_image(*must(store->snapshot()), "one"));
  auto draft = store::testing::draft("two");
  draft.parent = first.id;
  auto writer = must(StoreImageWriter::begin(store, draft));
  must(writer->record(process(1, 5, 1).record()));
  must(writer->commit());

  const auto reader = must(StoreImageReader::open(store, "two"));
  ImageReader* parent = must(reader->parent());
  ASSERT_NE(parent, nullptr);
  EXPECT_EQ(parent->place(), scratch / "s::one");
  EXPECT_EQ(must(parent->parent()), nullptr);
}

TEST(StoreImage, ThreadsWriteDifferentFiles) {
  const Scratch scratch;
  const auto store = must(Store::create(scratch / "s"));
  const auto files_of = [](std::uint64_t thread) {
    std::vector<Copy> records;
    for (std::uint64_t i = 0; i < 40; ++i) {
      const std::uint64_t id = thread * 1000 + i;
      const auto seed = static_cast<unsigned>(id);
      records.push_back(pagemap_head(id));
      records.push_back(pagemap_chunk(id, 2, {{1, 1 + i}, {100, 3}}, seed));
      records.push_back(raw_file(Kind::tmpfs_dev, id, noise(i * 3001, seed)));
    }
    return records;
  };
  auto writer = must(StoreImageWriter::begin(store, store::testing::draft("a")));
  std::vector<std::thread> threads;
  for (std::uint64_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread, sink = writer->sink()] {
      for (const Copy& copy : files_of(thread)) {
        must(sink->record(copy.record()));
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  must(writer->commit());

  const auto now = must(store->snapshot());
  const auto reader = must(StoreImageReader::open(store, "a"));
  for (std::uint64_t thread = 0; thread < 4; ++thread) {
    Collector collector;
    for (const Copy& copy : files_of(thread)) {
      if (copy.key.seq == 1) {
        must(reader->read(copy.key.file, collector));
      }
    }
    EXPECT_TRUE(collector.copies == files_of(thread));
  }
  const auto pack = store::Id::of(*reader->header().packs()->Get(0));
  const auto* known = must(store::get_table<schema::Pack>(*now, store::Key::pack(pack), "Pack"));
  must(store::verify_pack(store->packs(), pack, known->bytes(),
                          store::Id::of(*known->hashes_digest()), store->place()));
}

TEST(StoreImage, ThreadsReadDifferentFiles) {
  const Scratch scratch;
  const auto store = must(Store::create(scratch / "s"));
  const auto records = sample_records();
  must(write_image(store, "a", records));
  const auto reader = must(StoreImageReader::open(store, "a"));
  const auto files = must(reader->files());
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        for (const FileKey file : files) {
          Collector collector;
          must(reader->read(file, collector));
          std::vector<Copy> expected;
          std::copy_if(records.begin(), records.end(), std::back_inserter(expected),
                       [&](const Copy& copy) { return copy.key.file == file; });
          EXPECT_EQ(collector.copies, expected);
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

}  // namespace
}  // namespace img::model
