// SPDX-License-Identifier: MIT
// A database with changed bytes: a clean error or a right reading, or the guarded end with status
// 2; never a signal, never a hang.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <random>

#include "libimg/base/mapping_guard.h"
#include "libimg/store/changes.h"
#include "tests/libimg/model/sample_image.h"
#include "tests/libimg/store/child.h"
#include "tests/support/scratch.h"

namespace img::model {
namespace {

using store::Store;
using store::testing::Child;
using store::testing::must;
using store::testing::Scratch;
using namespace testing;  // NOLINT: the sample image

// 0: read, and right where it says so; 1: an error; 2: the guard. Stderr is not for the test's log.
int read_everything(const std::string& place, const std::vector<Copy>& expected) {
  install_mapping_fault_handler("test", 2);
  const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  ::dup2(nowhere, 2);
  ::alarm(20);
  const auto store = Store::open(place);
  if (!store) {
    return store.error().line().empty() ? 90 : 1;
  }
  const auto now = (*store)->snapshot();
  if (!now) {
    return 1;
  }
  const auto rows = store::list_images(**now);
  if (!rows) {
    return 1;
  }
  int result = 0;
  for (const auto& row : *rows) {
    StoreImageReader reader(*store, *now, row);
    const auto records = read_image(reader);
    if (!records) {
      result = 1;
    } else if (records->size() == expected.size() && *records != expected) {
      return 91;  // a checksum that did not hold
    }
  }
  return result;
}

struct Outcomes {
  unsigned right = 0;
  unsigned refused = 0;
  unsigned guarded = 0;
};

// Opens a damaged copy in a child and says what came of it.
void try_out(const std::string& place, const std::vector<Copy>& expected, Outcomes& outcomes,
             const std::string& what) {
  Child child([&] { return read_everything(place, expected); });
  const int status = child.wait();
  ASSERT_TRUE(WIFEXITED(status)) << what << ": signal " << WTERMSIG(status);
  ASSERT_LE(WEXITSTATUS(status), 2) << what;
  outcomes.right += WEXITSTATUS(status) == 0 ? 1 : 0;
  outcomes.refused += WEXITSTATUS(status) == 1 ? 1 : 0;
  outcomes.guarded += WEXITSTATUS(status) == 2 ? 1 : 0;
}

class HostileStore : public ::testing::Test {
 protected:
  HostileStore() {
    records_ = sample_records();
    for (std::uint32_t i = 1; i <= 400; ++i) {
      records_.push_back(raw_file(Kind::tmpfs, i, noise(100 + i * 7 % 3000, i)));
    }
    const auto store = must(Store::create(scratch_ / "s"));
    must(write_image(store, "a", records_));
    must(write_image(store, "b", records_));
    std::stable_sort(records_.begin(), records_.end(),
                     [](const Copy& a, const Copy& b) { return a.key < b.key; });
    must(write_image(store, "c", sample_records()));
    must(store::delete_image(*store, "c"));
  }

  Scratch scratch_;
  std::vector<Copy> records_;
};

TEST_F(HostileStore, ChangedBytes) {
  const std::string file = scratch_ / "s/data.mdb";
  const std::string good = test::slurp(file);
  std::mt19937 random(525);
  Outcomes outcomes;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  for (int round = 0; round < 1500 && std::chrono::steady_clock::now() < end; ++round) {
    std::string bad = good;
    const unsigned changes = 1 + random() % 8;
    for (unsigned i = 0; i < changes; ++i) {
      // Half of them where LMDB's own numbers are: at the beginning of a page.
      std::size_t at = random() % bad.size();
      at = random() % 2 == 0 ? at / 4096 * 4096 + random() % 64 : at;
      bad[at % bad.size()] = static_cast<char>(random() % 4 == 0 ? 0xff : random());
    }
    test::spill(file, bad);
    try_out(scratch_ / "s", records_, outcomes, "round " + std::to_string(round));
    if (HasFatalFailure()) {
      return;
    }
  }
  std::printf("right %u, refused %u, guarded %u\n", outcomes.right, outcomes.refused,
              outcomes.guarded);
  EXPECT_GT(outcomes.refused, 0U);
}

TEST_F(HostileStore, CutAnywhere) {
  const std::string file = scratch_ / "s/data.mdb";
  const std::string good = test::slurp(file);
  Outcomes outcomes;
  for (std::size_t size = 0; size < good.size(); size += 4096 * 7 + 1000) {
    test::spill(file, good.substr(0, size));
    try_out(scratch_ / "s", records_, outcomes, "cut at " + std::to_string(size));
  }
  EXPECT_EQ(outcomes.right, 0U);
}

}  // namespace
}  // namespace img::model
