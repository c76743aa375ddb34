// SPDX-License-Identifier: MIT
// Images that share memory: each gives back exactly what was written, whatever it shares, and its
// packs hold each page once.
#include <gtest/gtest.h>

#include <filesystem>
#include <random>
#include <set>

#include "libimg/store/changes.h"
#include "libimg/store/known_pages.h"
#include "libimg/store/sweep.h"
#include "tests/libimg/model/sample_image.h"

namespace img::model {
namespace {

namespace fs = std::filesystem;
using store::KnownPages;
using store::NameTaken;
using store::Sharing;
using store::Store;
using store::testing::draft;
using store::testing::must;
using store::testing::Scratch;
using namespace testing;  // NOLINT: the sample image

constexpr std::size_t kPage = 4096;

class SharingTest : public ::testing::Test {
 protected:
  void write(const std::string& name, const std::vector<Copy>& records, KnownPages* known) {
    auto writer =
        must(StoreImageWriter::begin(store_, draft(name), NameTaken::refuse, Sharing{known, {}}));
    must(write_records(*writer, records));
    must(writer->commit());
  }
  std::unique_ptr<KnownPages> known() const {
    return must(KnownPages::read(store_, *must(store_->snapshot())));
  }
  std::uint64_t pack_bytes() const {
    std::uint64_t bytes = 0;
    for (const auto& row : must(store::list_packs(*must(store_->snapshot())))) {
      bytes += row.bytes;
    }
    return bytes;
  }
  /// Bytes that the image refers to, by pack.
  std::map<store::Id, std::uint64_t> uses(const std::string& name) const {
    const auto now = must(store_->snapshot());
    const auto row = must(store::find_image(*now, name));
    std::map<store::Id, std::uint64_t> all;
    for (const schema::Id128* pack : *row.header->packs()) {
      for (const auto& use : must(store::users_of_pack(*now, store::Id::of(*pack)))) {
        if (use.commit == row.commit) {
          all[store::Id::of(*pack)] = use.bytes;
        }
      }
    }
    return all;
  }

