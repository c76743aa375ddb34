// SPDX-License-Identifier: MIT
#include "libimg/store/record_table.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "schema/cgroup_generated.h"
#include "schema/layout.h"
#include "schema/pack_generated.h"
#include "schema/regular_files_generated.h"

namespace img::store {
namespace {

using flatbuffers::FlatBufferBuilder;
using schema::Kind;

Bytes built(FlatBufferBuilder& builder) {
  return std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize()));
}

flatbuffers::Offset<schema::RegFileEntry> file(FlatBufferBuilder& builder,
                                               flatbuffers::Offset<flatbuffers::String> name) {
  const auto owner = schema::CreateFownEntry(builder);
  schema::RegFileEntryBuilder entry(builder);
  entry.add_id(1);
  entry.add_fown(owner);
  entry.add_name(name);
  return entry.Finish();
}

TEST(RecordTable, KnowsTheTableOfEveryKind) {
  for (const schema::KindInfo& info : schema::kinds()) {
    EXPECT_EQ(record_table({info.kind, 0, 1}), info.table == nullptr ? "" : info.table->name);
    EXPECT_EQ(record_table({info.kind, 0, 0}), "ImageFile");
  }
  EXPECT_EQ(record_table({Kind::pagemap, 1, 2}), "PagemapChunk");
  EXPECT_EQ(record_table({Kind::pagemap_shmem, 1, 9}), "PagemapChunk");
  EXPECT_EQ(record_table({Kind::ghost_file, 1, 2}), "GhostChunkEntry");
  EXPECT_EQ(record_table({static_cast<Kind>(60000), 1, 2}), "");
}

TEST(RecordTable, AcceptsWhatTheBuilderMakes) {
  FlatBufferBuilder builder;
  builder.Finish(file(builder, builder.CreateString("/etc/passwd")));
  EXPECT_TRUE(is_table(built(builder), "RegFileEntry"));
  EXPECT_TRUE(is_record_table(built(builder), {Kind::reg_files, 0, 3}));
  EXPECT_FALSE(is_table(built(builder), "NoSuchTable"));
}

TEST(RecordTable, WantsWhatIsRequired) {
  FlatBufferBuilder builder;
  schema::RegFileEntryBuilder entry(builder);
  entry.add_id(1);
  const flatbuffers::uoffset_t root = builder.EndTable(entry.start_);
  builder.Finish(flatbuffers::Offset<schema::RegFileEntry>(root));
  EXPECT_FALSE(is_table(built(builder), "RegFileEntry"));
}

TEST(RecordTable, OneStringInTwoPlacesIsRefused) {
  FlatBufferBuilder builder;
  const auto name = builder.CreateString(std::string(100, 'x'));
  std::vector<flatbuffers::Offset<flatbuffers::String>> names = {name};
  builder.Finish(schema::CreateCgControllerEntry(builder, builder.CreateVector(names)));
  EXPECT_TRUE(is_table(built(builder), "CgControllerEntry"));

  builder.Clear();
  names.assign(1000, builder.CreateString(std::string(100, 'x')));
  builder.Finish(schema::CreateCgControllerEntry(builder, builder.CreateVector(names)));
  EXPECT_FALSE(is_table(built(builder), "CgControllerEntry"));
}

flatbuffers::Offset<schema::CgroupDirEntry> nested(FlatBufferBuilder& builder, unsigned depth) {
  flatbuffers::Offset<schema::CgroupDirEntry> inner;
  for (unsigned i = 0; i < depth; ++i) {
    const auto name = builder.CreateString("d");
    std::vector<flatbuffers::Offset<schema::CgroupDirEntry>> children;
    if (!inner.IsNull()) {
      children.push_back(inner);
    }
    const auto all = builder.CreateVector(children);
    schema::CgroupDirEntryBuilder entry(builder);
    entry.add_dir_name(name);
    entry.add_children(all);
    inner = entry.Finish();
  }
  return inner;
}

TEST(RecordTable, DepthIsBounded) {
  FlatBufferBuilder builder;
  builder.Finish(nested(builder, kMaxTableDepth));
  EXPECT_TRUE(is_table(built(builder), "CgroupDirEntry"));
  builder.Clear();
  builder.Finish(nested(builder, kMaxTableDepth + 1));
  EXPECT_FALSE(is_table(built(builder), "CgroupDirEntry"));
}

TEST(RecordTable, ExtentsMustBeAligned) {
  FlatBufferBuilder builder;
  const std::vector<schema::Extent> extents(3, {1, 2, 0, schema::Encoding::raw, 4096, 8192});
  builder.Finish(schema::CreateExtentChunk(builder, builder.CreateVectorOfStructs(extents)));
  EXPECT_TRUE(is_record_table(built(builder), {Kind::extents, 1, 2}));
  builder.Clear();
  builder.Finish(schema::CreateExtentChunk(
      builder, builder.CreateVectorOfStructs(std::vector<schema::Extent>())));
  EXPECT_TRUE(is_record_table(built(builder), {Kind::extents, 1, 2}));
}

// Every 32-bit word of a buffer set to nasty numbers, in heap blocks of the exact size: what is
// accepted must be readable to its ends (the sanitizers watch).
TEST(RecordTable, WhatIsAcceptedCanBeRead) {
  FlatBufferBuilder builder;
  std::vector<flatbuffers::Offset<flatbuffers::String>> names = {builder.CreateString("cpu"),
                                                                 builder.CreateString("io")};
  const auto all_names = builder.CreateVector(names);
  const auto dirs = builder.CreateVector(std::vector{nested(builder, 3)});
  builder.Finish(schema::CreateCgControllerEntry(builder, all_names, dirs));
  const Bytes good = built(builder);
  unsigned accepted = 0;
  for (std::size_t at = 0; at + 4 <= good.size(); at += 2) {
    for (const std::uint32_t number :
         {0U, 1U, 4U, 0x7fffffffU, 0x80000000U, 0xffffffffU, 0xfffcU}) {
      const std::unique_ptr<std::byte[]> copy(new std::byte[good.size()]);
      std::memcpy(copy.get(), good.data(), good.size());
      store_at(copy.get() + at, number);
      const Bytes bytes(copy.get(), good.size());
      if (!is_table(bytes, "CgControllerEntry")) {
        continue;
      }
      ++accepted;
      const auto* entry = flatbuffers::GetRoot<schema::CgControllerEntry>(copy.get());
      std::size_t sum = 0;
      if (entry->cnames() != nullptr) {
        for (const auto* name : *entry->cnames()) {
          sum += std::strlen(name->c_str());
        }
      }
      if (entry->dirs() != nullptr) {
        for (const auto* dir : *entry->dirs()) {
          sum += dir->dir_name()->size();
          sum += dir->children() == nullptr ? 0 : dir->children()->size();
        }
      }
      EXPECT_LT(sum, 4 * good.size());
    }
  }
  EXPECT_GT(accepted, 0U);
}

TEST(RecordTable, CutAnywhereIsRefusedOrReadable) {
  FlatBufferBuilder builder;
  builder.Finish(file(builder, builder.CreateString("/etc/passwd")));
  const Bytes good = built(builder);
  for (std::size_t size = 0; size < good.size(); ++size) {
    const std::unique_ptr<std::byte[]> copy(new std::byte[size]);
    std::memcpy(copy.get(), good.data(), size);
    if (is_table({copy.get(), size}, "RegFileEntry")) {
      const auto* entry = flatbuffers::GetRoot<schema::RegFileEntry>(copy.get());
      EXPECT_LE(std::strlen(entry->name()->c_str()), size);
    }
  }
}

}  // namespace
}  // namespace img::store
