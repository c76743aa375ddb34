// SPDX-License-Identifier: MIT
#include <flatbuffers/reflection.h>
#include <gtest/gtest.h>

#include "libimg/criu/decoder.h"
#include "libimg/criu/encoder.h"
#include "schema/binary_schema.h"
#include "schema/core_generated.h"
#include "schema/mm_generated.h"
#include "tests/libimg/criu/random_message.h"

namespace img::criu {
namespace {

using schema::TableLayout;
using testing::RandomMessage;

bool verifies(const TableLayout& table, Bytes buffer) {
  const auto* all = reflection::GetSchema(schema::binary_schema().data());
  const auto* object =
      all->objects()->LookupByKey(("img.schema." + std::string(table.name)).c_str());
  return object != nullptr &&
         flatbuffers::Verify(*all, *object, reinterpret_cast<const std::uint8_t*>(buffer.data()),
                             buffer.size());
}

std::vector<const TableLayout*> criu_tables() {
  std::vector<const TableLayout*> all;
  for (const TableLayout& table : schema::table_layouts()) {
    if (!table.criu_name.empty()) {
      all.push_back(&table);
    }
  }
  return all;
}

struct Decoded {
  bool ok = false;
  bool canonical = false;
  std::string again;
};

Decoded round_trip(const TableLayout& table, const std::string& message) {
  static Decoder decoder;
  static Encoder encoder;
  decoder.begin();
  const auto root = decoder.message(table, as_bytes(message));
  if (!root) {
    return {};
  }
  const Bytes buffer = decoder.finish(*root);
  EXPECT_TRUE(verifies(table, buffer)) << table.name;
  const auto& from = *flatbuffers::GetRoot<flatbuffers::Table>(buffer.data());
  return {true, decoder.is_canonical(), std::string(as_text(encoder.encode(table, from)))};
}

TEST(Transcode, KnowsEveryCriuMessage) {
  EXPECT_GE(criu_tables().size(), 155U);  // those of CRIU 4.2
}

TEST(Transcode, GivesBackWhatCriuWrites) {
  for (const TableLayout* table : criu_tables()) {
    for (unsigned seed = 0; seed < 60; ++seed) {
      const std::string message = RandomMessage(seed, false).message(*table);
      const Decoded result = round_trip(*table, message);
      ASSERT_TRUE(result.ok) << table->name << " seed " << seed;
      EXPECT_TRUE(result.canonical) << table->name << " seed " << seed;
      ASSERT_EQ(result.again, message) << table->name << " seed " << seed;
    }
  }
}

// What the importer trusts: it keeps the original bytes only where is_canonical() says no.
TEST(Transcode, CanonicalMeansThatEncodingGivesTheSameBytes) {
  unsigned odd = 0;
  for (const TableLayout* table : criu_tables()) {
    for (unsigned seed = 0; seed < 300; ++seed) {
      const std::string message = RandomMessage(seed, true).message(*table);
      const Decoded result = round_trip(*table, message);
      ASSERT_TRUE(result.ok) << table->name << " seed " << seed;
      ASSERT_EQ(result.canonical, result.again == message) << table->name << " seed " << seed;
      odd += result.canonical ? 0U : 1U;
      const Decoded again = round_trip(*table, result.again);
      ASSERT_TRUE(again.canonical && again.again == result.again)
          << table->name << " seed " << seed;
    }
  }
  EXPECT_GT(odd, 5000U) << "the generator takes too few liberties to test anything";
}

TEST(Transcode, AnyBytesAreRefusedOrRead) {
  const auto tables = criu_tables();
  RandomMessage random(7, true);
  unsigned refused = 0;
  for (unsigned round = 0; round < 60'000; ++round) {
    const TableLayout& table = *tables[random.below(tables.size())];
    std::string message = RandomMessage(round, true).message(table);
    for (std::size_t flips = random.below(4); flips-- > 0 && !message.empty();) {
      message[random.below(message.size())] = static_cast<char>(random.below(256));
    }
    message.resize(random.chance(3) ? random.below(message.size() + 1) : message.size());
    const Decoded result = round_trip(table, message);
    refused += result.ok ? 0U : 1U;
    if (result.ok && result.canonical) {
      ASSERT_EQ(result.again, message);
    }
  }
  EXPECT_GT(refused, 1000U);
}

std::optional<DecodeFailure> failure_of(std::string_view table, const std::string& message) {
  Decoder decoder;
  decoder.begin();
  if (decoder.message(schema::table_layout(table), as_bytes(message))) {
    return std::nullopt;
  }
  return decoder.failure();
}

TEST(Transcode, NamesTheMissingField) {
  const auto failure = failure_of("CoreEntry", std::string("\x08\x01\x1a\x02\x08\x01", 6));
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->why, DecodeFailure::Why::missing_field);
  EXPECT_EQ(failure->field, "tc.exit_code");
}

TEST(Transcode, RefusesDeepGroupsWithoutRecursing) {
  std::string groups;
  for (int i = 0; i < 100'000; ++i) {
    groups += '\x5b';  // field 11, start of a group
  }
  const auto failure = failure_of("PstreeEntry", groups);
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->why, DecodeFailure::Why::too_deep);
}

TEST(Transcode, MergesAMessageThatComesTwice) {
  // thread_core.sas in two pieces, as protobuf allows.
  const TableLayout& table = schema::table_layout("ThreadCoreEntry");
  const std::string required("\x08\x01\x10\x02", 4);
  const std::string first("\x3a\x04\x08\x05\x10\x06", 6);
  const std::string second("\x3a\x02\x18\x07", 4);
  const Decoded result = round_trip(table, required + first + second);
  ASSERT_TRUE(result.ok);
  EXPECT_FALSE(result.canonical);
  EXPECT_EQ(result.again, required + std::string("\x3a\x06\x08\x05\x10\x06\x18\x07", 8));
}

TEST(Transcode, TellsOfUnknownFieldsAndValues) {
  Decoder decoder;
  decoder.begin();
  const std::string message("\x08\x63\x1a\x0c\x08\x01\x10\x00\x18\x00\x20\x00\x28\x00\x32\x00", 16);
  ASSERT_TRUE(decoder.message(schema::table_layout("CoreEntry"), as_bytes(message)));
  EXPECT_EQ(decoder.unknown_field(), "mtype = 99");
}

}  // namespace
}  // namespace img::criu
