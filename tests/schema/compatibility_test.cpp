// SPDX-License-Identifier: MIT
#include "tests/schema/compatibility.h"

#include <flatbuffers/idl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace img::schema {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kBase = R"(
namespace t;
attribute "pb"; attribute "criu"; attribute "json"; attribute "hex";
enum Colour : int (criu: "colour") { RED = 0, BLUE = 1 }
struct Point { x: uint; y: uint; }
table Sub (criu: "sub") { at: ulong (pb: 1, hex); }
table Entry (criu: "entry") {
  id: uint (pb: 1);
  name: string (pb: 2, required);
  size: uint = null (pb: 3);
  colour: Colour (pb: 4);
  list: [ulong] (pb: "5 fixed64");
  sub: Sub (pb: 6, json: "below");
}
table Own { count: uint; level: uint = 1; point: Point; }
)";

/// The binary schema of a text, as flatc -b --schema --bfbs-builtins makes it.
std::string compiled(const std::string& text) {
  flatbuffers::IDLOptions options;
  options.binary_schema_builtins = true;
  flatbuffers::Parser parser(options);
  EXPECT_TRUE(parser.Parse(text.c_str())) << parser.error_ << text;
  parser.Serialize();
  return {reinterpret_cast<const char*>(parser.builder_.GetBufferPointer()),
          parser.builder_.GetSize()};
}

