// SPDX-License-Identifier: MIT
// Small stores to collect, with chains, and the question whether all that is there is whole.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "libimg/base/digest.h"
#include "libimg/gc/apply.h"
#include "libimg/model/address_space.h"
#include "libimg/store/catalogue.h"
#include "libimg/store/pack_file.h"
#include "libimg/store/pack_reader.h"
#include "libimg/store/pack_table.h"
#include "tests/libimg/model/sample_image.h"
#include "tests/libimg/store/child.h"

namespace img::gc::testing {

using model::Kind;
using model::testing::noise;
using store::testing::must;
using Names = std::vector<std::string>;

/// Every image can be read to its last byte, through its parents too, every pack is as its hashes
/// say, and what the database says of packs is what images say.
inline void check_store(const std::shared_ptr<const store::Store>& store) {
  const auto now = must(store->snapshot());
  std::set<store::Id> needed;
  for (const store::ImageRow& row : must(store::list_images(*now))) {
    model::StoreImageReader reader(store, now, row);
    const auto read = model::testing::read_image(reader);
    EXPECT_TRUE(read) << (read ? "" : read.error().line());
    EXPECT_TRUE(reader.parent()) << row.name();
    for (flatbuffers::uoffset_t at = 0; at < row.header->packs()->size(); ++at) {
      needed.insert(store::Id::of(*row.header->packs()->Get(at)));
    }
  }
  for (const store::UsedPack& pack : must(store::packs_with_users(*now))) {
    const auto whole =
        store::verify_pack(store->packs(), pack.id, pack.bytes, pack.hashes_digest, store->place());
    EXPECT_TRUE(whole) << (whole ? "" : whole.error().line());
    needed.erase(pack.id);
  }
  EXPECT_TRUE(needed.empty());
}

/// Everything of a reader into a writer.
inline Result<void> copy_image(model::ImageReader& from, model::ImageWriter& to) {
  IMG_ASSIGN(const auto files, from.files());
  for (const model::FileKey file : files) {
    IMG_TRY(from.read(file, to));
  }
  return {};
}

/// All pages of a process, from the image and its parents.
inline std::string memory_of(model::ImageReader& reader, std::uint64_t id = 7) {
  struct Pages : model::MemorySink {
    std::string bytes;
    Result<void> memory(std::uint64_t, Bytes part) override {
      bytes += as_text(part);
      return {};
    }
    Result<void> missing(std::uint64_t address, std::uint64_t) override {
      ADD_FAILURE() << "no page at " << address;
      return {};
    }
  } pages;
  model::AddressSpace space(reader, {Kind::pagemap, id});
  must(space.visit(0, ~std::uint64_t{0}, pages));
  return pages.bytes;
}

class GcStore : public ::testing::Test {
 protected:
  void write(const std::string& name, unsigned seed,
             store::NameTaken taken = store::NameTaken::refuse,
             const std::string& series = "test") {
    write_records(name, series, {}, taken,
                  {model::testing::raw_file(Kind::route, seed, noise(10'000, seed))});
  }
  void write_child(const std::string& name, unsigned seed, const std::string& parent) {
    write_records(name, "test", parent, store::NameTaken::refuse,
                  {model::testing::raw_file(Kind::route, seed, noise(10'000, seed))});
  }
  /// `fill`: with entries between the runs that leave the rest to the parent.
  void write_memory(const std::string& name, std::vector<model::testing::Run> runs, unsigned seed,
                    const std::string& parent = {}, bool fill = false) {
    std::vector<model::testing::Run> all;
    for (const auto& run : runs) {
      all.push_back(run);
      if (fill) {
        all.push_back({run.page + run.pages, 1, 1});
      }
    }
    std::vector<model::testing::Copy> records = {model::testing::pagemap_head(7)};
    for (std::size_t at = 0; at < all.size(); at += model::kChunkEntries) {
      const std::size_t count = std::min(model::kChunkEntries, all.size() - at);
      const auto first = all.begin() + static_cast<std::ptrdiff_t>(at);
      records.push_back(model::testing::pagemap_chunk(
          7, records.size() + 1, std::vector(first, first + static_cast<std::ptrdiff_t>(count)),
          seed));
    }
    write_records(name, "test", parent, store::NameTaken::refuse, records);
  }
  /// c1 ... cN: each has a few pages of its own and leaves the others to the one before.
  void write_chain(unsigned levels) {
    write_memory("c1", {{10, 40}, {100, 60}}, 1);
    for (unsigned level = 2; level <= levels; ++level) {
      const std::uint64_t own = 100 + level * 3;
      write_memory("c" + std::to_string(level),
                   {{10, 40, 1}, {100, own - 100, 1}, {own, 5}, {own + 5, 160 - own - 5, 1}}, level,
                   "c" + std::to_string(level - 1));
    }
  }

  Outcome collect(const Options& options = {}) {
    const Plan plan = must(make_plan(store_, options));
    return must(apply(store_, plan, options));
  }
  Names names() {
    Names all;
    for (const auto& row : must(store::list_images(*must(store_->snapshot())))) {
      all.push_back(std::string(row.name()) + (row.has_name ? "" : "?"));
    }
    return all;
  }
  std::string memory(const std::string& name) {
    return memory_of(*must(model::StoreImageReader::open(store_, name)));
  }
  std::vector<model::testing::Copy> copies(const std::string& name) {
    return must(model::testing::read_image(store_, name));
  }
  std::uint64_t pack_bytes() { return count_packs().second; }
  std::size_t packs() { return count_packs().first; }
  void expect_whole() { check_store(store_); }

  store::testing::Scratch scratch_;
  std::shared_ptr<const store::Store> store_ = must(store::Store::create(scratch_ / "s"));

 private:
  std::pair<std::size_t, std::uint64_t> count_packs() {
    std::pair<std::size_t, std::uint64_t> found;
    for (const auto& entry : std::filesystem::directory_iterator(scratch_ / "s/packs")) {
      if (entry.path().extension() == ".pack") {
        ++found.first;
        found.second += entry.file_size();
      }
    }
    return found;
  }
  void write_records(const std::string& name, const std::string& series, const std::string& parent,
                     store::NameTaken taken, const std::vector<model::testing::Copy>& records) {
    auto made = store::testing::draft(name, series);
    if (!parent.empty()) {
      made.parent = must(store::find_image(*must(store_->snapshot()), parent)).id;
    }
    auto writer = must(model::StoreImageWriter::begin(store_, made, taken));
    must(model::testing::write_records(*writer, records));
    must(writer->commit());
  }
};

}  // namespace img::gc::testing
