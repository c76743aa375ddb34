// SPDX-License-Identifier: MIT
// Images in a store: what is broken in its files is found, and a child that crashes is no crash.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fstream>

#include "libimg/check/isolate.h"
#include "libimg/convert/convert.h"
#include "libimg/model/store_image.h"
#include "libimg/store/catalogue.h"
#include "tests/libimg/check/judged.h"
#include "tests/support/scratch.h"

namespace img::check {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

class Stored : public testing::Test {
 protected:
  Stored() {
    store_ = place_ / "x.store";
    const auto source = convert::recognise(STASIS_FIXTURES "/dumps/redis-idle", {});
    EXPECT_TRUE(source) << source.error().line();
    convert::Options options;
    options.as = "redis";
    const auto done =
        convert::convert(*source, {convert::Form::store, store_.string(), false}, options);
    EXPECT_TRUE(done) << done.error().line();
  }

  Judgement judged(const Options& options = {}) {
    Judgement judgement;
    class Kept : public FindingSink {
     public:
      explicit Kept(Judgement& kept) : kept_(kept) {}
      void finding(const Finding& finding) override { kept_.findings.push_back(finding); }

     private:
      Judgement& kept_;
    } sink(judgement);
    const auto summary =
        ask_in_child({"x.store::redis", milliseconds(10'000),
                      [&](FindingSink& findings) -> Result<Summary> {
                        IMG_ASSIGN(auto store, store::Store::open(store_.string()));
                        IMG_ASSIGN(auto image, model::StoreImageReader::open(store, "redis"));
                        return check(*image, options, findings);
                      }},
                     sink);
    EXPECT_TRUE(summary) << summary.error().line();
    judgement.summary = summary ? *summary : Summary{};
    return judgement;
  }

  fs::path pack(const std::string& ending) {
    for (const auto& entry : fs::directory_iterator(store_ / "packs")) {
      if (entry.path().extension() == ending) {
        return entry.path();
      }
    }
    ADD_FAILURE() << "no " << ending;
    return {};
  }

  static void flip(const fs::path& file, std::uint64_t at) {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekg(static_cast<std::streamoff>(at));
    const char old = static_cast<char>(stream.get());
    stream.seekp(static_cast<std::streamoff>(at));
    stream.put(static_cast<char>(old ^ 0x5a));
  }

  test::Scratch place_;
  fs::path store_;
};

TEST_F(Stored, AWholeImageHasNoError) {
  const Judgement judgement = judged();
  EXPECT_EQ(judgement.summary.errors, 0U) << judgement.text();
  EXPECT_GT(judgement.summary.records, 0U);
  EXPECT_EQ(judgement.summary.packs.size(), 1U);
}

TEST_F(Stored, APageThatChangedIsFound) {
  flip(pack(".pack"), 4096 * 3 + 77);
  flip(pack(".pack"), 4096 * 4 + 77);
  flip(pack(".pack"), 4096 * 9);
  const Judgement judgement = judged();
  ASSERT_EQ(judgement.summary.errors, 2U) << judgement.text();
  EXPECT_TRUE(judgement.has("STO-3", Severity::error));
  EXPECT_EQ(judgement.findings[0].where.offset, 4096U * 3);
  Options options;
  options.compares_pages = false;
  EXPECT_EQ(judged(options).summary.errors, 0U);
}

TEST_F(Stored, LostAndShortPacksAreFound) {
  fs::resize_file(pack(".hash"), fs::file_size(pack(".hash")) - 1);
  EXPECT_TRUE(judged().has("STO-3", Severity::error));
  fs::remove(pack(".pack"));
  EXPECT_TRUE(judged().has("STO-3", Severity::error));
}

TEST_F(Stored, RecordsThatAreGoneAreCounted) {
  std::shared_ptr<const store::Store> store = *store::Store::open(store_.string());
  {
    const auto now = *store->snapshot();
    const auto row = *store::find_image(*now, "redis");
    auto write = *store->write();
    const auto removed =
        write->remove(store::Key::record(row.commit, {schema::Kind::fdinfo, 2, 3}));
    ASSERT_TRUE(removed && *removed) << "the fixture has another fdinfo";
    ASSERT_TRUE(write->commit());
  }
  store.reset();
  const Judgement judgement = judged();
  EXPECT_TRUE(judgement.has("STO-2", Severity::error)) << judgement.text();
}

/// Flips bytes all over the database: whatever happens to the child, the answer is an answer.
TEST_F(Stored, NoDamageOfTheDatabaseIsMoreThanAFinding) {
  const fs::path data = store_ / "data.mdb";
  const fs::path kept = place_ / "kept";
  fs::copy_file(data, kept);
  std::uint64_t seed = 20261121;
  int found = 0;
  for (int round = 0; round < 60; ++round) {
    fs::copy_file(kept, data, fs::copy_options::overwrite_existing);
    for (int i = 0; i < 8; ++i) {
      seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
      flip(data, (seed >> 17) % fs::file_size(data));
    }
    Judgement judgement;
    class Deaf : public FindingSink {
      void finding(const Finding&) override {}
    } sink;
    const auto summary =
        ask_in_child({"x", milliseconds(10'000),
                      [&](FindingSink& findings) -> Result<Summary> {
                        IMG_ASSIGN(auto store, store::Store::open(store_.string()));
                        IMG_ASSIGN(auto image, model::StoreImageReader::open(store, "redis"));
                        return check(*image, {}, findings);
                      }},
                     sink);
    found += !summary || summary->errors > 0 ? 1 : 0;
  }
  EXPECT_GT(found, 5);
}

Result<Summary> asked(const std::function<Result<Summary>(FindingSink&)>& ask,
                      std::vector<Finding>& findings, milliseconds limit = milliseconds(10'000)) {
  class Kept : public FindingSink {
   public:
    explicit Kept(std::vector<Finding>& kept) : kept_(kept) {}
    void finding(const Finding& finding) override { kept_.push_back(finding); }

   private:
    std::vector<Finding>& kept_;
  } sink(findings);
  return ask_in_child({"x", limit, ask}, sink);
}

TEST(Isolated, ACrashIsAFinding) {
  std::vector<Finding> findings;
  const auto summary = asked(
      [](FindingSink& sink) -> Result<Summary> {
        sink.finding({RuleId::PST_1, Severity::warning, {}, "before"});
        ::signal(SIGSEGV, SIG_DFL);
        ::raise(SIGSEGV);
        return Summary{};
      },
      findings);
  ASSERT_TRUE(summary);
  EXPECT_EQ(summary->errors, 1U);
  EXPECT_EQ(summary->warnings, 1U);
  ASSERT_EQ(findings.size(), 2U);
  EXPECT_EQ(findings[0].text, "before");
  EXPECT_EQ(findings[1].rule_id(), "STO-1");
}

TEST(Isolated, AnEndWithoutAnAnswerIsAFinding) {
  std::vector<Finding> findings;
  const auto summary = asked([](FindingSink&) -> Result<Summary> { ::_exit(2); }, findings);
  ASSERT_TRUE(summary);
  EXPECT_EQ(summary->errors, 1U);
}

TEST(Isolated, ATurnInCirclesEnds) {
  std::vector<Finding> findings;
  const auto summary = asked(
      [](FindingSink&) -> Result<Summary> {
        for (;;) {
          ::pause();
        }
      },
      findings, milliseconds(100));
  ASSERT_TRUE(summary);
  EXPECT_EQ(summary->errors, 1U);
}

TEST(Isolated, AnErrorComesThroughWhole) {
  std::vector<Finding> findings;
  const auto summary = asked(
      [](FindingSink&) -> Result<Summary> {
        return fail(Fault::denied, "thing", "what", "why", "hint");
      },
      findings);
  ASSERT_FALSE(summary);
  EXPECT_EQ(summary.error().fault, Fault::denied);
  EXPECT_EQ(summary.error().line(),
            make_error(Fault::denied, "thing", "what", "why", "hint").line());
}

}  // namespace
}  // namespace img::check
