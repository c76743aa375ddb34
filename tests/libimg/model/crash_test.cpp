// SPDX-License-Identifier: MIT
// Writers that die or run out of space at any moment: the store opens, holds what was committed,
// and nothing that was not.
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "libimg/store/changes.h"
#include "libimg/store/pack_reader.h"
#include "libimg/store/sweep.h"
#include "tests/libimg/model/sample_image.h"
#include "tests/libimg/store/child.h"

namespace img::model {
namespace {

namespace fs = std::filesystem;
using store::Store;
using store::testing::Child;
using store::testing::must;
using store::testing::Scratch;
using namespace testing;  // NOLINT: the sample image

// Enough records that an image takes several transactions.
std::vector<Copy> image_number(unsigned number) {
  std::vector<Copy> records;
  for (std::uint32_t i = 1; i <= 20'000; ++i) {
    records.push_back(process(i, number * 100'000 + i, 2));
  }
  records.push_back(pagemap_head(number));
  records.push_back(pagemap_chunk(number, 2, {{number, 50}, {number + 200, 50}}, number));
  records.push_back(raw_file(Kind::tmpfs_dev, number, noise(100'000, number)));
  return records;
}

Result<void> write_number(const std::shared_ptr<const Store>& store, unsigned number) {
  return write_image(store, "n" + std::to_string(number), image_number(number));
}

// Every image is one that was written, all of it; returns how many there are.
std::size_t check_whole(const std::shared_ptr<const Store>& store) {
  const auto now = must(store->snapshot());
  const auto rows = must(store::list_images(*now));
  for (const auto& row : rows) {
    const auto number = static_cast<unsigned>(std::stoul(std::string(row.name().substr(1))));
    StoreImageReader reader(store, now, row);
    EXPECT_TRUE(must(read_image(reader)) == image_number(number)) << row.name();
  }
  return rows.size();
}

void delete_all(const std::shared_ptr<const Store>& store) {
  const auto now = must(store->snapshot());
  for (const auto& row : must(store::list_images(*now))) {
    must(store::delete_image(*store, row.name()));
  }
}

void sweep(const std::shared_ptr<const Store>& store) {
  for (const auto& pending : must(store::pending_images(*store, *must(store->snapshot())))) {
    EXPECT_FALSE(pending.in_use) << pending.name;
    must(store::purge_pending(*store, pending.commit));
  }
  const auto now = must(store->snapshot());
  EXPECT_TRUE(must(store::pending_images(*store, *now)).empty());
  for (const std::string& file : must(store::stray_files(*store, *now))) {
    fs::remove(store->place() + "/packs/" + file);
  }
  EXPECT_TRUE(must(store::stray_files(*store, *now)).empty());
}

TEST(Crash, KilledAtAnyMomentItLeavesWholeImagesOnly) {
  const Scratch scratch;
  // Somewhere within two images' time, however fast this machine is today.
  const auto begin = std::chrono::steady_clock::now();
  must(write_number(must(Store::create(scratch / "s")), 1));
  const auto two_images = 2 * (std::chrono::steady_clock::now() - begin);
  std::mt19937 random(20261121);
  std::uniform_real_distribution<double> moment(0, 1);
  unsigned leftovers = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(4);
  for (unsigned round = 1; round <= 60 && std::chrono::steady_clock::now() < end; ++round) {
    Child writer([&] {
      const auto store = Store::open(scratch / "s");
      for (unsigned i = 0; store; ++i) {
        if (!write_number(*store, round * 100 + i)) {
          break;
        }
      }
      return 1;
    });
    std::this_thread::sleep_for(two_images * moment(random));
    ASSERT_TRUE(WIFSIGNALED(writer.kill()));
    const auto store = must(Store::open(scratch / "s"));
    check_whole(store);
    const auto now = must(store->snapshot());
    const bool half_way = !must(store::pending_images(*store, *now)).empty() ||
                          !must(store::stray_files(*store, *now)).empty();
    leftovers += half_way ? 1 : 0;
    delete_all(store);  // so that a round costs what the first did
    sweep(store);
  }
  // Else it was never killed where it matters.
  EXPECT_GT(leftovers, 0U);
}

TEST(Crash, AFailedWriteLeavesNothing) {
  const Scratch scratch;
  const auto store = must(Store::create(scratch / "s"));
  {
    auto writer = must(StoreImageWriter::begin(store, store::testing::draft("a")));
    must(write_records(*writer, image_number(1)));
    EXPECT_EQ(must(store::pending_images(*store, *must(store->snapshot()))).size(), 1U);
    EXPECT_TRUE(must(store::pending_images(*store, *must(store->snapshot())))[0].in_use);
    EXPECT_TRUE(must(store::stray_files(*store, *must(store->snapshot()))).empty());
  }
  EXPECT_TRUE(must(store::pending_images(*store, *must(store->snapshot()))).empty());
  EXPECT_TRUE(fs::is_empty(scratch / "s/packs"));
  EXPECT_EQ(check_whole(store), 0U);
}

// What a full disk does, whichever way it is full: an error that says so, and nothing lost.
int fill_up(const std::string& place) {
  auto store = Store::create(place);
  if (!store || !write_number(*store, 1)) {
    return 10;
  }
  for (unsigned number = 2; number < 200; ++number) {
    const auto done = write_number(*store, number);
    if (done) {
      continue;
    }
    const int error = done.error().sys_errno;
    if (error != ENOSPC && error != EFBIG) {
      std::fprintf(stderr, "%s\n", done.error().line().c_str());
      return 11;
    }
    if (check_whole(*store) != number - 1 || ::testing::Test::HasFailure()) {
      return 12;
    }
    const auto now = (*store)->snapshot();
    return now && store::stray_files(**store, **now) ? 0 : 13;
  }
  return 14;
}

TEST(Crash, AFullDiskLosesNothing) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root";
  }
  const Scratch scratch;
  for (const char* size : {"size=6m", "size=9500k", "size=17m", "size=21300k"}) {
    Child child([&] {
      if (::unshare(CLONE_NEWNS) != 0 ||
          ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
          ::mount("t", scratch.path().c_str(), "tmpfs", 0, size) != 0) {
        return 77;
      }
      return fill_up(scratch / "s");
    });
    const int status = child.wait();
    ASSERT_TRUE(WIFEXITED(status)) << size;
    if (WEXITSTATUS(status) == 77) {
      GTEST_SKIP() << "needs to mount";
    }
    EXPECT_EQ(WEXITSTATUS(status), 0) << size;
  }
}

TEST(Crash, ALimitOnFileSizeLosesNothing) {
  const Scratch scratch;
  Child child([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{4 << 20, 4 << 20};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    return fill_up(scratch / "s");
  });
  EXPECT_EQ(child.wait(), 0);
  EXPECT_GT(check_whole(must(Store::open(scratch / "s"))), 0U);
}

TEST(Crash, AMissingOrShortPackIsSaid) {
  const Scratch scratch;
  const auto store = must(Store::create(scratch / "s"));
  must(write_number(store, 1));
  std::string pack;
  for (const auto& entry : fs::directory_iterator(scratch / "s/packs")) {
    pack = entry.path().extension() == ".pack" ? entry.path().string() : pack;
  }
  const auto size = fs::file_size(pack);
  fs::resize_file(pack, size - 4096);
  auto read = read_image(store, "n1");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().fault, Fault::corrupt);
  fs::remove(pack);
  read = read_image(store, "n1");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().fault, Fault::missing);
  // Records that are not in a pack are still there.
  const auto reader = must(StoreImageReader::open(store, "n1"));
  Collector collector;
  must(reader->read({Kind::pstree, 0}, collector));
  EXPECT_EQ(collector.copies.size(), 20'000U);
}

}  // namespace
}  // namespace img::model
