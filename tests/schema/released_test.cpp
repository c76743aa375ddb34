// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <iterator>

#include "schema/binary_schema.h"
#include "tests/schema/compatibility.h"
#include "tests/support/scratch.h"

namespace img::schema {
namespace {

using testing::IsEmpty;

const std::filesystem::path kReleased = std::filesystem::path(STASIS_SOURCE) / "schema/released";

TEST(Released, EveryReleaseIsReadByThisOne) {
  const auto* current = reflection::GetSchema(binary_schema().data());
  const auto kinds =
      parse_kinds(test::slurp(std::filesystem::path(STASIS_SOURCE) / "schema/kinds.inc"));
  std::size_t releases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kReleased)) {
    if (entry.path().extension() != ".bfbs") {
      continue;
    }
    ++releases;
    const std::string bytes = test::slurp(entry.path());
    flatbuffers::Verifier verifier(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                   bytes.size());
    ASSERT_TRUE(reflection::VerifySchemaBuffer(verifier)) << entry.path();
    EXPECT_THAT(incompatibilities(*reflection::GetSchema(bytes.data()), *current), IsEmpty())
        << entry.path();
    const auto released =
        parse_kinds(test::slurp(std::filesystem::path(entry.path()).replace_extension(".kinds")));
    EXPECT_THAT(released, testing::Not(IsEmpty())) << entry.path();
    EXPECT_THAT(kind_incompatibilities(released, kinds), IsEmpty()) << entry.path();
  }
  EXPECT_GE(releases, 1U) << kReleased;
}

}  // namespace
}  // namespace img::schema
