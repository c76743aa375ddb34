// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "libimg/model/file_table.h"
#include "libimg/model/process_tree.h"

namespace img::model {
namespace {

using flatbuffers::FlatBufferBuilder;

void add_process(ProcessTree& tree, std::uint32_t pid, std::uint32_t ppid,
                 const std::vector<std::uint32_t>& threads = {}) {
  FlatBufferBuilder builder;
  builder.Finish(schema::CreatePstreeEntryDirect(builder, pid, ppid, pid, pid, &threads));
  tree.add(*flatbuffers::GetRoot<schema::PstreeEntry>(builder.GetBufferPointer()));
}

std::string drawn(const ProcessTree& tree) {
  std::string text;
  tree.walk([&](const Process& process, std::size_t depth) {
    text += std::string(depth, '.') + std::to_string(process.pid) + " ";
  });
  return text;
}

TEST(ProcessTree, ChildrenFollowTheirParents) {
  ProcessTree tree;
  add_process(tree, 10, 0, {10, 11});
  add_process(tree, 20, 10);
  add_process(tree, 30, 10);
  add_process(tree, 40, 20);
  EXPECT_EQ(drawn(tree), "10 .20 ..40 .30 ");
  ASSERT_EQ(tree.threads(*tree.find(10)).size(), 2U);
  EXPECT_EQ(tree.threads(*tree.find(10))[1], 11U);
  EXPECT_EQ(tree.parent(*tree.find(40))->pid, 20U);
}

TEST(ProcessTree, AnOddTreeIsStillATree) {
  ProcessTree tree;
  add_process(tree, 10, 0);
  add_process(tree, 20, 30);  // each other's parents
  add_process(tree, 30, 20);
  add_process(tree, 40, 40);  // its own
  add_process(tree, 10, 10);  // twice
  EXPECT_EQ(drawn(tree), "10 .10 20 .30 40 ");
  EXPECT_EQ(tree.find(50), nullptr);
}

TEST(FileTable, OldFilesAndNewOnes) {
  FileTable table;
  FlatBufferBuilder builder;
  const auto owner = schema::CreateFownEntry(builder);
  const auto pipe = schema::CreatePipeEntry(builder, 7, 99, 1, owner);
  builder.Finish(pipe);
  const Bytes old = std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize()));
  ASSERT_TRUE(table.add({{{Kind::pipes, 0}, 1}, nullptr, old, {}, {}}));

  FlatBufferBuilder other;
  const auto reg =
      schema::CreateRegFileEntryDirect(other, 8, 0, 0, schema::CreateFownEntry(other), "/x");
  schema::FileEntryBuilder entry(other);
  entry.add_type(schema::FdTypes::REG);
  entry.add_id(8);
  entry.add_reg(reg);
  other.Finish(entry.Finish());
  const Bytes now = std::as_bytes(std::span(other.GetBufferPointer(), other.GetSize()));
  ASSERT_TRUE(table.add({{{Kind::files, 0}, 1}, nullptr, now, {}, {}}));
  EXPECT_FALSE(table.add({{{Kind::pstree, 0}, 1}, nullptr, now, {}, {}}));

  ASSERT_NE(table.find(7), nullptr);
  EXPECT_EQ(table.find(7)->as<schema::PipeEntry>(schema::FdTypes::PIPE)->pipe_id(), 99U);
  EXPECT_EQ(table.find(7)->as<schema::RegFileEntry>(schema::FdTypes::REG), nullptr);
  EXPECT_EQ(table.find(8)->as<schema::RegFileEntry>(schema::FdTypes::REG)->name()->str(), "/x");
  EXPECT_EQ(table.find(9), nullptr);
  EXPECT_EQ(table.find(8, schema::FdTypes::PIPE), nullptr);
  ASSERT_TRUE(table.add({{{Kind::files, 0}, 2}, nullptr, now, {}, {}}));
  EXPECT_EQ(table.find(8, schema::FdTypes::REG)->seq, 1U);
}

/// FileTable reads the id of every kind of old file from the same place.
TEST(FileTable, EveryKindHasItsIdInFront) {
  for (const schema::KindInfo& info : schema::kinds()) {
    if (old_file_kind(info.kind) != schema::FdTypes::UND) {
      const schema::FieldLayout* id = info.table->by_name("id");
      ASSERT_NE(id, nullptr) << info.name;
      EXPECT_EQ(id->voffset, schema::RegFileEntry::VT_ID) << info.name;
    }
  }
}

}  // namespace
}  // namespace img::model
