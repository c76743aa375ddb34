// SPDX-License-Identifier: MIT
// Random messages of every kind, with every liberty that protobuf allows, through JSON and back.
#include <gtest/gtest.h>

#include "tests/libimg/criu/random_message.h"
#include "tests/libimg/json/text_records.h"

namespace img::json {
namespace {

using testing::Kept;
using testing::read_text;
using testing::write_text;

class RandomRecords : public ::testing::TestWithParam<const schema::KindInfo*> {};

/// Nothing, if the message is one that no reader would pass on.
std::optional<Kept> random_record(const schema::KindInfo& kind,
                                  criu::testing::RandomMessage& random) {
  const std::string message = random.message(*kind.table);
  criu::Decoder decoder;
  decoder.begin();
  const auto root = decoder.message(*kind.table, as_bytes(message));
  if (!root) {
    return std::nullopt;
  }
  model::Record record{{{kind.kind, 7}, 1}, kind.table, decoder.finish(*root), {}, {}};
  if (!decoder.is_canonical()) {
    record.original = as_bytes(message);
  }
  std::string payload(kind.payload == schema::PayloadRule::none ? 0 : random.below(200), '\0');
  for (char& c : payload) {
    c = static_cast<char>(random.below(256));
  }
  if (!payload.empty()) {
    record.payload.parts.push_back(as_bytes(payload));
  }
  return Kept(record);
}

TEST_P(RandomRecords, ComeBackFromPrettyAndPlain) {
  criu::testing::RandomMessage random(GetParam()->magic, true);
  int tried = 0;
  for (int i = 0; i < 200; ++i) {
    const std::optional<Kept> kept = random_record(*GetParam(), random);
    if (!kept) {
      continue;
    }
    ++tried;
    for (const bool pretty : {true, false}) {
      const auto text = write_text(GetParam()->kind, {*kept}, {.pretty = pretty});
      ASSERT_TRUE(text) << text.error().line();
      const auto back = read_text(GetParam()->kind, *text);
      ASSERT_TRUE(back) << back.error().line() << "\n" << *text;
      ASSERT_EQ(back->size(), 1U) << *text;
      EXPECT_EQ(back->front().encoded(), kept->encoded()) << *text;
      EXPECT_EQ(back->front().original, kept->original) << *text;
      EXPECT_EQ(back->front().payload, kept->payload) << *text;
      EXPECT_EQ(*write_text(GetParam()->kind, *back, {.pretty = pretty}), *text);
    }
  }
  EXPECT_GT(tried, 50);
}

std::vector<const schema::KindInfo*> kinds_with_messages() {
  std::vector<const schema::KindInfo*> found;
  for (const schema::KindInfo& info : schema::kinds()) {
    if (!info.crit_name.empty()) {
      found.push_back(&info);
    }
  }
  return found;
}

INSTANTIATE_TEST_SUITE_P(Every, RandomRecords, ::testing::ValuesIn(kinds_with_messages()),
                         [](const auto& test) { return std::string(test.param->name); });

}  // namespace
}  // namespace img::json
