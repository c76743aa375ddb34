// SPDX-License-Identifier: MIT
// Forms that no dump of today's CRIU on x86-64 has, or that nobody should rely on: they are
// carried.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "tests/libimg/criu/copy_directory.h"

namespace img::criu {
namespace {

using testing::Copy;
using testing::entry;
using testing::Scratch;
using testing::spill;
using testing::swapped_word;
using testing::word;

constexpr std::uint32_t kInventory = 0x58313116;
constexpr std::uint32_t kPstree = 0x50273030;
constexpr std::uint32_t kPagemap = 0x56084025;

const std::string kTask("\x08\x07\x10\x00\x18\x07\x20\x07\x28\x07", 10);

std::string inventory(char version) {
  return word(kInventory) + entry(std::string("\x08") + version);
}

/// Copies what `from` holds and demands it back.
Copy expect_same(const Scratch& from) {
  const Scratch to;
  Copy copy = testing::copy_directory(from.path(), to.path());
  EXPECT_EQ(copy.error, "");
  EXPECT_EQ(testing::contents(from.path()), testing::contents(to.path()));
  return copy;
}

bool has(const Copy& copy, DamageKind kind) {
  return std::any_of(copy.damage.begin(), copy.damage.end(),
                     [&](const Damage& damage) { return damage.kind == kind; });
}

TEST(Forms, VersionOneHasNoCommonWord) {
  const Scratch image;
  spill(image / "inventory.img", inventory(1));
  spill(image / "pstree.img", word(kPstree) + entry(kTask));
  EXPECT_EQ(expect_same(image).records, 2U);
}

TEST(Forms, AFileOfTheOtherVersionKeepsItsHeader) {
  const Scratch image;
  spill(image / "inventory.img", inventory(2));
  spill(image / "pstree.img", word(kPstree) + entry(kTask));
  expect_same(image);
  spill(image / "inventory.img", inventory(1));
  spill(image / "pstree.img", word(kCommonMagic) + word(kPstree) + entry(kTask));
  expect_same(image);
}

TEST(Forms, BigEndianWords) {
  const Scratch image;
  spill(image / "inventory.img",
        swapped_word(kInventory) + swapped_word(2) + std::string("\x08\x02", 2));
  spill(image / "pstree.img",
        swapped_word(kCommonMagic) + swapped_word(kPstree) + swapped_word(10) + kTask);
  expect_same(image);
}

TEST(Forms, FilesWithoutMessages) {
  const Scratch image;
  spill(image / "inventory.img", inventory(2));
  spill(image / "pstree.img", word(kCommonMagic) + word(kPstree));
  expect_same(image);
}

TEST(Forms, UnknownFilesAreKeptWhole) {
  const Scratch image;
  spill(image / "inventory.img", inventory(2));
  spill(image / "amdgpu-kfd-1.img", "not ours");
  spill(image / "core-007.img", "leading zeros");
  spill(image / "descriptors.json", "");
  spill(image / "ifaddr-9.img", "raw");
  expect_same(image);
}

TEST(Forms, BytesAfterTheOnlyMessage) {
  const Scratch image;
  spill(image / "inventory.img", inventory(2) + "tail");
  EXPECT_TRUE(has(expect_same(image), DamageKind::trailing));
}

TEST(Forms, PagesThatNoPagemapStandsFor) {
  const Scratch image;
  const std::string page(4096, 'p');
  spill(image / "inventory.img", inventory(2));
  spill(image / "pages-3.img", page);
  EXPECT_TRUE(expect_same(image).damage.empty());
  // vaddr 0x1000, compat_nr_pages 0, flags PE_PRESENT, nr_pages 1
  const std::string run("\x08\x80\x20\x10\x00\x20\x04\x28\x01", 9);
  spill(image / "pagemap-7.img",
        word(kCommonMagic) + word(kPagemap) + entry(std::string("\x08\x03", 2)) + entry(run));
  EXPECT_TRUE(expect_same(image).damage.empty());
  spill(image / "pages-3.img", page + page + "odd");
  EXPECT_TRUE(has(expect_same(image), DamageKind::pages_excess));
}

// Where a page can have several sizes, that of the pages file decides.
TEST(Forms, PagesOf64KiB) {
  const Scratch image;
  spill(image / "inventory.img", inventory(2));
  const std::string tc("\x08\x01\x10\x00\x18\x00\x20\x00\x28\x00\x32\x00", 12);
  spill(image / "core-7.img",
        word(kCommonMagic) + word(0x55053847) + entry(std::string("\x08\x04\x1a\x0c", 4) + tc));
  spill(image / "pages-1.img", std::string(2 * 65536, 'p'));
  spill(image / "pagemap-7.img",
        word(kCommonMagic) + word(kPagemap) + entry(std::string("\x08\x01", 2)) +
            entry(std::string("\x08\x80\x80\x04\x10\x00\x20\x04\x28\x02", 10)));
  const auto reader = DirectoryReader::open(image.path());
  ASSERT_TRUE(reader);
  EXPECT_EQ((*reader)->header().page_size(), 65536U);
  EXPECT_TRUE(expect_same(image).damage.empty());
}

TEST(Forms, OldWayToSayHowManyPages) {
  const Scratch image;
  spill(image / "inventory.img", inventory(2));
  spill(image / "pages-1.img", std::string(2 * 4096, 'p'));
  spill(image / "pagemap-7.img", word(kCommonMagic) + word(kPagemap) +
                                     entry(std::string("\x08\x01", 2)) +
                                     entry(std::string("\x08\x80\x20\x10\x02", 5)) +
                                     entry(std::string("\x08\x80\x40\x10\x02\x18\x01", 7)));
  EXPECT_TRUE(expect_same(image).damage.empty());
}

TEST(Forms, OddEncodingsComeBack) {
  const Scratch image;
  spill(image / "inventory.img", inventory(2));
  const std::string swapped("\x10\x00\x08\x07\x18\x07\x20\x07\x28\x07", 10);  // fields 2, 1
  const std::string packed("\x08\x07\x10\x00\x18\x07\x20\x07\x2a\x02\x07\x08",
                           12);                                        // threads packed
  const std::string unknown = kTask + std::string("\x98\x06\x01", 3);  // field 99
  spill(image / "pstree.img", word(kCommonMagic) + word(kPstree) + entry(swapped) + entry(packed) +
                                  entry(unknown) + entry(kTask));
  const Copy copy = expect_same(image);
  EXPECT_EQ(copy.kept_original, 3U);
  EXPECT_TRUE(has(copy, DamageKind::unknown_field));
}

// A page entry with a field of the future is compressed, and must not be taken for plain pages.
TEST(Forms, PagesInAFormOfTheFutureAreRefused) {
  const Scratch image;
  const Scratch to;
  spill(image / "inventory.img", inventory(2));
  spill(image / "pages-1.img", std::string(4096, 'p'));
  const std::string run("\x08\x80\x20\x10\x00\x20\x04\x28\x01\x32\x00", 11);
  spill(image / "pagemap-7.img",
        word(kCommonMagic) + word(kPagemap) + entry(std::string("\x08\x01", 2)) + entry(run));
  const Copy copy = testing::copy_directory(image.path(), to.path());
  EXPECT_TRUE(has(copy, DamageKind::not_understood));
  EXPECT_NE(copy.error.find("compressed"), std::string::npos) << copy.error;
}

TEST(Forms, EncryptedImagesAreRefused) {
  const Scratch image;
  spill(image / "inventory.img", inventory(2));
  spill(image / "cipher.img", "");
  const auto reader = DirectoryReader::open(image.path());
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().fault, Fault::unsupported);
}

TEST(Forms, NothingButFilesIsOpened) {
  const Scratch image;
  spill(image / "inventory.img", inventory(2));
  for (const char* how : {"link", "fifo", "directory"}) {
    const std::string name = image / "pstree.img";
    if (how[0] == 'l') {
      testing::fs::create_symlink("/etc/hostname", name);
    } else if (how[1] == 'i' && how[0] == 'f') {
      ASSERT_EQ(::mkfifo(name.c_str(), 0600), 0);
    } else {
      testing::fs::create_directory(name);
    }
    const Scratch to;
    const Copy copy = testing::copy_directory(image.path(), to.path());
    EXPECT_TRUE(has(copy, DamageKind::not_regular)) << how << ": " << copy.error;
    testing::fs::remove_all(name);
  }
}

class Chain : public ::testing::Test {
 protected:
  void level(const std::string& name, const std::string& link) {
    testing::fs::create_directories(scratch_ / name);
    spill(scratch_ / (name + "/inventory.img"), inventory(2));
    if (!link.empty()) {
      testing::fs::create_symlink(link, scratch_ / (name + "/parent"));
    }
  }
  /// Levels from `name` down, or the error on the way.
  std::string walk(const std::string& name) {
    auto reader = DirectoryReader::open(scratch_ / name);
    if (!reader) {
      return reader.error().line();
    }
    std::string levels;
    for (model::ImageReader* at = reader->get(); at != nullptr;) {
      levels += testing::fs::path(at->place()).filename().string() + " ";
      const auto below = at->parent();
      if (!below) {
        return below.error().line();
      }
      at = *below;
    }
    return levels;
  }
  Scratch scratch_;
};

TEST_F(Chain, IsFollowed) {
  level("1", "");
  level("2", "../1");
  level("3", "../2/");
  EXPECT_EQ(walk("3"), "3 2 1 ");
}

TEST_F(Chain, IsFollowedByAnAbsoluteLinkInside) {
  level("1", "");
  level("2", testing::fs::canonical(scratch_ / "1"));
  EXPECT_EQ(walk("2"), "2 1 ");
}

TEST_F(Chain, DoesNotLeaveItsDirectory) {
  level("1", "../../../../../../etc");
  EXPECT_NE(walk("1").find("out of the checkpoint"), std::string::npos) << walk("1");
  level("2", "/etc");
  EXPECT_NE(walk("2").find("out of the checkpoint"), std::string::npos) << walk("2");
}

TEST_F(Chain, DoesNotGoThroughOtherLinks) {
  testing::fs::create_symlink("/etc", scratch_ / "elsewhere");
  level("1", "../elsewhere");
  EXPECT_NE(walk("1").find("cannot open"), std::string::npos) << walk("1");
}

TEST_F(Chain, DoesNotGoInCircles) {
  level("1", "../3");
  level("2", "../1");
  level("3", "../2");
  EXPECT_NE(walk("3").find("comes back"), std::string::npos) << walk("3");
  level("4", ".");
  EXPECT_NE(walk("4").find("comes back"), std::string::npos) << walk("4");
}

TEST_F(Chain, HasAFileWhereALinkShouldBe) {
  level("1", "");
  spill(scratch_ / "1/parent", "");
  EXPECT_NE(walk("1").find("not a link"), std::string::npos) << walk("1");
}

TEST_F(Chain, LosesItsParent) {
  level("2", "../1");
  EXPECT_NE(walk("2").find("No such file"), std::string::npos) << walk("2");
}

}  // namespace
}  // namespace img::criu