std::string replaced(std::string_view from, std::string_view to) {
  std::string text(kBase);
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

std::vector<std::string> after(std::string_view from, std::string_view to) {
  const std::string older = compiled(std::string(kBase));
  const std::string newer = compiled(replaced(from, to));
  return incompatibilities(*reflection::GetSchema(older.data()),
                           *reflection::GetSchema(newer.data()));
}

struct Change {
  const char* from;
  const char* to;
  const char* finding;
};

TEST(Compatibility, FindsEveryBreakingChange) {
  const Change changes[] = {
      {"(pb: 3)", "(pb: 7)", "Entry.size: attribute pb changed from 3 to 7"},
      {"\"5 fixed64\"", "5", "Entry.list: attribute pb changed from 5 fixed64 to 5"},
      {"  id: uint (pb: 1);\n", "", "Entry.id: removed"},
      {"  sub: Sub (pb: 6, json: \"below\");\n", "", "Entry.sub: removed"},
      {"level: uint = 1;", "level: uint = 1 (deprecated);", "Own.level: removed"},
      {"  id: uint (pb: 1);\n  name: string (pb: 2, required);",
       "  name: string (pb: 2, required);\n  id: uint (pb: 1);", "Entry.id: moved"},
      {"  size: uint = null (pb: 3);", "  extent: uint = null (pb: 3);",
       "Entry.size: renamed to extent"},
      {"size: uint =", "size: ulong =", "Entry.size: type changed"},
      {"size: uint =", "size: int =", "Entry.size: type changed"},
      {"colour: Colour", "colour: int", "Entry.colour: type changed"},
      {"[ulong]", "[uint]", "Entry.list: type changed"},
      {"[ulong]", "ulong", "Entry.list: type changed"},
      {"size: uint = null", "size: uint", "Entry.size: made always present"},
      {"id: uint", "id: uint = null", "Entry.id: made optional"},
      {"(pb: 2, required)", "(pb: 2)", "Entry.name: no longer required"},
      {"(pb: 6, json", "(pb: 6, required, json", "Entry.sub: made required"},
      {"level: uint = 1", "level: uint = 2", "Own.level: default changed"},
      {"level: uint = 1", "level: uint", "Own.level: default changed"},
      {"table Own { count: uint; level: uint = 1; point: Point; }", "", "t.Own: removed"},
      {"Point { x: uint; y: uint; }", "Point { x: uint; y: uint; z: uint; }", "t.Point: struct"},
      {"Point { x: uint; y: uint; }", "Point { x: uint; }", "t.Point: struct"},
      {"Point { x: uint; y: uint; }", "Point { x: uint; y: ulong; }", "Point.y: type changed"},
      {"Point { x: uint; y: uint; }", "Point { y: uint; x: uint; }", "Point.x: moved"},
      {"struct Point", "table Point", "t.Point: table made a struct"},
      {"BLUE = 1", "BLUE = 2", "Colour.BLUE: value changed"},
      {"RED = 0, BLUE = 1", "RED = 0", "Colour.BLUE: removed"},
      {"Colour : int", "Colour : short", "t.Colour: type changed"},
      {"(criu: \"colour\")", "(criu: \"color\")", "t.Colour: attribute criu changed"},
      {"(criu: \"entry\")", "(criu: \"entries\")", "t.Entry: attribute criu changed"},
      {"(criu: \"sub\")", "", "t.Sub: attribute criu removed"},
      {"json: \"below\"", "json: \"under\"", "Entry.sub: attribute json changed"},
      {", json: \"below\"", "", "Entry.sub: attribute json removed"},
      {"(pb: 1, hex)", "(pb: 1)", "Sub.at: attribute hex removed"},
      {"id: uint (pb: 1)", "id: uint (pb: 1, hex)", "Entry.id: attribute hex added"},
      {"json: \"below\");", "json: \"below\"); more: uint (pb: 7);", "Entry.more: added"},
      {"json: \"below\");", "json: \"below\"); more: string (pb: 7, required);",
       "Entry.more: added"},
      {"point: Point; }", "point: Point; more: string (required); }", "Own.more: added"},
  };
  for (const Change& change : changes) {
    EXPECT_THAT(after(change.from, change.to), Contains(HasSubstr(change.finding)))
        << change.from << " -> " << change.to;
  }
}

TEST(Compatibility, AllowsWhatOlderProgramsCanSkip) {
  const std::pair<const char*, const char*> changes[] = {
      {"json: \"below\");", "json: \"below\"); more: uint = null (pb: 7);"},
      {"json: \"below\");", "json: \"below\"); more: string (pb: 7); most: [Sub] (pb: 8);"},
      {"point: Point; }", "point: Point; more: uint; }"},
      {"BLUE = 1", "BLUE = 1, GREEN = 2"},
      {"table Own", "table Another { a: uint; } table Own"},
      {"table Own", "/// What it is.\ntable Own"},
      {"enum Colour", "struct Line { x: ulong; } enum Colour"},
  };
  for (const auto& [from, to] : changes) {
    EXPECT_THAT(after(from, to), IsEmpty()) << from << " -> " << to;
  }
}

TEST(Compatibility, KindsAreKept) {
  const auto base = parse_kinds(
      "// IMG_KIND(9, no, \"\")\n"
      "IMG_KIND(1, pstree, \"PSTREE\", 0x50273030, \"pstree.img\", many, \"PstreeEntry\", none)\n"
      "IMG_OWN_KIND(256, zombie, \"Zombie\")  // id: pid\n");
  ASSERT_EQ(base.size(), 2U);
  EXPECT_EQ(base[0], (KindLine{"1", "pstree", "\"PSTREE\"", "0x50273030", "\"pstree.img\"", "many",
                               "\"PstreeEntry\"", "none"}));
  EXPECT_EQ(base[1], (KindLine{"256", "zombie", "\"Zombie\""}));
  EXPECT_THAT(kind_incompatibilities(base, base), IsEmpty());
  for (std::size_t line = 0; line < base.size(); ++line) {
    auto without = base;
    without.erase(without.begin() + static_cast<std::ptrdiff_t>(line));
    EXPECT_THAT(kind_incompatibilities(base, without), Contains(HasSubstr("removed")));
    EXPECT_THAT(kind_incompatibilities(without, base), IsEmpty());
    for (std::size_t argument = 0; argument < base[line].size(); ++argument) {
      auto other = base;
      other[line][argument] += "1";
      EXPECT_THAT(kind_incompatibilities(base, other), testing::SizeIs(1)) << argument;
    }
  }
}

}  // namespace
}  // namespace img::schema
