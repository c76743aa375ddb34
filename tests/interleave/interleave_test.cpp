// SPDX-License-Identifier: MIT
// Writers, readers, one who deletes and a collector in one store, in random interleavings: nothing
// committed is lost, and nobody ever reads what is not whole. STASIS_INTERLEAVINGS and STASIS_SEED
// make it more of them, and others.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "libimg/store/changes.h"
#include "tests/interleave/schedule.h"
#include "tests/libimg/gc/gc_store.h"

namespace img::interleave {
namespace {

using gc::testing::must;
using gc::testing::noise;
using model::testing::Run;
using store::Id;
using store::Store;

constexpr std::uint64_t kFirstPage = 0x10;
constexpr std::uint64_t kPages = 6;
constexpr std::uint64_t kKept = 3;  // of each series: no round commits more

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// One store, and what each image in it must be, by its id.
class World {
 public:
  World() {
    write("pinned", "x", std::nullopt);
    must(store::pin_image(*stores_[0], "pinned", true));
  }

  /// All actors of one round, to their end.
  std::uint64_t round(std::uint64_t seed) {
    Schedule schedule(seed);
    fresh_.clear();
    deleted_.clear();
    const bool with_parent = schedule.below(3) == 0;
    schedule.add([&] { write_one(0, "x", with_parent); });
    if (schedule.below(2) == 0) {
      schedule.add([&] { write_one(1, "y", schedule.below(2) == 0); });
    }
    schedule.add([&] { read_one(2, schedule); });
    if (schedule.below(8) == 0) {
      schedule.add([&] { delete_one(3, schedule); });
    }
    const std::uint64_t policy = schedule.below(4);
    schedule.add([&] { collect(4, policy); });
    schedule.run();
    check_fresh();
    return schedule.steps();
  }

  void check_all() { gc::testing::check_store(stores_[0]); }

 private:
  const std::shared_ptr<const Store>& store(std::size_t actor) const { return stores_[actor]; }

  // Own pages, and with a parent those that it has; every page says which image wrote it.
  void write(const std::string& name, const std::string& series,
             const std::optional<store::ImageRow>& parent, std::size_t actor = 0) {
    const auto number = static_cast<unsigned>(++written_);
    store::HeaderDraft draft = store::testing::draft(name, series);
    std::vector<Run> runs = {{kFirstPage, kPages}};
    std::string memory = noise(kPages * 4096, number);
    if (parent) {
      draft.parent = parent->id;
      const std::uint64_t own = 1 + number % (kPages - 1);
      runs = {{kFirstPage, own}, {kFirstPage + own, kPages - own, 1}};
      memory = noise(own * 4096, number) + expected_.at(parent->id).substr(own * 4096);
    }
    auto writer = model::StoreImageWriter::begin(store(actor), draft);
    if (!writer) {
      // Its parent went before it could say that it needs it.
      ASSERT_TRUE(parent && writer.error().fault == Fault::missing) << writer.error().line();
      return;
    }
    must((*writer)->record(model::testing::process(1, number, 1).record()));
    must((*writer)->record(model::testing::pagemap_head(7).record()));
    must((*writer)->record(model::testing::pagemap_chunk(7, 2, runs, number).record()));
    const Id id = (*writer)->header().id;
    expected_[id] = std::move(memory);
    must((*writer)->commit());
    fresh_.push_back({id, name});
  }

  void write_one(std::size_t actor, const std::string& series, bool with_parent) {
    std::optional<store::ImageRow> parent;
    store::Snapshot now;
    if (with_parent) {
      now = must(store(actor)->snapshot());
      auto newest = store::newest_image(*now, series);
      if (newest) {
        parent = *newest;
      }
    }
    write(series + std::to_string(written_), series, parent, actor);
  }

  void read_one(std::size_t actor, Schedule& schedule) {
    const auto now = must(store(actor)->snapshot());
    const auto rows = must(store::list_images(*now));
    Schedule::step();
    const store::ImageRow& row = rows[schedule.below(rows.size())];
    model::StoreImageReader reader(store(actor), now, row);
    Schedule::step();
    const auto known = expected_.find(row.id);
    ASSERT_NE(known, expected_.end()) << row.name();
    EXPECT_TRUE(gc::testing::memory_of(reader) == known->second) << row.name();
    EXPECT_TRUE(model::testing::read_image(reader)) << row.name();
  }

  void delete_one(std::size_t actor, Schedule& schedule) {
    std::string name;
    {
      const auto now = must(store(actor)->snapshot());
      const auto rows = must(store::list_images(*now));
      name = rows[schedule.below(rows.size())].name();
    }
    if (store::delete_image(*store(actor), name)) {
      deleted_.push_back(name);
    }
  }

  void collect(std::size_t actor, std::uint64_t policy) {
    gc::Options options;
    options.rewrite_at_least = 1;
    options.rewrite_below = policy == 3 ? 100 : 50;
    if (policy != 0) {
      options.policy.keep_last = kKept;
    }
    const gc::Plan plan = must(gc::make_plan(store(actor), options));
    Schedule::step();
    const auto done = gc::apply(store(actor), plan, options);
    EXPECT_TRUE(done) << done.error().line();
  }

  // What this round committed is among the newest of its series, so no policy drops it.
  void check_fresh() {
    const auto now = must(stores_[0]->snapshot());
    for (const auto& [id, name] : fresh_) {
      const bool was_deleted = std::ranges::find(deleted_, name) != deleted_.end();
      EXPECT_TRUE(was_deleted || store::find_image(*now, id)) << name << " is lost";
    }
    EXPECT_TRUE(store::find_image(*now, "pinned"));
    std::map<Id, std::string> still;
    for (const store::ImageRow& row : must(store::list_images(*now))) {
      still[row.id] = std::move(expected_.at(row.id));
    }
    expected_ = std::move(still);
  }

  struct Fresh {
    Id id;
    std::string name;
  };

  store::testing::Scratch scratch_;
  // One for each actor: what of a store threads may share, actors of one thread may not.
  std::vector<std::shared_ptr<const Store>> stores_ = {
      must(Store::create(scratch_ / "s")), must(Store::open(scratch_ / "s")),
      must(Store::open(scratch_ / "s")), must(Store::open(scratch_ / "s")),
      must(Store::open(scratch_ / "s"))};
  std::uint64_t written_ = 0;
  std::map<Id, std::string> expected_;
  std::vector<Fresh> fresh_;
  std::vector<std::string> deleted_;
};

constexpr unsigned kShards = 10;

class Interleaving : public ::testing::TestWithParam<unsigned> {};

TEST_P(Interleaving, NothingIsLostAndNothingHalfIsSeen) {
#ifdef STASIS_SANITIZE
  const std::uint64_t otherwise = 4'000;
#else
  const std::uint64_t otherwise = 100'000;
#endif
  const std::uint64_t rounds = from_environment("STASIS_INTERLEAVINGS", otherwise) / kShards;
  const std::uint64_t first = from_environment("STASIS_SEED", 20261121) + GetParam() * rounds;
  World world;
  std::uint64_t steps = 0;
  for (std::uint64_t seed = first; seed < first + rounds; ++seed) {
    steps += world.round(seed);
    if (seed % 500 == 0) {
      world.check_all();
    }
    ASSERT_FALSE(HasFailure()) << "seed " << seed << ", begun at " << first;
  }
  world.check_all();
  EXPECT_GT(steps, rounds * 20);
  RecordProperty("steps", std::to_string(steps));
}

INSTANTIATE_TEST_SUITE_P(Shards, Interleaving, ::testing::Range(0U, kShards));

}  // namespace
}  // namespace img::interleave
