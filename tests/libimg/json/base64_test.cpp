// SPDX-License-Identifier: MIT
#include "libimg/json/base64.h"

#include <gtest/gtest.h>

#include <random>

namespace img::json {
namespace {

std::string encoded(std::string_view bytes, std::size_t portion) {
  StringSink sink;
  TextOut out;
  out.start(sink);
  Base64Out base64(out);
  while (!bytes.empty()) {
    base64.put(as_bytes(bytes.substr(0, portion)));
    bytes.remove_prefix(std::min(portion, bytes.size()));
  }
  base64.finish();
  EXPECT_TRUE(out.flush());
  return sink.text;
}

TEST(Base64, KnownTexts) {
  EXPECT_EQ(encoded("", 1), "");
  EXPECT_EQ(encoded("f", 1), "Zg==\\n");
  EXPECT_EQ(encoded("fo", 1), "Zm8=\\n");
  EXPECT_EQ(encoded("foo", 1), "Zm9v\\n");
  EXPECT_EQ(encoded(std::string(58, '\xff'), 7), std::string(76, '/') + "\\n/w==\\n");
}

TEST(Base64, EverySizeInEveryPortionComesBack) {
  std::mt19937 random(1);
  std::string bytes;
  for (std::size_t size = 0; size < 400; ++size) {
    const std::string text = encoded(bytes, 1 + random() % 130);
    EXPECT_EQ(text, encoded(bytes, 1000));
    StringSink back;
    ASSERT_TRUE(decode_base64(text, back));
    EXPECT_EQ(back.text, bytes);
    bytes += static_cast<char>(random());
  }
}

TEST(Base64, LargerThanEveryBuffer) {
  std::string bytes(1 << 20, '\0');
  std::mt19937 random(2);
  for (char& byte : bytes) {
    byte = static_cast<char>(random());
  }
  StringSink back;
  ASSERT_TRUE(decode_base64(encoded(bytes, 4096), back));
  EXPECT_EQ(back.text, bytes);
}

TEST(Base64, FormsOfOtherWriters) {
  for (const char* text : {"Zm9vYg==", "Zm9v Yg==", "Zm\\n9vYg=\\u000a=", " Z m 9 v Y g = = "}) {
    StringSink back;
    ASSERT_TRUE(decode_base64(text, back)) << text;
    EXPECT_EQ(back.text, "foob") << text;
  }
  StringSink slash;
  ASSERT_TRUE(decode_base64("\\/w==", slash));
  EXPECT_EQ(slash.text, "\xff");
}

TEST(Base64, WhatIsNoBase64IsRefused) {
  for (const char* text : {"Z", "Zg", "Zg=", "Zg===", "=", "====", "Zg==Zg==", "Zm9v!", "Zm-_",
                           "Zh==", "Zm9=", "Zm9v\\u0100", "Zm9v\\\"", "Z=g="}) {
    StringSink back;
    EXPECT_FALSE(decode_base64(text, back)) << text;
  }
}

}  // namespace
}  // namespace img::json
