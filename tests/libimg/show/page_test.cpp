// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "libimg/show/json_page.h"
#include "libimg/show/text_page.h"

namespace img::show {
namespace {

std::string text_of(TextStyle style, const std::function<void(Page&)>& fill) {
  std::string text;
  {
    TextPage page([&text](std::string_view piece) { text += piece; }, style);
    fill(page);
  }
  return text;
}

void tree(Page& page) {
  static const std::vector<Column> kColumns = {{"pid", "PID", Align::right},
                                               {"bytes", "SIZE", Align::right, true},
                                               {"hidden", ""},
                                               {"", "NAME", Align::left, false, true}};
  page.begin("view", "Title");
  page.begin_table("rows", kColumns);
  page.row({Value::count(1), Value::size(2048), Value::hex(1), Value::text("root")});
  page.row({Value::count(20), Value::size(1024), Value::hex(2), Value::text("a\x1b[2J")},
           {1, false});
  page.row({Value::count(3), Value::size(0), Value::none(), Value::text("b")}, {2, true});
  page.row({Value::count(4), Value::none(), Value::none(), Value::text("c")}, {1, true});
  page.end_table();
  page.end();
}

TEST(TextPage, DrawsTreesAndAlignsColumns) {
  EXPECT_EQ(text_of({}, tree),
            "Title\n"
            "  PID     SIZE  NAME\n"
            "    1  2.0 KiB  root\n"
            "   20  1.0 KiB  |- a\\x1b[2J\n"
            "    3      0 B  |  `- b\n"
            "    4        -  `- c\n");
}

TEST(TextPage, DrawsBarsWhereThereIsATerminal) {
  const std::string text = text_of({true, false}, tree);
  EXPECT_NE(text.find("2.0 KiB ████████████████  root"), std::string::npos) << text;
  EXPECT_NE(text.find("1.0 KiB ████████          ├─ a"), std::string::npos) << text;
}

TEST(TextPage, NeverPassesControlCharactersOn) {
  const std::string text = text_of({}, [](Page& page) {
    page.begin("x", "title\x1b");
    page.field("k", "label", Value::text("v\n\x1b"));
    page.field("l", "list", Value::list({"a\x07", "\xff"}));
    page.say("line\r");
    page.end();
  });
  EXPECT_EQ(text, "title\\x1b\n  label  v\\x0a\\x1b\n  list   a\\x07, \\xff\n  line\\x0d\n");
}

TEST(JsonPage, WritesWhatHasAKey) {
  std::string text;
  {
    JsonWriter json([&text](std::string_view piece) { text += piece; });
    json.begin_object();
    JsonPage page(json);
    tree(page);
    page.field("odd", {}, Value::text("\xff"));
    page.field("numbers", {}, Value::numbers({1, 2}));
    page.field("none", {}, Value::none());
    json.end_to(0);
  }
  EXPECT_EQ(text,
            R"({"view": {"rows": [{"pid": 1, "bytes": 2048, "hidden": "0x1"}, )"
            R"({"pid": 20, "bytes": 1024, "hidden": "0x2"}, {"pid": 3, "bytes": 0}, {"pid": 4}]}, )"
            R"("odd": "\\xff", "odd_base64": "/w==", "numbers": [1, 2]})");
}

}  // namespace
}  // namespace img::show
