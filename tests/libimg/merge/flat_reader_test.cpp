// SPDX-License-Identifier: MIT
// Random chains, against a model that keeps every page: what is read flat is what the newest level
// had, page by page.
#include "libimg/merge/flat_reader.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <map>
#include <random>

#include "libimg/criu/directory_reader.h"
#include "libimg/criu/directory_writer.h"
#include "libimg/model/pagemap.h"
#include "libimg/store/catalogue.h"
#include "tests/libimg/model/sample_image.h"

namespace img::merge {
namespace {

using model::FileKey;
using model::Kind;
using model::StoreImageReader;
using model::StoreImageWriter;
using store::Store;
using store::testing::draft;
using store::testing::must;
using store::testing::Scratch;
using namespace model::testing;  // NOLINT: the sample image

constexpr std::size_t kPage = 4096;

/// Of one address space: each page's content by its number, and its flags.
using Memory = std::map<std::uint64_t, std::pair<unsigned, std::uint32_t>>;

struct Rng {
  std::mt19937 random;
  std::uint32_t below(std::uint32_t end) { return static_cast<std::uint32_t>(random() % end); }
};

/// Some pages change, some go, some come; what is written of it as one level of a chain.
std::vector<Copy> next_level(Rng& rng, Memory& memory, FileKey file, bool is_first,
                             unsigned& content) {
  constexpr std::uint32_t kPages = 60;
  std::vector<Run> runs;
  std::string bytes;
  for (std::uint64_t page = 0; page < kPages; ++page) {
    const std::uint32_t dice = rng.below(10);
    const bool was_there = memory.contains(page);
    std::uint32_t flags = 0;
    if (dice == 0) {
      memory.erase(page);
    } else if (!was_there && dice < 6) {
      continue;
    } else if (!was_there || is_first || dice < 3) {
      flags = rng.below(2) == 0 ? 4 : 6;
      memory[page] = {++content, flags};
      bytes += noise(kPage, content);
    } else {
      flags = 1;
    }
    if (flags == 0) {
      continue;
    }
    Run* last = runs.empty() ? nullptr : &runs.back();
    if (last != nullptr && last->page + last->pages == page && last->flags == flags &&
        rng.below(5) != 0) {
      ++last->pages;
    } else {
      runs.push_back({page, 1, flags});
    }
  }
  std::vector<Copy> records = {pagemap_head(file.id, file.kind)};
  // As few entries in a record as it likes.
  std::size_t at = 0;
  for (std::uint64_t seq = 2; at < runs.size(); ++seq) {
    const std::size_t end = std::min<std::size_t>(runs.size(), at + 1 + rng.below(20));
    const std::vector<Run> some(runs.begin() + static_cast<std::ptrdiff_t>(at),
                                runs.begin() + static_cast<std::ptrdiff_t>(end));
    Copy chunk = pagemap_chunk(file.id, seq, some, 0, file.kind);
    const std::size_t size = chunk.payload.size();
    chunk.payload = bytes.substr(0, size);
    bytes.erase(0, size);
    records.push_back(std::move(chunk));
    at = end;
  }
  return records;
}

/// What a reader gives of one page map.
struct Flat : model::RecordSink {
  Memory expected;
  std::uint64_t end = 0;
  std::size_t pages = 0;
  std::uint64_t seq = 0;