  Scratch scratch_;
  std::shared_ptr<const Store> store_ = must(Store::create(scratch_ / "s"));
};

/// One pagemap with these pages, one entry for every `entry` of them.
std::vector<Copy> memory_of(const std::vector<std::uint32_t>& pages, std::size_t entry) {
  std::vector<Run> runs;
  Copy chunk;
  std::string bytes;
  for (std::size_t at = 0; at < pages.size(); at += entry) {
    runs.push_back({at * 2, std::min(entry, pages.size() - at)});
  }
  for (const std::uint32_t page : pages) {
    bytes += page == 0 ? std::string(kPage, '\0') : noise(kPage, page);
  }
  chunk = pagemap_chunk(66, 2, runs, 0);
  chunk.payload = std::move(bytes);
  return {pagemap_head(66), chunk};
}

TEST_F(SharingTest, TheSameImageTwiceNeedsNoNewPages) {
  const auto records = sample_records();
  write("a", records, nullptr);
  const auto before = pack_bytes();
  const auto pages = known();
  write("b", records, pages.get());
  EXPECT_EQ(must(read_image(store_, "b")), records);
  // Only its long payloads are its own.
  EXPECT_LT(pack_bytes() - before, 320'000U);
  must(store::delete_image(*store_, "a"));
  EXPECT_EQ(must(read_image(store_, "b")), records);
}

TEST_F(SharingTest, AnImageOfSharedPagesOnlyHasNoPackOfItsOwn) {
  const auto records = memory_of({1, 2, 3, 4}, 2);
  write("a", records, nullptr);
  const auto pages = known();
  write("b", records, pages.get());
  write("c", memory_of({3, 4, 1, 2}, 4), pages.get());
  EXPECT_EQ(must(read_image(store_, "b")), records);
  EXPECT_EQ(must(read_image(store_, "c")), memory_of({3, 4, 1, 2}, 4));
  EXPECT_EQ(must(store::list_packs(*must(store_->snapshot()))).size(), 1U);
  EXPECT_EQ(uses("b").begin()->second, 4 * kPage);
  EXPECT_TRUE(must(store::stray_files(*store_, *must(store_->snapshot()))).empty());
}

TEST_F(SharingTest, WithinOneImageToo) {
  std::vector<std::uint32_t> pages(2000, 0);
  for (std::uint32_t i = 0; i < 200; ++i) {
    pages[i * 10] = i % 20 + 1;
  }
  const auto known_pages = known();
  write("a", memory_of(pages, 2000), known_pages.get());
  EXPECT_EQ(must(read_image(store_, "a")), memory_of(pages, 2000));
  // What is written together, up to 64 pages, is not compared with itself.
  EXPECT_LT(pack_bytes(), 160 * kPage);
  EXPECT_EQ(uses("a").begin()->second, pack_bytes());
}

TEST_F(SharingTest, MoreRunsThanOneRecordLists) {
  std::vector<std::uint32_t> old_pages;
  std::vector<std::uint32_t> pages;
  for (std::uint32_t i = 1; i <= 12'000; ++i) {
    old_pages.push_back(i);
    pages.push_back(i % 2 == 0 ? i : i + 1'000'000);
  }
  write("a", memory_of(old_pages, 12'000), nullptr);
  const auto before = pack_bytes();
  const auto known_pages = known();
  write("b", memory_of(pages, 12'000), known_pages.get());
  EXPECT_EQ(must(read_image(store_, "b")), memory_of(pages, 12'000));
  EXPECT_EQ(pack_bytes() - before, 6000 * kPage);
}

TEST_F(SharingTest, AnImageThatWasGivenUpIsNotSharedWith) {
  const auto known_pages = known();
  {
    auto writer = must(StoreImageWriter::begin(store_, draft("a"), NameTaken::refuse,
                                               Sharing{known_pages.get(), {}}));
    must(write_records(*writer, memory_of({1, 2, 3}, 3)));
  }
  write("b", memory_of({3, 2, 1}, 3), known_pages.get());
  write("c", memory_of({2, 3, 1}, 1), known_pages.get());
  EXPECT_EQ(must(read_image(store_, "b")), memory_of({3, 2, 1}, 3));
  EXPECT_EQ(must(read_image(store_, "c")), memory_of({2, 3, 1}, 1));
  EXPECT_EQ(pack_bytes(), 3 * kPage);
}

TEST_F(SharingTest, WhatHashesAlikeIsComparedFirst) {
  write("a", memory_of({1, 2, 3}, 3), nullptr);
  // Hashes that say what is not there.
  const auto row = must(store::list_packs(*must(store_->snapshot()))).front();
  const fs::path hashes = scratch_ / ("s/packs/" + row.id.hex() + ".hash");
  std::string text;
  for (const std::uint32_t page : {7U, 8U, 9U}) {
    const Hash128 hash = hash128(as_bytes(noise(kPage, page)));
    text.append(reinterpret_cast<const char*>(&hash.lo), 8);
    text.append(reinterpret_cast<const char*>(&hash.hi), 8);
  }
  std::FILE* file = std::fopen(hashes.c_str(), "r+");
  ASSERT_EQ(std::fwrite(text.data(), 1, text.size(), file), text.size());
  std::fclose(file);
  const auto known_pages = known();
  write("b", memory_of({7, 8, 9}, 3), known_pages.get());
  EXPECT_EQ(must(read_image(store_, "b")), memory_of({7, 8, 9}, 3));
}

TEST_F(SharingTest, APackThatHasGoneIsNotReferredTo) {
  write("a", memory_of({1, 2, 3}, 3), nullptr);
  const auto known_pages = known();
  const auto row = must(store::list_packs(*must(store_->snapshot()))).front();
  must(store::delete_image(*store_, "a"));
  EXPECT_FALSE(must(must(store_->snapshot())->get(store::Key::pack(row.id))));
  fs::remove(scratch_ / ("s/packs/" + row.id.hex() + ".pack"));
  write("b", memory_of({1, 2, 3}, 3), known_pages.get());
  EXPECT_EQ(must(read_image(store_, "b")), memory_of({1, 2, 3}, 3));
}

TEST_F(SharingTest, WhileItIsWrittenItNeedsAllPacks) {
  write("a", memory_of({1, 2, 3}, 3), nullptr);
  const auto known_pages = known();
  auto writer = must(StoreImageWriter::begin(store_, draft("b"), NameTaken::refuse,
                                             Sharing{known_pages.get(), {}}));
  const auto now = must(store_->snapshot());
  const auto pending = must(store::pending_images(*store_, *now));
  ASSERT_EQ(pending.size(), 1U);
  EXPECT_TRUE(pending[0].in_use);
  EXPECT_EQ(writer->header().packs.size(), 2U);
}

// Random images over few different pages, in many threads' order of chunks.
TEST_F(SharingTest, RandomImagesComeBack) {
  std::mt19937 random(20261121);
  const auto below = [&](std::uint32_t end) { return static_cast<std::uint32_t>(random() % end); };
  std::map<std::string, std::vector<Copy>> all;
  std::unique_ptr<KnownPages> known_pages = known();
  std::set<std::uint32_t> different;
  for (unsigned image = 0; image < 60; ++image) {
    std::vector<std::uint32_t> pages;
    while (pages.size() < 1 + below(400)) {
      const std::uint32_t first = below(300);
      for (std::uint32_t i = 0; i <= below(40); ++i) {
        pages.push_back(below(3) == 0 ? 0 : (first + i) % 300);
        different.insert(pages.back());
      }
    }
    const std::string name = "n" + std::to_string(image);
    all[name] = memory_of(pages, 1 + below(64));
    write(name, all[name], known_pages.get());
    if (below(8) == 0) {
      known_pages = known();  // as another process would begin
    }
    if (below(4) == 0) {
      const auto gone = std::next(all.begin(), below(static_cast<std::uint32_t>(all.size())));
      must(store::delete_image(*store_, gone->first));
      all.erase(gone);
    }
  }
  for (const auto& [name, records] : all) {
    EXPECT_EQ(must(read_image(store_, name)), records) << name;
  }
  // Each page once, but for those that were written together.
  EXPECT_LT(pack_bytes(), (different.size() + 60 * 64) * kPage);
  EXPECT_LT(pack_bytes(), 1200 * kPage);
}

}  // namespace
}  // namespace img::model
