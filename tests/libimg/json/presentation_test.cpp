// SPDX-License-Identifier: MIT
#include "libimg/json/presentation.h"

#include <gtest/gtest.h>

namespace img::json {
namespace {

const schema::FieldLayout& field_of(std::string_view table, std::string_view field) {
  return *schema::table_layout(table).by_name(field);
}

std::string shown(const schema::FieldLayout& field, Bits value, bool hex = false) {
  StringSink sink;
  TextOut out;
  out.start(sink);
  put_pretty(out, field, value, hex);
  EXPECT_TRUE(out.flush());
  return sink.text;
}

struct Case {
  const char* table;
  const char* field;
  Bits value;
  const char* text;
};

TEST(Presentation, EveryRuleAndBack) {
  const Case cases[] = {
      {"VmaEntry", "start", 0x7f0000000000, "\"0x7f0000000000\""},
      {"VmaEntry", "pgoff", 12, "12"},
      {"VmaEntry", "prot", 7, "\"PROT_READ | PROT_WRITE | PROT_EXEC\""},
      {"VmaEntry", "prot", 0, "\"\""},
      {"VmaEntry", "prot", 0x101, "\"PROT_READ | 0x100\""},
      {"VmaEntry", "status", 0x80010000, "\"VMA_UNSUPP | 0x10000\""},
      {"VmaEntry", "fd", static_cast<Bits>(-1), "-1"},
      {"GhostFileEntry", "dev", (8U << 20) | 5, "\"8:5\""},
      {"GhostFileEntry", "rdev", 0x12345678, "\"1110:74616\""},
      {"InetSkEntry", "family", 10, "\"INET6\""},
      {"InetSkEntry", "family", 99, "99"},
      {"TaskCoreEntry", "task_state", 3, "\"Stopped\""},
      {"TaskCoreEntry", "task_state", 2, "2"},
      {"TaskCoreEntry", "old_seccomp_mode", 2, "\"filter\""},
      {"TaskCoreEntry", "old_seccomp_mode", 77, "77"},
      {"TaskCoreEntry", "child_subreaper", 1, "true"},
  };
  for (const Case& one : cases) {
    const schema::FieldLayout& field = field_of(one.table, one.field);
    EXPECT_EQ(shown(field, one.value), one.text) << one.field;
    std::string_view text = one.text;
    if (text.starts_with('"')) {
      EXPECT_EQ(parse_value(field, text.substr(1, text.size() - 2)), one.value) << one.field;
    }
  }
}

TEST(Presentation, HexFromAboveWinsOverNamesButNotOverEnums) {
  EXPECT_EQ(shown(field_of("VmaEntry", "prot"), 3, true), "\"0x3\"");
  EXPECT_EQ(shown(field_of("VmaEntry", "fd"), static_cast<Bits>(-16), true), "\"-0x10\"");
  EXPECT_EQ(shown(field_of("UserX86RegsEntry", "mode"), 1, true), "\"NATIVE\"");
  EXPECT_EQ(parse_value(field_of("VmaEntry", "fd"), "-0x10"), static_cast<Bits>(-16));
}

TEST(Presentation, StatesThatOnlyCritNames) {
  const schema::FieldLayout& state = field_of("TaskCoreEntry", "task_state");
  EXPECT_EQ(parse_value(state, "Zombie"), 3U);
  EXPECT_EQ(parse_value(state, "Dead"), 2U);
  EXPECT_EQ(parse_value(state, "0x6"), 6U);
}

TEST(Presentation, NumbersThatDoNotFitAreRefused) {
  const schema::FieldLayout& u32 = field_of("VmaEntry", "prot");
  EXPECT_EQ(parse_number(u32, "4294967295"), 0xffffffffU);
  EXPECT_EQ(parse_number(u32, "0x100000000"), std::nullopt);
  EXPECT_EQ(parse_number(u32, "-1"), std::nullopt);
  const schema::FieldLayout& i32 = field_of("TaskCoreEntry", "oom_score_adj");
  EXPECT_EQ(parse_number(i32, "-2147483648"), static_cast<Bits>(std::int64_t{INT32_MIN}));
  EXPECT_EQ(parse_number(i32, "2147483648"), std::nullopt);
  const schema::FieldLayout& i64 = field_of("VmaEntry", "fd");
  EXPECT_EQ(parse_number(i64, "-0x8000000000000000"), std::uint64_t{1} << 63);
  EXPECT_EQ(parse_number(i64, "0x8000000000000000"), std::nullopt);
  for (const char* text : {"", "0x", "1 2", "12a", "1.5", "--1", "0x-1", " 1"}) {
    EXPECT_EQ(parse_number(u32, text), std::nullopt) << text;
  }
  EXPECT_EQ(parse_number(u32, "0o17"), 15U);
  EXPECT_EQ(parse_number(u32, "0b101"), 5U);
}

TEST(Presentation, FlagsAndDevicesThatMeanNothingAreRefused) {
  EXPECT_EQ(parse_value(field_of("VmaEntry", "prot"), "PROT_READ|PROT_EXEC|0x40"), 0x45U);
  EXPECT_EQ(parse_value(field_of("VmaEntry", "prot"), "PROT_REED"), std::nullopt);
  EXPECT_EQ(parse_value(field_of("VmaEntry", "prot"), "PROT_READ |"), std::nullopt);
  EXPECT_EQ(parse_value(field_of("GhostFileEntry", "dev"), "8:1048576"), std::nullopt);
  EXPECT_EQ(parse_value(field_of("GhostFileEntry", "dev"), "4096:0"), std::nullopt);
  EXPECT_EQ(parse_value(field_of("GhostFileEntry", "dev"), "8:"), std::nullopt);
  EXPECT_EQ(parse_value(field_of("GhostFileEntry", "dev"), "8388613"), 8388613U);
}

// The texts are those of Python 3.11's ipaddress.
TEST(Presentation, Addresses) {
  const auto bytes = [](std::string_view hex) {
    std::string out;
    for (std::size_t i = 0; i < hex.size(); i += 2) {
      unsigned byte = 0;
      std::from_chars(hex.data() + i, hex.data() + i + 2, byte, 16);
      out += static_cast<char>(byte);
    }
    return out;
  };
  const std::pair<const char*, const char*> cases[] = {
      {"7f000001", "127.0.0.1"},
      {"00000000000000000000000000000000", "::"},
      {"00000000000000000000000000000001", "::1"},
      {"fe800000000000000000000000000000", "fe80::"},
      {"20010db8000000010000000000000001", "2001:db8:0:1::1"},
      {"20010db8000000000001000000000000", "2001:db8:0:0:1::"},
      {"20010db8000000000001000000000001", "2001:db8::1:0:0:1"},
      {"00010000000200000003000000040000", "1:0:2:0:3:0:4:0"},
      {"00000000000000000000ffff7f000001", "::ffff:7f00:1"},
  };
  for (const auto& [hex, text] : cases) {
    EXPECT_EQ(address_text(as_bytes(bytes(hex))), text);
    EXPECT_EQ(parse_address(text), bytes(hex)) << text;
  }
  EXPECT_EQ(parse_address("::ffff:127.0.0.1"), parse_address("::ffff:7f00:1"));
  for (const char* text : {"", "1.2.3", "1.2.3.4.5", "::1::", "localhost", "12345::"}) {
    EXPECT_EQ(parse_address(text), "") << text;
  }
}

// The texts are those of Python 3.11's quopri.encodestring, except where a line end would be lost.
TEST(Presentation, QuotedPrintable) {
  const std::string long_name(100, 'a');
  const std::pair<std::string, std::string> cases[] = {
      {"", ""},
      {std::string("\0abstract", 9), "=00abstract"},
      {"/run/a=b", "/run/a=3Db"},
      {"\xff\x7f", "=FF=7F"},
      {"a b\t", "a b=09"},
      {"a \nb", "a=20\nb"},
      {".", "=2E"},
      {"a.", "a."},
      {"a\r\nb", "a=0D=0Ab"},
      {long_name, std::string(75, 'a') + "=\n" + std::string(25, 'a')},
      {std::string(76, 'a'), std::string(76, 'a')},
      {std::string(73, 'a') + "=", std::string(73, 'a') + "=\n=3D"},
  };
  for (const auto& [bytes, text] : cases) {
    EXPECT_EQ(quoted_printable(bytes), text);
    EXPECT_EQ(parse_quoted_printable(text), bytes);
  }
  EXPECT_EQ(parse_quoted_printable("=\r\nx"), "x");
  for (const char* text : {"=", "=0", "=zz", "a= \n"}) {
    EXPECT_EQ(parse_quoted_printable(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace img::json