  Result<void> record(const model::Record& record) override {
    EXPECT_EQ(record.key.seq, ++seq);
    if (record.key.seq < 2) {
      return {};
    }
    std::string bytes;
    for (const Bytes part : record.payload.parts) {
      bytes += as_text(part);
    }
    std::size_t at = 0;
    const auto* entries = record.as<schema::PagemapChunk>()->entries();
    EXPECT_LE(entries->size(), model::kChunkEntries);
    for (const auto* entry : *entries) {
      const auto run = model::page_run(*entry);
      EXPECT_GE(run.address, end);
      end = run.address + run.pages * kPage;
      for (std::uint64_t i = 0; i < run.pages; ++i, at += kPage, ++pages) {
        const auto page = expected.find(run.address / kPage + i);
        if (page == expected.end()) {
          ADD_FAILURE() << "page " << run.address / kPage + i << " is not there";
          return {};
        }
        EXPECT_EQ(run.flags, page->second.second);
        EXPECT_TRUE(bytes.compare(at, kPage, noise(kPage, page->second.first)) == 0)
            << "page " << page->first;
      }
    }
    EXPECT_EQ(at, bytes.size());
    return {};
  }
};

void expect_flat(model::ImageReader& image, FileKey file, const Memory& memory) {
  Flat flat;
  flat.expected = memory;
  must(image.read(file, flat));
  EXPECT_EQ(flat.pages, memory.size());
}

const std::vector<FileKey> kFiles = {
    {Kind::pagemap, 66}, {Kind::pagemap, 67}, {Kind::pagemap_shmem, 9}};

/// A chain in a store and as directories: 1, 2 ...
class Chain {
 public:
  Chain(unsigned seed, std::size_t levels) : rng_{std::mt19937(seed)} {
    for (std::size_t level = 1; level <= levels; ++level) {
      add_level(level);
    }
  }

  [[nodiscard]] std::unique_ptr<FlatReader> from_store() const {
    return must(FlatReader::open(must(StoreImageReader::open(store_))));
  }
  [[nodiscard]] std::unique_ptr<FlatReader> from_directory() const {
    return must(
        FlatReader::open(must(criu::DirectoryReader::open(scratch_ / std::to_string(levels_)))));
  }
  [[nodiscard]] const Memory& memory(FileKey file) const { return memory_.at(file); }

 private:
  void add_level(std::size_t level) {
    std::vector<Copy> records;
    for (const FileKey file : kFiles) {
      for (Copy& copy : next_level(rng_, memory_[file], file, level == 1, content_)) {
        records.push_back(std::move(copy));
      }
    }
    auto made = draft("n" + std::to_string(level));
    if (level > 1) {
      made.parent = parent_;
    }
    auto writer = must(StoreImageWriter::begin(store_, made));
    must(write_records(*writer, records));
    must(writer->commit());
    parent_ = writer->header().id;
    write_directory(level, records);
    levels_ = level;
  }

  void write_directory(std::size_t level, std::vector<Copy>& records) {
    const std::string path = scratch_ / std::to_string(level);
    std::filesystem::create_directory(path);
    const UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY));
    criu::DirectoryWriter writer(directory.get(), path);
    std::uint32_t pages_id = 0;
    for (Copy& copy : records) {
      if (copy.key.seq == 1) {  // each page map has a pages file of its own
        flatbuffers::FlatBufferBuilder builder;
        builder.ForceDefaults(true);
        builder.Finish(schema::CreatePagemapHead(builder, ++pages_id));
        copy.flatbuffer = finished(builder);
      }
      must(writer.record(copy.record()));
    }
    if (level > 1) {
      must(writer.link_parent("../" + std::to_string(level - 1)));
    }
    must(writer.commit());
  }

  Scratch scratch_;
  Rng rng_;
  std::shared_ptr<const Store> store_ = must(Store::create(scratch_ / "s"));
  std::map<FileKey, Memory> memory_;
  unsigned content_ = 0;
  store::Id parent_;
  std::size_t levels_ = 0;
};

TEST(FlatReader, RandomChainsPageByPage) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    const Chain chain(seed, 1 + seed % 9);
    const auto store = chain.from_store();
    const auto directory = chain.from_directory();
    EXPECT_EQ(must(store->parent()), nullptr);
    for (const FileKey file : kFiles) {
      SCOPED_TRACE(std::to_string(seed) + ", " + std::to_string(file.id));
      expect_flat(*store, file, chain.memory(file));
      expect_flat(*directory, file, chain.memory(file));
    }
  }
}

TEST(FlatReader, AThousandLevels) {
  const Chain chain(1, 1000);
  const auto store = chain.from_store();
  const auto directory = chain.from_directory();
  EXPECT_EQ(directory->levels().size(), 1000U);
  for (const FileKey file : kFiles) {
    expect_flat(*store, file, chain.memory(file));
    expect_flat(*directory, file, chain.memory(file));
  }
}

