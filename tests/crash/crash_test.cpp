// SPDX-License-Identifier: MIT
// The tools that change a store, ended or failed at every system call that writes. After each: what
// was committed before is there and whole, nothing half-made is seen, and img-gc cleans up.
#include <gtest/gtest.h>

#include <map>

#include "tests/crash/traced_run.h"
#include "tests/libimg/gc/gc_store.h"

namespace img::crash {
namespace {

namespace fs = std::filesystem;
using gc::testing::must;
using store::Store;

/// What an image means, whichever way its pages are kept, by its name.
using Contents = std::map<std::string, Hash128>;

struct Hashing : model::RecordSink, model::MemorySink {
  Hasher128 hasher;
  Result<void> record(const model::Record& record) override {
    hasher.add(static_cast<std::uint64_t>(record.key.file.kind));
    hasher.add(record.key.file.id);
    hasher.add(record.key.seq);
    hasher.add(record.flatbuffer);
    hasher.add(record.original);
    for (const Bytes part : record.payload.parts) {
      hasher.add(part);
    }
    return {};
  }
  Result<void> memory(std::uint64_t, Bytes bytes) override {
    hasher.add(bytes);
    return {};
  }
  Result<void> missing(std::uint64_t address, std::uint64_t) override {
    return fail(Fault::corrupt, "memory", "no page at " + std::to_string(address));
  }
};

Result<Hash128> meaning(model::ImageReader& image) {
  Hashing sink;
  IMG_ASSIGN(const auto files, image.files());
  for (const model::FileKey file : files) {
    if (file.kind == model::Kind::pagemap || file.kind == model::Kind::pagemap_shmem) {
      sink.hasher.add(file.id);
      model::AddressSpace space(image, file);
      IMG_TRY(space.visit(0, ~std::uint64_t{0}, sink));
    } else {
      IMG_TRY(image.read(file, sink));
    }
  }
  return sink.hasher.finish();
}

// Empty where there is no store.
Contents contents(const std::string& path) {
  Contents all;
  if (!Store::is_store(path)) {
    return all;
  }
  const auto store = must(Store::open(path));
  gc::testing::check_store(store);
  const auto now = must(store->snapshot());
  for (const store::ImageRow& row : must(store::list_images(*now))) {
    model::StoreImageReader reader(store, now, row);
    all[std::string(row.name())] = must(meaning(reader));
  }
  return all;
}

void collect(const std::string& path) {
  const auto store = must(Store::open(path));
  const gc::Plan plan = must(gc::make_plan(store, {}));
  must(gc::apply(store, plan, {}));
  const gc::Plan after = must(gc::make_plan(store, {}));
  EXPECT_TRUE(after.pending.empty());
  EXPECT_TRUE(after.strays.gone.empty());
  EXPECT_TRUE(after.strays.kept.empty());
  const auto now = must(store->snapshot());
  const auto known = must(store::packs_with_users(*now));
  std::size_t files = 0;
  for (const auto& entry : fs::directory_iterator(path + "/packs")) {
    files += entry.is_regular_file() ? 1 : 0;
  }
  EXPECT_EQ(files, known.size() * 2);
}

struct Scenario {
  const char* name;
  const char* tool;
  std::vector<std::string> arguments;
  bool begins_without_a_store;
  bool all_or_nothing;  // an error leaves what was there
};

const Scenario kScenarios[] = {
    {"import", "img-convert", {"FIXTURES/single", "s", "--as", "new"}, false, true},
    {"replace", "img-convert", {"FIXTURES/ghost", "s", "--as", "plain", "--force"}, false, true},
    {"import_chain", "img-convert", {"chain/3", "s", "--as", "new"}, false, true},
    {"new_store",
     "img-convert",
     {"FIXTURES/single", "s", "--to", "store", "--as", "new"},
     true,
     true},
    {"merge", "img-merge", {"--into", "s", "other"}, false, false},
    {"flatten", "img-merge", {"--flatten", "s", "-i", "c.3", "--as", "flat"}, false, true},
    {"gc", "img-gc", {"s", "--keep-last", "1", "--compact"}, false, false},
};

struct Case {
  Scenario scenario;
  Blow::Kind kind;
  int error;
};

class Crash : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (!can_trace()) {
      GTEST_SKIP() << "needs to trace a child with a seccomp filter";
    }
    make_base();
    reset();
    before_ = contents(work());
    ASSERT_EQ(run({}).exit, 0);
    after_ = contents(work());
    ASSERT_NE(before_, after_);
  }

  [[nodiscard]] std::string work() const { return scratch_ / "s"; }

  void make_base() {
    make_chain();
    if (GetParam().scenario.begins_without_a_store) {
      return;
    }
    // One of everything that a collection does: images and parents that go, memory to take over, a
    // pack to write anew, what a dead writer left, a stray.
    for (const char* name : {"plain", "older", "newest"}) {
      ASSERT_EQ(tool("img-convert", {"FIXTURES/single", "s", "--to", "store", "--as", name}).exit,
                0);
    }
    ASSERT_EQ(tool("img-convert", {"chain/3", "s", "--as", "c"}).exit, 0);
    ASSERT_EQ(tool("img-convert", {"FIXTURES/ghost", "other", "--to", "store", "--as", "o"}).exit,
              0);
    ASSERT_EQ(tool("img-convert", {"chain/3", "other", "--as", "oc"}).exit, 0);
    std::ofstream(work() + "/packs/00112233445566778899aabbccddeeff.pack") << "stray";
    fs::rename(work(), scratch_ / "base");
  }

