// SPDX-License-Identifier: MIT
#include "libimg/base/text.h"

#include <gtest/gtest.h>

#include "libimg/base/image_name.h"
#include "libimg/base/units.h"

namespace img {
namespace {

TEST(Text, SaysWhatIsUtf8) {
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8("grün \xe2\x82\xac \xf0\x9f\x98\x80"));
  EXPECT_FALSE(is_utf8("\x80"));
  EXPECT_FALSE(is_utf8("\xc0\xaf"));          // overlong
  EXPECT_FALSE(is_utf8("\xed\xa0\x80"));      // surrogate
  EXPECT_FALSE(is_utf8("\xf4\x90\x80\x80"));  // past U+10FFFF
  EXPECT_FALSE(is_utf8("\xe2\x82"));          // cut
}

TEST(Text, EscapesWhatATerminalWouldObey) {
  EXPECT_EQ(escaped("plain grün"), "plain grün");
  EXPECT_EQ(escaped("\x1b[31mred\n\t\x7f"), "\\x1b[31mred\\x0a\\x09\\x7f");
  EXPECT_EQ(escaped("a\xff\xfe"), "a\\xff\\xfe");
  EXPECT_EQ(escaped("\xc2\x9b"), "\\xc2\\x9b");  // C1: CSI
  EXPECT_EQ(escaped("\xe2\x80\xae"
                    "txt"),
            "\\xe2\\x80\\xaetxt");  // right-to-left override
  EXPECT_EQ(escaped(std::string_view("\0x", 2)), "\\x00x");
}

TEST(Text, CutsLongTextAtACharacter) {
  EXPECT_EQ(escaped("abcdef", 6), "abcdef");
  EXPECT_EQ(escaped("abcdefg", 6), "abc...");
  EXPECT_EQ(escaped("ab\xffg", 6), "ab...");
  EXPECT_EQ(escaped("abcdef", 2), "..");
}

TEST(Units, ReadsDurations) {
  EXPECT_EQ(*parse_duration("500ms"), kSecond / 2);
  EXPECT_EQ(*parse_duration("10"), 10 * kSecond);
  EXPECT_EQ(*parse_duration("10min"), 600 * kSecond);
  EXPECT_EQ(*parse_duration("4w"), 28 * 86400 * kSecond);
  for (const char* bad : {"", "ms", "-1s", "1.5h", "10 s", "1y", " 1"}) {
    EXPECT_FALSE(parse_duration(bad)) << bad;
  }
  EXPECT_EQ(parse_duration("99999999999w").error().fault, Fault::limit);
}

TEST(Units, ReadsSizes) {
  EXPECT_EQ(*parse_size("4096"), 4096u);
  EXPECT_EQ(*parse_size("1M"), 1u << 20);
  EXPECT_EQ(*parse_size("2GiB"), 2ull << 30);
  EXPECT_FALSE(parse_size("1MB"));  // a million or 2^20?
  EXPECT_EQ(parse_size("99999999999T").error().fault, Fault::limit);
}

TEST(Units, ReadsNumbers) {
  EXPECT_EQ(*parse_number("0x7f"), 127u);
  EXPECT_EQ(*parse_number("18446744073709551615"), ~0ull);
  EXPECT_FALSE(parse_number("18446744073709551616"));
  EXPECT_FALSE(parse_number("0x"));
  EXPECT_FALSE(parse_number("12z"));
}

TEST(Units, PrintsForPeople) {
  EXPECT_EQ(size_text(1023), "1023 B");
  EXPECT_EQ(size_text(4096), "4.0 KiB");
  EXPECT_EQ(size_text((1ull << 20) - 1), "1.0 MiB");
  EXPECT_EQ(size_text(~0ull), "16.0 EiB");
  EXPECT_EQ(duration_text(850'000), "850 us");
  EXPECT_EQ(duration_text(125 * kSecond), "2 min 5 s");
  EXPECT_EQ(hex(0x7fff'ffff'f000), "0x7ffffffff000");
  EXPECT_EQ(rfc3339(1795257720ull * kSecond + 999), "2026-11-21T10:42:00Z");
  EXPECT_EQ(compact_time(1795257720ull * kSecond), "20261121T104200Z");
}

TEST(ImageName, HoldsTheGrammar) {
  EXPECT_TRUE(is_image_name("redis-1.2_x"));
  EXPECT_TRUE(is_image_name(std::string(128, 'a')));
  for (const std::string& bad : {std::string(), std::string(".a"), std::string("-a"),
                                 std::string("a/b"), std::string("ä"), std::string(129, 'a')}) {
    EXPECT_FALSE(is_image_name(bad)) << bad;
    EXPECT_FALSE(check_image_name(bad));
  }
}

TEST(ImageName, MakesNames) {
  EXPECT_EQ(sanitised_name("a b/ü"), "a_b___");
  EXPECT_EQ(sanitised_name(".x"), "_x");
  EXPECT_EQ(sanitised_name(""), "image");
  EXPECT_EQ(default_name("redis server", 1795257720ull * kSecond), "redis_server-20261121T104200Z");
  EXPECT_EQ(numbered_name("web", 3), "web.3");
  const std::string longest = numbered_name(std::string(128, 'a'), 12);
  EXPECT_TRUE(is_image_name(longest));
  EXPECT_TRUE(longest.ends_with("a.12"));
  EXPECT_TRUE(is_image_name(default_name(std::string(500, 'b'), 0)));
}

}  // namespace
}  // namespace img
