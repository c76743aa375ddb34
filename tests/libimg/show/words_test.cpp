// SPDX-License-Identifier: MIT
#include "libimg/show/words.h"

#include <gtest/gtest.h>

#include "libimg/show/matcher.h"

namespace img::show {
namespace {

TEST(Words, WaitStatus) {
  EXPECT_EQ(wait_status_words(0x700), "exit 7");
  EXPECT_EQ(wait_status_words(11), "killed by SIGSEGV");
  EXPECT_EQ(wait_status_words(0x8b), "killed by SIGSEGV (core dumped)");
  EXPECT_EQ(wait_status_words(65), "killed by signal 65");
  EXPECT_EQ(wait_status_words(0x0107), "invalid status 0x107");
  EXPECT_EQ(wait_status_words(0x10000), "invalid status 0x10000");
}

TEST(Words, ModesAndFlags) {
  EXPECT_EQ(mode_text(0100644), "-rw-r--r--");
  EXPECT_EQ(mode_text(0041777), "drwxrwxrwt");
  EXPECT_EQ(mode_text(0104755), "-rwsr-xr-x");
  EXPECT_EQ(mode_text(0102644), "-rw-r-Sr--");
  EXPECT_EQ(mode_text(0020620), "crw--w----");
  EXPECT_EQ(open_flags(0100002), "read+write");
  EXPECT_EQ(open_flags(02001), "write append");
  EXPECT_EQ(protection(5), "r-x");
}

std::vector<std::pair<std::size_t, std::size_t>> all(const Matcher& matcher,
                                                     std::string_view text) {
  std::vector<std::pair<std::size_t, std::size_t>> found;
  std::size_t from = 0;
  while (const auto match = matcher.find(as_bytes(text), from)) {
    found.emplace_back(match->begin, match->size);
    from = match->begin + match->size;
  }
  return found;
}

using Places = std::vector<std::pair<std::size_t, std::size_t>>;

TEST(Matcher, Bytes) {
  const auto matcher = match_bytes(std::string("a\0b", 3));
  ASSERT_TRUE(matcher);
  EXPECT_EQ(all(**matcher, std::string_view("xa\0ba\0b", 7)), (Places{{1, 3}, {4, 3}}));
  EXPECT_FALSE(match_bytes(""));
}

TEST(Matcher, RegexStaysInOneString) {
  const auto matcher = match_regex("k=.*");
  ASSERT_TRUE(matcher);
  EXPECT_EQ(all(**matcher, std::string_view("\0k=12\0\xff\0k=\0", 11)), (Places{{1, 4}, {8, 2}}));
  const auto empty = match_regex("x*");
  ASSERT_TRUE(empty);
  EXPECT_EQ(all(**empty, "aaxxa"), (Places{{2, 2}}));
  EXPECT_FALSE(match_regex("["));
}

TEST(Matcher, RegexFindsPastItsSteps) {
  std::string text(100000, '.');
  text.replace(12286, 4, "abcd");
  text.replace(99996, 4, "abcd");
  const auto matcher = match_regex("abcd");
  ASSERT_TRUE(matcher);
  EXPECT_EQ(all(**matcher, text), (Places{{12286, 4}, {99996, 4}}));
}

}  // namespace
}  // namespace img::show
