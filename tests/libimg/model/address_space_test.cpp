// SPDX-License-Identifier: MIT
#include "libimg/model/address_space.h"

#include <gtest/gtest.h>

#include <string>

#include "schema/pack_generated.h"

namespace img::model {
namespace {

constexpr std::uint64_t kPage = 4096;

/// An image that is one page map, whose pages are filled with a letter of its own.
class Level : public ImageReader {
 public:
  explicit Level(char letter, ImageReader* parent = nullptr) : letter_(letter), parent_(parent) {
    const auto name = header_.CreateString("");
    const schema::Id128 no_id;
    schema::ImageHeaderBuilder builder(header_);
    builder.add_id(&no_id);
    builder.add_name(name);
    builder.add_series(name);
    builder.add_page_size(kPage);
    header_.Finish(builder.Finish());
  }

  Level& run(std::uint64_t page, std::uint64_t pages, std::uint32_t flags) {
    runs_.push_back({page * kPage, pages, flags});
    return *this;
  }
  Level& lose_memory() {
    has_memory_ = false;
    return *this;
  }

  const schema::ImageHeader& header() const override {
    return *flatbuffers::GetRoot<schema::ImageHeader>(header_.GetBufferPointer());
  }
  const std::string& place() const override { return place_; }
  Result<ImageReader*> parent() override { return parent_; }
  Result<std::vector<FileKey>> files() override { return std::vector<FileKey>{{Kind::pagemap, 1}}; }
  std::string file_name(FileKey) const override { return "pagemap-1.img"; }

  Result<void> read(FileKey file, RecordSink& sink) override {
    ++reads;
    flatbuffers::FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<schema::PagemapEntry>> entries;
    std::string memory;
    for (const PageRun& run : runs_) {
      schema::PagemapEntryBuilder entry(builder);
      entry.add_vaddr(run.address);
      entry.add_flags(run.flags);
      entry.add_nr_pages(run.pages);
      entries.push_back(entry.Finish());
      if (run.is_present() && has_memory_) {
        memory.append(run.pages * kPage, letter_);
      }
    }
    builder.Finish(schema::CreatePagemapChunkDirect(builder, &entries));
    Record record{{file, 2},
                  &schema::table_layout("PagemapChunk"),
                  std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize())),
                  {},
                  {}};
    // In two parts, cut inside of a page, as nothing forbids.
    const Bytes all = as_bytes(memory);
    const std::size_t half = all.size() / 2 + 100 > all.size() ? 0 : all.size() / 2 + 100;
    record.payload.parts = {all.first(half), all.subspan(half)};
    return sink.record(record);
  }

  unsigned reads = 0;

 private:
  char letter_;
  ImageReader* parent_;
  bool has_memory_ = true;
  std::vector<PageRun> runs_;
  std::string place_ = "test";
  flatbuffers::FlatBufferBuilder header_;
};

/// One letter per page asked for: of the image that has it, ! for missing, . for not there.
class Map : public MemorySink {
 public:
  explicit Map(std::size_t pages) : text(pages, '.') {}
  Result<void> memory(std::uint64_t address, Bytes bytes) override {
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      const char letter = static_cast<char>(bytes[at]);
      char& place = text.at((address + at) / kPage);
      EXPECT_TRUE(place == '.' || place == letter);
      place = letter;
    }
    EXPECT_GE(address, next);
    next = address + bytes.size();
    return {};
  }
  Result<void> missing(std::uint64_t address, std::uint64_t bytes) override {
    for (std::uint64_t page = address / kPage; page < (address + bytes) / kPage; ++page) {
      text.at(page) = '!';
    }
    return {};
  }
  std::string text;
  std::uint64_t next = 0;
};

std::string map_of(ImageReader& reader, std::size_t pages) {
  Map map(pages);
  AddressSpace space(reader, {Kind::pagemap, 1});
  const auto done = space.visit(0, UINT64_MAX, map);
  return done ? map.text : done.error().line();
}

