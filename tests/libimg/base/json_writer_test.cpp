// SPDX-License-Identifier: MIT
#include "libimg/base/json_writer.h"

#include <gtest/gtest.h>

#include "libimg/base/base64.h"

namespace img {
namespace {

std::string written(const std::function<void(JsonWriter&)>& body) {
  std::string out;
  {
    JsonWriter json([&](std::string_view piece) { out += piece; });
    json.begin_object();
    body(json);
    json.end_to(0);
  }
  return out;
}

TEST(Base64, Pads) {
  EXPECT_EQ(base64(as_bytes("")), "");
  EXPECT_EQ(base64(as_bytes("f")), "Zg==");
  EXPECT_EQ(base64(as_bytes("fo")), "Zm8=");
  EXPECT_EQ(base64(as_bytes("foo")), "Zm9v");
  EXPECT_EQ(base64(as_bytes("foob\xff")), "Zm9vYv8=");
}

TEST(JsonWriter, WritesNestedValues) {
  EXPECT_EQ(written([](JsonWriter& json) {
              json.number("n", 7);
              json.begin_array("list");
              json.begin_object();
              json.boolean("b", true);
              json.end();
              json.null({});
              json.end();
              json.number_signed("s", -3);
            }),
            R"({"n": 7, "list": [{"b": true}, null], "s": -3})");
}

TEST(JsonWriter, ClosesWhatIsOpen) {
  EXPECT_EQ(written([](JsonWriter& json) {
              json.begin_array("a");
              json.begin_object();
              json.end_to(1);
              json.text("error", "x");
            }),
            R"({"a": [{}], "error": "x"})");
}

TEST(JsonWriter, KeepsTextExact) {
  EXPECT_EQ(written([](JsonWriter& json) { json.text("t", "a\"\\\n\x01\x7f\xc2\x9bü"); }),
            R"({"t": "a\"\\\n\u0001\u007f\u009bü"})");
  EXPECT_EQ(written([](JsonWriter& json) { json.text("t", "a\xff"); }),
            R"({"t": "a\\xff", "t_base64": "Yf8="})");
  const std::vector<std::string> mixed = {"a", "\xff"};
  EXPECT_EQ(written([&](JsonWriter& json) { json.texts("t", mixed); }),
            R"({"t": ["a", "\\xff"], "t_base64": ["YQ==", "/w=="]})");
}

TEST(JsonWriter, WritesLargeNumbersAsHex) {
  EXPECT_EQ(written([](JsonWriter& json) {
              json.number("exact", 1ULL << 53);
              json.number("large", (1ULL << 53) + 1);
              json.hex("address", 0x1000);
              json.time("at", 0);
            }),
            R"({"exact": 9007199254740992, "large": "0x20000000000001", "address": "0x1000", )"
            R"("at": "1970-01-01T00:00:00Z"})");
}

}  // namespace
}  // namespace img