  // As fixtures/dumps/chain-snapshots, but small: in a store, and out again.
  void make_chain() {
    const auto store = must(Store::create(scratch_ / "chain.store"));
    std::optional<store::Id> parent;
    const std::vector<std::vector<model::testing::Run>> levels = {
        {{0x10, 60}}, {{0x10, 8, 1}, {0x18, 40}, {0x40, 12, 1}}, {{0x10, 58, 1}, {0x4a, 2}}};
    for (unsigned level = 1; level <= levels.size(); ++level) {
      store::HeaderDraft draft = store::testing::draft("c." + std::to_string(level));
      draft.parent = parent;
      auto writer = must(model::StoreImageWriter::begin(store, draft));
      must(writer->record(model::testing::process(1, 7, 1).record()));
      must(writer->record(model::testing::pagemap_head(7).record()));
      must(writer->record(model::testing::pagemap_chunk(7, 2, levels[level - 1], level).record()));
      must(writer->commit());
      parent = writer->header().id;
    }
    ASSERT_EQ(tool("img-convert", {"chain.store", "chain", "--to", "criu"}).exit, 0);
  }

  void reset() const {
    for (const auto& entry : fs::directory_iterator(scratch_.path())) {
      const std::string name = entry.path().filename().string();
      if (name != "base" && name != "chain" && name != "other" && name != "chain.store") {
        fs::remove_all(entry.path());
      }
    }
    if (!GetParam().scenario.begins_without_a_store) {
      fs::copy(scratch_ / "base", work(), fs::copy_options::recursive);
    }
  }

  TracedRun tool(const std::string& name, std::vector<std::string> arguments,
                 const Blow& blow = {}) const {
    std::vector<std::string> argv = {STASIS_BIN "/" + name};
    for (std::string& argument : arguments) {
      if (argument.starts_with("FIXTURES/")) {
        argument = STASIS_FIXTURES "/dumps/" + argument.substr(9);
      } else if (argument == "s" || argument == "other" || argument.starts_with("chain")) {
        argument = scratch_ / argument;
      }
      argv.push_back(argument);
    }
    return run_traced(argv, blow);
  }
  TracedRun run(const Blow& blow) const {
    return tool(GetParam().scenario.tool, GetParam().scenario.arguments, blow);
  }

  /// Everything that holds after any end.
  void check(const TracedRun& done) const {
    const Contents now = contents(work());
    for (const auto& [name, hash] : before_) {
      const auto stays = after_.find(name);
      if (stays != after_.end() && stays->second == hash) {
        ASSERT_TRUE(now.contains(name)) << name << " is lost";
      }
    }
    for (const auto& [name, hash] : now) {
      const auto old = before_.find(name);
      const auto made = after_.find(name);
      const bool is_whole = (old != before_.end() && old->second == hash) ||
                            (made != after_.end() && made->second == hash);
      EXPECT_TRUE(is_whole) << name;
    }
    if (done.exit == 0) {
      EXPECT_EQ(now, after_) << "it said that it had done it";
    } else if (!done.was_killed && GetParam().scenario.all_or_nothing) {
      EXPECT_EQ(now, before_) << "it said that it had not";
    }
    if (Store::is_store(work())) {
      collect(work());
      EXPECT_EQ(contents(work()), now) << "after img-gc";
    }
  }

  store::testing::Scratch scratch_;
  Contents before_;
  Contents after_;
};

TEST_P(Crash, AtEveryWritingCall) {
  unsigned calls = 0;
  for (unsigned at = 1;; ++at) {
    reset();
    const TracedRun done = run({GetParam().kind, at, GetParam().error});
    ASSERT_EQ(done.signal, done.was_killed ? SIGKILL : 0) << "at call " << at << ", " << done.last;
    if (done.writes < at) {
      break;  // it came to its end before
    }
    SCOPED_TRACE("call " + std::to_string(at) + ", " + done.last);
    check(done);
    if (HasFailure()) {
      return;
    }
    calls = at;
  }
  EXPECT_GE(calls, 15U);
  RecordProperty("calls", static_cast<int>(calls));
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const Scenario& scenario : kScenarios) {
    all.push_back({scenario, Blow::Kind::kill, 0});
    all.push_back({scenario, Blow::Kind::fail_from, ENOSPC});
    all.push_back({scenario, Blow::Kind::fail_once, EIO});
  }
  return all;
}

std::string name_of(const ::testing::TestParamInfo<Case>& test) {
  const Case& of = test.param;
  return std::string(of.scenario.name) + (of.kind == Blow::Kind::kill ? "_killed"
                                          : of.error == ENOSPC        ? "_full"
                                                                      : "_failing");
}

INSTANTIATE_TEST_SUITE_P(Tools, Crash, ::testing::ValuesIn(cases()), name_of);

}  // namespace
}  // namespace img::crash