class OddChain : public ::testing::Test {
 protected:
  void add(const std::vector<model::testing::Run>& runs) {
    auto made = draft("n" + std::to_string(++level_));
    if (level_ > 1) {
      made.parent = parent_;
    }
    auto writer = must(StoreImageWriter::begin(store_, made));
    must(write_records(*writer, {pagemap_head(66), pagemap_chunk(66, 2, runs, level_)}));
    must(writer->commit());
    parent_ = writer->header().id;
  }
  Result<std::vector<Copy>> read() {
    Collector collector;
    const auto flat = must(FlatReader::open(must(StoreImageReader::open(store_))));
    IMG_TRY(flat->read({Kind::pagemap, 66}, collector));
    return collector.copies;
  }
  void expect_corrupt(std::string_view text) {
    const auto flat = read();
    ASSERT_FALSE(flat);
    EXPECT_EQ(flat.error().fault, Fault::corrupt);
    EXPECT_NE(flat.error().line().find(text), std::string::npos) << flat.error().line();
  }

  Scratch scratch_;
  std::shared_ptr<const Store> store_ = must(Store::create(scratch_ / "s"));
  store::Id parent_;
  unsigned level_ = 0;
};

TEST_F(OddChain, WhatNeedsNoParentIsAsItWas) {
  add({{1, 2}});
  add({{1, 2}, {3, 1, 2}, {9, 1}});
  Collector plain;
  must(must(StoreImageReader::open(store_))->read({Kind::pagemap, 66}, plain));
  EXPECT_EQ(must(read()), plain.copies);
}

TEST_F(OddChain, PagesWithoutMemoryStayWithout) {
  add({{1, 4}});
  add({{0, 1, 2}, {1, 2, 1}, {3, 1}, {8, 2, 2}});
  const auto flat = must(read());
  const auto* entries = flat[1].record().as<schema::PagemapChunk>()->entries();
  ASSERT_EQ(entries->size(), 3U);
  EXPECT_EQ(model::page_run(*entries->Get(0)).flags, 2U);
  EXPECT_EQ(model::page_run(*entries->Get(1)).pages, 3U);
  EXPECT_EQ(model::page_run(*entries->Get(2)).pages, 2U);
  EXPECT_EQ(flat[1].payload.size(), 3 * kPage);
}

TEST_F(OddChain, APageThatNobodyHas) {
  add({{1, 1}, {4, 1}});
  add({{1, 1, 1}});
  add({{1, 1, 1}, {4, 1, 1}});
  expect_corrupt("page 0x4000");
}

TEST_F(OddChain, AChainThatEndsTooSoon) {
  add({{1, 1, 1}});
  add({{1, 1, 1}});
  expect_corrupt("page 0x1000");
}

TEST_F(OddChain, APageThatIsNotInTheImageOfItsParent) {
  add({{1, 1, 2}});
  add({{1, 1, 1}});
  expect_corrupt("it has no such page");
}

TEST_F(OddChain, EntriesOutOfOrder) {
  add({{4, 1}, {1, 1}});
  add({{4, 1, 1}});
  expect_corrupt("not after the entry before it");
}

TEST_F(OddChain, ManyEntriesAndParts) {
  constexpr std::uint64_t kPages = 10'000;
  using Runs = std::vector<model::testing::Run>;
  const Runs old_runs = {{0, kPages}};
  Runs new_runs;
  for (std::uint64_t page = 0; page < kPages; page += 2) {
    new_runs.push_back({page, 1, 1});
    if (new_runs.size() < 4000) {
      new_runs.push_back({page + 1, 1, 4});
    }
  }
  add(old_runs);
  add(Runs(new_runs.begin(), new_runs.begin() + 4000));
  const auto flat = must(read());
  ASSERT_EQ(flat.size(), 2U);
  EXPECT_EQ(flat[1].record().as<schema::PagemapChunk>()->entries()->size(), 1U);
  EXPECT_EQ(flat[1].payload.size(), 4000 * kPage);
}

}  // namespace
}  // namespace img::merge