TEST(AddressSpace, OneLevel) {
  Level only('a');
  only.run(1, 2, kPagePresent).run(4, 1, kPagePresent | kPageLazy).run(6, 1, 0);
  EXPECT_EQ(map_of(only, 8), ".aa.a...");
  EXPECT_EQ(only.reads, 1U);
}

TEST(AddressSpace, ParentsAnswerForWhatIsLeftToThem) {
  Level oldest('a');
  oldest.run(0, 8, kPagePresent);
  Level middle('b', &oldest);
  middle.run(0, 2, kPagePresent).run(2, 2, kPageInParent).run(5, 1, kPagePresent);
  Level newest('c', &middle);
  newest.run(0, 1, kPageInParent).run(1, 1, kPagePresent).run(2, 4, kPageInParent);
  newest.run(6, 1, kPagePresent);
  // Page 4: the middle is silent, which is not the oldest's business.
  EXPECT_EQ(map_of(newest, 8), "bcaa!bc.");
  EXPECT_LE(oldest.reads, 2U);
}

TEST(AddressSpace, MissingPagesAreToldFromNoPages) {
  Level alone('a');
  alone.run(1, 1, kPageInParent).run(2, 1, kPagePresent);
  EXPECT_EQ(map_of(alone, 4), ".!a.");
  Level lost('a');
  lost.run(1, 2, kPagePresent).lose_memory();
  EXPECT_EQ(map_of(lost, 4), ".!!.");
}

TEST(AddressSpace, ReadsAcrossPages) {
  Level oldest('a');
  oldest.run(0, 2, kPagePresent);
  Level newest('b', &oldest);
  newest.run(0, 1, kPageInParent).run(1, 1, kPagePresent);
  AddressSpace space(newest, {Kind::pagemap, 1});
  const auto range = space.read(kPage - 3, 6);
  ASSERT_TRUE(range);
  EXPECT_EQ(as_text(range->bytes), "aaabbb");
  EXPECT_EQ(range->known_head().size(), 6U);
  const auto end = space.read(2 * kPage - 2, 4);
  ASSERT_TRUE(end);
  EXPECT_EQ(as_text(end->known_head()), "bb");
  const auto nothing = space.read(5 * kPage, 4);
  ASSERT_TRUE(nothing);
  EXPECT_EQ(nothing->known_head().size(), 0U);
  EXPECT_FALSE(space.read(0, AddressSpace::kLargestRead + 1));
  EXPECT_FALSE(space.read(UINT64_MAX, 4));
}

TEST(AddressSpace, LyingPageMapsEndSoon) {
  Level oldest('a');
  oldest.run(0, 1, kPagePresent);
  Level newest('b', &oldest);
  newest.run(0, UINT64_MAX / 2, kPageInParent);
  AddressSpace space(newest, {Kind::pagemap, 1});
  Map map(1);
  const auto done = space.visit(0, UINT64_MAX, map);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().fault, Fault::corrupt);

  Level overlong('d', &oldest);
  overlong.run(UINT64_MAX / kPage, UINT64_MAX, kPagePresent).lose_memory();
  Map nothing(0);
  AddressSpace far(overlong, {Kind::pagemap, 1});
  EXPECT_TRUE(far.visit(0, kPage, nothing));
}

TEST(AddressSpace, MoreThanOneWindow) {
  constexpr std::size_t kPages = 3000;  // past the 4 MiB of one
  Level oldest('a');
  oldest.run(0, kPages, kPagePresent);
  Level newest('b', &oldest);
  std::string expected;
  for (std::size_t page = 0; page < kPages; ++page) {
    newest.run(page, 1, page % 3 == 0 ? kPagePresent : kPageInParent);
    expected += page % 3 == 0 ? 'b' : 'a';
  }
  EXPECT_EQ(map_of(newest, kPages), expected);
}

}  // namespace
}  // namespace img::model
