// SPDX-License-Identifier: MIT
#include "schema/layout.h"

#include <gtest/gtest.h>

#include <set>

namespace img::schema {
namespace {

TEST(Layout, EveryKindHasItsTable) {
  for (const KindInfo& info : kinds()) {
    if (!info.is_raw()) {
      ASSERT_NE(info.table, nullptr) << info.name;
    }
    EXPECT_EQ(find_kind(info.kind), &info);
  }
}

TEST(Layout, KindNumbersAndFileNamesAreUnique) {
  std::set<Kind> numbers;
  std::set<std::string_view> names;
  for (const KindInfo& info : kinds()) {
    EXPECT_TRUE(numbers.insert(info.kind).second) << info.name;
    if (!info.file_name.empty()) {
      EXPECT_TRUE(names.insert(info.file_name).second) << info.file_name;
    }
  }
}

TEST(Layout, FieldsAreInOrderOfTheirNumbers) {
  for (const TableLayout& table : table_layouts()) {
    std::uint32_t last = 0;
    for (const FieldLayout& field : table.fields) {
      if (field.number == 0) {
        continue;
      }
      EXPECT_GT(field.number, last) << table.name << "." << field.name;
      last = field.number;
      EXPECT_EQ(table.by_number(field.number), &field);
    }
  }
}

TEST(Layout, PresentationComesFromTheSchema) {
  const TableLayout& vma = table_layout("VmaEntry");
  EXPECT_EQ(vma.by_name("start")->show, Show::hex);
  EXPECT_EQ(vma.by_name("status")->names->name, "flags.VmaStatus");
  EXPECT_EQ(vma.by_name("fd")->wire, Wire::zigzag);
  EXPECT_EQ(table_layout("SignalfdEntry").by_name("signal_mask")->json_name, "sigmask");
  EXPECT_FALSE(table_layout("RegFileEntry").by_name("mnt_id")->required);
}

}  // namespace
}  // namespace img::schema
