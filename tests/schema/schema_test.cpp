// SPDX-License-Identifier: MIT
// The .fbs files keep the rules that walkers rely on and flatc does not check.
#include <flatbuffers/reflection.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <iterator>
#include <map>
#include <set>
#include <string>

#include "schema/binary_schema.h"
#include "schema/layout.h"
#include "tests/support/scratch.h"

namespace img::schema {
namespace {

const reflection::Schema& current() {
  return *reflection::GetSchema(binary_schema().data());
}

std::string mark(const reflection::Field& field, const char* key) {
  const auto* found =
      field.attributes() == nullptr ? nullptr : field.attributes()->LookupByKey(key);
  return found == nullptr || found->value() == nullptr ? "" : found->value()->str();
}

bool has(const reflection::Field& field, const char* key) {
  return field.attributes() != nullptr && field.attributes()->LookupByKey(key) != nullptr;
}

TEST(Schema, MessagesHaveANumberForEveryFieldAndOurTablesForNone) {
  for (const reflection::Object* table : *current().objects()) {
    const bool message =
        table->attributes() != nullptr && table->attributes()->LookupByKey("criu") != nullptr;
    std::set<std::string> numbers;
    for (const reflection::Field* field : *table->fields()) {
      const std::string where = table->name()->str() + "." + field->name()->str();
      EXPECT_EQ(has(*field, "pb"), message) << where;
      if (message) {
        const std::string pb = mark(*field, "pb");
        EXPECT_TRUE(numbers.insert(pb.substr(0, pb.find(' '))).second) << where << ": used twice";
      }
    }
  }
}

TEST(Schema, WireTypesFitTheirFields) {
  const std::map<std::string, reflection::BaseType> types = {{" sint32", reflection::Int},
                                                             {" sint64", reflection::Long},
                                                             {" fixed32", reflection::UInt},
                                                             {" fixed64", reflection::ULong}};
  for (const reflection::Object* table : *current().objects()) {
    for (const reflection::Field* field : *table->fields()) {
      const std::string pb = mark(*field, "pb");
      const std::size_t space = pb.find(' ');
      if (space == std::string::npos) {
        continue;
      }
      const auto expected = types.find(pb.substr(space));
      ASSERT_NE(expected, types.end()) << pb;
      const reflection::Type& type = *field->type();
      EXPECT_EQ(type.base_type() == reflection::Vector ? type.element() : type.base_type(),
                expected->second)
          << table->name()->str() << "." << field->name()->str();
    }
  }
}

TEST(Schema, PresentationFitsItsFields) {
  for (const TableLayout& table : table_layouts()) {
    for (const FieldLayout& field : table.fields) {
      const std::string where = std::string(table.name) + "." + std::string(field.name);
      const bool number = field.is_scalar() && field.type != Type::enumeration;
      switch (field.show) {
        case Show::plain: break;
        case Show::hex: EXPECT_TRUE(number || field.type == Type::table) << where; break;
        case Show::dev:
        case Show::odev:
        case Show::flags:
        case Show::dict: EXPECT_TRUE(number && !field.repeated) << where; break;
        case Show::ipaddr:
          EXPECT_TRUE(field.type == Type::uint32 && field.repeated) << where;
          break;
        case Show::quoted_printable: EXPECT_EQ(field.type, Type::bytes) << where; break;
      }
    }
  }
}

// Walkers keep one bit for each field of a message.
TEST(Schema, NoTableHasMoreThan64Fields) {
  for (const TableLayout& table : table_layouts()) {
    EXPECT_LE(table.fields.size(), 64U) << table.name;
  }
}

// Two fields of one table with one name in JSON could not be told apart when read back.
TEST(Schema, NamesInJsonAreUnique) {
  for (const TableLayout& table : table_layouts()) {
    std::set<std::string_view> names;
    for (const FieldLayout& field : table.fields) {
      EXPECT_TRUE(names.insert(field.json_name).second) << table.name << "." << field.json_name;
    }
  }
}

/// Words like PST-1 and CORE-14.
std::set<std::string> rules_in(const std::string& text) {
  const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  std::set<std::string> found;
  for (auto at = text.begin(); at != text.end();) {
    const auto word = std::find_if(at, text.end(), is_upper);
    const auto dash = std::find_if_not(word, text.end(), is_upper);
    at = dash;
    if (dash == text.end() || *dash != '-' || dash - word < 2 || dash - word > 4) {
      continue;
    }
    at = std::find_if_not(dash + 1, text.end(), is_digit);
    const bool is_whole = word == text.begin() || !std::isalnum(word[-1]);
    if (is_whole && at - dash >= 2 && at - dash <= 3) {
      found.emplace(word, at);
    }
  }
  return found;
}

TEST(Schema, CommentsNameOnlyRulesOfTheFormat) {
  const std::filesystem::path folder = std::filesystem::path(STASIS_SOURCE) / "schema";
  const std::set<std::string> known = rules_in(test::slurp(folder / "FORMAT.md"));
  EXPECT_GT(known.size(), 100U);
  EXPECT_TRUE(known.contains("CORE-14"));
  EXPECT_FALSE(known.contains("AVX-512"));
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".fbs") {
      continue;
    }
    for (const std::string& id : rules_in(test::slurp(entry.path()))) {
      EXPECT_TRUE(known.contains(id)) << entry << " names " << id;
    }
  }
}

TEST(Schema, EveryFileIsPartOfTheFormat) {
  std::set<std::string> known;
  for (const reflection::SchemaFile* file : *current().fbs_files()) {
    known.insert(std::filesystem::path(file->filename()->str()).filename());
  }
  const std::filesystem::path folder = std::filesystem::path(STASIS_SOURCE) / "schema";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".fbs") {
      EXPECT_TRUE(known.contains(entry.path().filename()))
          << "stasis.fbs does not include " << entry;
    }
  }
}

}  // namespace
}  // namespace img::schema
