// SPDX-License-Identifier: MIT
// FORMAT.md's limits are those of the code.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>

#include "libimg/base/image_name.h"
#include "libimg/criu/decoder.h"
#include "libimg/criu/parent_link.h"
#include "libimg/model/record.h"
#include "libimg/store/env.h"
#include "libimg/store/envelope.h"
#include "libimg/store/features.h"
#include "libimg/store/record_table.h"
#include "tests/support/scratch.h"

namespace img {
namespace {

std::string format_page() {
  return test::slurp(std::filesystem::path(STASIS_SOURCE) / "schema/FORMAT.md");
}

/// "256 MiB" of the line "| one message of an image file | 256 MiB |"; 0 where there is none.
std::uint64_t limit(const std::string& page, const std::string& what) {
  const std::size_t at = page.find("| " + what);
  if (at == std::string::npos) {
    return 0;
  }
  std::string text = page.substr(page.find("| ", at + 2) + 2);
  text.resize(text.find(" |"));
  const std::uint64_t unit = text.ends_with("MiB") ? 1U << 20U : 1;
  std::erase(text, ',');
  return std::stoull(text) * unit;
}

TEST(Format, LimitsAreThoseOfTheCode) {
  const std::string page = format_page();
  EXPECT_EQ(limit(page, "one message of an image file"), criu::kMaxMessageBytes);
  EXPECT_EQ(limit(page, "nesting"), criu::kMaxDepth);
  EXPECT_EQ(limit(page, "nesting"), store::kMaxTableDepth);
  EXPECT_EQ(limit(page, "sub-messages in one message"), criu::kMaxTables);
  EXPECT_EQ(limit(page, "elements of repeated fields"), criu::kMaxElements);
  EXPECT_EQ(limit(page, "bytes after the only message"), criu::kMaxTrailingBytes);
  EXPECT_EQ(limit(page, "FlatBuffer and original of a record"), store::kMaxRecordBytes);
  EXPECT_EQ(limit(page, "payload inside a value"), store::kMaxInlinePayload);
  EXPECT_EQ(limit(page, "entries of a PagemapChunk"), model::kChunkEntries);
  EXPECT_EQ(limit(page, "levels of a chain"), criu::kMaxChain);
  EXPECT_EQ(limit(page, "a name, a series"), kMaxImageName);
  EXPECT_EQ(limit(page, "no such limit"), 0U);
}

TEST(Format, NumbersOfTheStoreAreThoseOfTheCode) {
  const std::string page = format_page();
  EXPECT_NE(page.find("**The format number** is " + std::to_string(store::kFormat) + "."),
            std::string::npos);
  EXPECT_NE(page.find("uses; " + std::to_string(store::kSchemaVersion) + " (section"),
            std::string::npos);
  EXPECT_NE(page.find("readers at once " + std::to_string(store::kMaxReaders)), std::string::npos);
}

}  // namespace
}  // namespace img
