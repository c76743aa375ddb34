// SPDX-License-Identifier: MIT
#include "libimg/diff/difference.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "libimg/convert/convert.h"
#include "libimg/convert/open_image.h"
#include "tests/libimg/model/sample_image.h"
#include "tests/support/scratch.h"

namespace img::diff {
namespace {

namespace fs = std::filesystem;
using store::testing::draft;
using store::testing::must;
using store::testing::Scratch;
using namespace model::testing;  // NOLINT: the sample image

struct Told : Sink {
  std::vector<std::pair<Section, Item>> items;
  std::vector<std::pair<model::FileKey, PageRange>> ranges;
  std::vector<PageItem> pages;
  void item(Section section, const Item& item) override { items.emplace_back(section, item); }
  void range(model::FileKey file, const PageRange& range) override {
    ranges.emplace_back(file, range);
  }
  void page(const PageItem& item) override { pages.push_back(item); }

  [[nodiscard]] std::string first() const {
    return items.empty()
               ? ""
               : items[0].second.what + " " +
                     (items[0].second.fields.empty() ? "" : items[0].second.fields[0].field);
  }
};

std::unique_ptr<model::ImageReader> open(const std::string& place) {
  return must(convert::open_image(must(convert::recognise(place, {}))));
}

Summary compare(const std::string& before, const std::string& after, Told& told) {
  const auto a = open(before);
  const auto b = open(after);
  return must(compare(*a, *b, told));
}

void convert_to(const std::string& from, const std::string& to, convert::Form form,
                const std::string& as = {}, bool flatten = false) {
  const auto source = must(convert::recognise(from, {}));
  convert::Options options;
  options.as = as;
  options.flatten = flatten;
  const auto destination = must(convert::choose_destination(to, form, source));
  must(convert::convert(source, destination, options));
}

std::vector<std::string> all_dumps() {
  std::vector<std::string> paths;
  for (const auto& entry : fs::directory_iterator(STASIS_FIXTURES "/dumps")) {
    if (entry.is_directory()) {
      const std::string path = entry.path();
      paths.push_back(fs::exists(path + "/3") ? path + "/3" : path);
    }
  }
  std::ranges::sort(paths);
  return paths;
}

TEST(Difference, OneDumpIsTheSameHoweverItIsKept) {
  for (const std::string& dump : all_dumps()) {
    SCOPED_TRACE(dump);
    const Scratch scratch;
    convert_to(dump, scratch / "s", convert::Form::store, "x");
    convert_to(dump, scratch / "json", convert::Form::json);
    const std::string json = fs::exists(scratch / "json/3") ? scratch / "json/3" : scratch / "json";
    for (const std::string& other : {dump, scratch / "s", json}) {
      Told told;
      EXPECT_TRUE(compare(dump, other, told).is_same()) << other << ": " << told.first();
      EXPECT_TRUE(told.items.empty() && told.pages.empty() && told.ranges.empty());
    }
  }
}

TEST(Difference, AFlatImageIsTheSameAsItsChain) {
  for (const char* name : {"chain-edited", "chain-predump", "chain-snapshots"}) {
    const Scratch scratch;
    const std::string dump = std::string(STASIS_FIXTURES "/dumps/") + name + "/3";
    convert_to(dump, scratch / "flat", convert::Form::criu, {}, true);
    Told told;
    const Summary summary = compare(dump, scratch / "flat", told);
    EXPECT_TRUE(summary.is_same()) << told.first();
    EXPECT_GT(summary.pages.same, 10U);
  }
}

TEST(Difference, OneByteOfMemoryIsOnePage) {
  const Scratch scratch;
  const std::string dump = STASIS_FIXTURES "/dumps/single";
  fs::copy(dump, scratch / "b");
  {
    std::fstream pages(scratch / "b/pages-2.img", std::ios::in | std::ios::out | std::ios::binary);
    pages.seekg(5000);
    const int byte = pages.get();
    pages.seekp(5000);
    pages.put(static_cast<char>(byte ^ 1));
  }
  Told told;
  const Summary summary = compare(dump, scratch / "b", told);
  EXPECT_FALSE(summary.is_same());
  EXPECT_EQ(summary.items, 0U);
  EXPECT_EQ(summary.pages.changed, 1U);
  EXPECT_EQ(summary.pages.different(), 1U);
  ASSERT_EQ(told.pages.size(), 1U);
  ASSERT_EQ(told.pages[0].places.size(), 1U);
  EXPECT_LE(told.pages[0].places[0].start, told.ranges[0].second.address);
  EXPECT_LT(told.ranges[0].second.address, told.pages[0].places[0].end);
  EXPECT_EQ(told.pages[0].places[0].pages.changed, 1U);
  EXPECT_LT(told.pages[0].places[0].pages.same, told.pages[0].pages.same);
}

TEST(Difference, OtherProcessesComeAndGo) {
  Told told;
  const Summary summary =
      compare(STASIS_FIXTURES "/dumps/zoo", STASIS_FIXTURES "/dumps/single", told);
  EXPECT_FALSE(summary.is_same());
  std::map<std::pair<Section, Change>, int> counts;
  for (const auto& [section, item] : told.items) {
    ++counts[{section, item.change}];
  }
  EXPECT_EQ((counts[{Section::processes, Change::gone}]), 5);
  EXPECT_EQ((counts[{Section::processes, Change::added}]), 1);
  EXPECT_GT((counts[{Section::descriptors, Change::gone}]), 5);
  EXPECT_GT((counts[{Section::sockets, Change::gone}]), 1);
  EXPECT_GT((counts[{Section::mappings, Change::gone}]), 10);
  EXPECT_EQ(summary.pages.same, 0U);
}

/// A record of the dump, changed by editing its JSON.
TEST(Difference, AFieldIsNamed) {
  const Scratch scratch;
  const std::string dump = STASIS_FIXTURES "/dumps/single";
  convert_to(dump, scratch / "json", convert::Form::json);
  std::string core;
  for (const auto& entry : fs::directory_iterator(scratch / "json")) {
    if (entry.path().filename().string().starts_with("core-")) {
      core = entry.path();
    }
  }
  std::string text = test::slurp(core);
  const auto at = text.find("\"personality\": 0");
  ASSERT_NE(at, text.npos);
  text.replace(at, 16, "\"personality\": 9");
  std::ofstream(core) << text;
  Told told;
  const Summary summary = compare(dump, scratch / "json", told);
  ASSERT_EQ(summary.items, 1U);
  ASSERT_EQ(told.items[0].second.fields.size(), 1U);
  EXPECT_EQ(told.items[0].first, Section::records);
  EXPECT_EQ(told.items[0].second.fields[0].field, "tc.personality");
  EXPECT_EQ(told.items[0].second.fields[0].before, "0");
  EXPECT_EQ(told.items[0].second.fields[0].after, "9");
}

TEST(Difference, RandomMemoryIsCountedRight) {
  std::mt19937 random(20261121);
  const auto below = [&](std::uint32_t end) { return static_cast<std::uint32_t>(random() % end); };
  for (int round = 0; round < 60; ++round) {
    const Scratch scratch;
    const auto store = must(store::Store::create(scratch / "s"));
    std::map<std::uint64_t, unsigned> memory[2];
    for (int side = 0; side < 2; ++side) {
      std::vector<model::testing::Run> runs;
      std::string bytes;
      for (std::uint64_t page = 0; page < 80; ++page) {
        if (below(4) == 0) {
          continue;
        }
        const unsigned content = below(6) == 0 ? 1000 + static_cast<unsigned>(page) : 1 + below(1);
        memory[side][page] = content;
        bytes += noise(4096, content);
        if (!runs.empty() && runs.back().page + runs.back().pages == page && below(3) != 0) {
          ++runs.back().pages;
        } else {
          runs.push_back({page, 1});
        }
      }
      Copy chunk = pagemap_chunk(66, 2, runs, 0);
      chunk.payload = bytes;
      must(write_image(store, side == 0 ? "a" : "b", {pagemap_head(66), chunk}));
    }
    PageCounts expected;
    for (std::uint64_t page = 0; page < 80; ++page) {
      const bool was = memory[0].contains(page);
      const bool is = memory[1].contains(page);
      expected.gone += was && !is ? 1 : 0;
      expected.added += is && !was ? 1 : 0;
      if (was && is) {
        ++(memory[0][page] == memory[1][page] ? expected.same : expected.changed);
      }
    }
    Told told;
    const Summary summary = compare(scratch / "s::a", scratch / "s::b", told);
    EXPECT_EQ(summary.pages.same, expected.same);
    EXPECT_EQ(summary.pages.changed, expected.changed);
    EXPECT_EQ(summary.pages.added, expected.added);
    EXPECT_EQ(summary.pages.gone, expected.gone);
    std::uint64_t in_ranges = 0;
    std::uint64_t end = 0;
    for (const auto& [file, range] : told.ranges) {
      EXPECT_GE(range.address, end);
      end = range.address + range.bytes;
      in_ranges += range.bytes / 4096;
    }
    EXPECT_EQ(in_ranges, expected.different());
  }
}

}  // namespace
}  // namespace img::diff
