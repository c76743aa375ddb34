// SPDX-License-Identifier: MIT
#include "libimg/convert/source.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "libimg/base/unique_fd.h"
#include "libimg/convert/destination.h"
#include "libimg/convert/sniff.h"

namespace img::convert {
namespace {

namespace fs = std::filesystem;
using std::string_literals::operator""s;

const std::string kCriuHead = "\x19\x43\x56\x54\x47\x38\x05\x55"s;  // common word, CORE
const std::string kJson = "{\"magic\": \"CORE\", \"entries\": []}";

class Sources : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("source-" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string at(const std::string& name) const { return (folder_ / name).string(); }
  void put(const std::string& name, const std::string& bytes) const {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(at(name)) << bytes;
  }
  Form form_of(const std::string& name) const {
    const Result<Source> source = recognise(at(name), {});
    EXPECT_TRUE(source) << source.error().line();
    return source ? source->form : Form::core;
  }
  std::string refusal(const std::string& name) const {
    const Result<Source> source = recognise(at(name), {});
    EXPECT_FALSE(source);
    return source ? "" : source.error().line();
  }

  fs::path folder_;
};

TEST_F(Sources, KnowsDirectoriesByContent) {
  put("s/data.mdb", "");
  put("o/oci-layout", "{}");
  put("d/inventory.img", "");
  put("no-inventory/core-1.img", kCriuHead);
  put("j/core-1.img.json", kJson);
  EXPECT_EQ(form_of("s"), Form::store);
  EXPECT_EQ(form_of("o"), Form::oci);
  EXPECT_EQ(form_of("d"), Form::criu);
  EXPECT_EQ(form_of("no-inventory"), Form::criu);
  EXPECT_EQ(form_of("j"), Form::json);
}

TEST_F(Sources, KnowsFilesByContent) {
  put("a", kCriuHead);
  put("v1", "\x47\x38\x05\x55"s);
  put("s390", "\x54\x56\x43\x19"s);
  put("b", " \n" + kJson);
  put("c", std::string(257, '\0') + "ustar  ");
  put("d", "\x1f\x8b\x08"s);
  put("e", "\x28\xb5\x2f\xfd"s);
  for (const char* criu : {"a", "v1", "s390"}) {
    EXPECT_EQ(form_of(criu), Form::criu_file) << criu;
  }
  EXPECT_EQ(form_of("b"), Form::json_file);
  for (const char* archive : {"c", "d", "e"}) {
    EXPECT_EQ(form_of(archive), Form::archive) << archive;
  }
}

TEST_F(Sources, NamesFormatsThatItDoesNotRead) {
  put("ckpt_a_1.dmtcp", "\x1f\x8b\x08"s);
  put("plain", "DMTCP_CHECKPOINT_IMAGE_v3.0\n");
  put("dir/ckpt_a_1.dmtcp", "");
  put("shard", "\x0f\x00\x00\x00\x12\x0dinventory.img"s);
  put("crypt/inventory.img", kCriuHead);
  put("crypt/cipher.img", "");
  EXPECT_NE(refusal("ckpt_a_1.dmtcp").find("DMTCP"), std::string::npos);
  EXPECT_NE(refusal("plain").find("DMTCP"), std::string::npos);
  EXPECT_NE(refusal("dir").find("DMTCP"), std::string::npos);
  EXPECT_NE(refusal("shard").find("criu-image-streamer"), std::string::npos);
  EXPECT_NE(refusal("crypt").find("encrypted"), std::string::npos);
}

TEST_F(Sources, SaysWhatItLookedFor) {
  put("text", "hello");
  put("json", "{\"a\": 1}");
  fs::create_directories(at("empty"));
  for (const char* unknown : {"text", "json", "empty"}) {
    EXPECT_NE(refusal(unknown).find("looked for a store"), std::string::npos) << unknown;
  }
  EXPECT_NE(refusal("missing").find("No such file"), std::string::npos);
}

TEST_F(Sources, NeverWaitsForAFifo) {
  ASSERT_EQ(::mkfifo(at("fifo").c_str(), 0600), 0);
  fs::create_directories(at("d"));
  ASSERT_EQ(::mkfifo(at("d/core-1.img").c_str(), 0600), 0);
  EXPECT_NE(refusal("fifo").find("neither a file nor a directory"), std::string::npos);
  refusal("d");
}

TEST_F(Sources, CollectsOneLevelDeep) {
  put("c/one/inventory.img", "");
  put("c/two.store/data.mdb", "");
  put("c/notes.txt", "hello");
  put("c/deep/er/inventory.img", "");
  put("c/.hidden/inventory.img", "");
  const Result<Source> source = recognise(at("c"), {});
  ASSERT_TRUE(source);
  EXPECT_EQ(source->form, Form::collection);
  ASSERT_EQ(source->members.size(), 2u);
  EXPECT_EQ(source->members[0].path, at("c/one"));
  EXPECT_EQ(source->members[1].form, Form::store);
  EXPECT_FALSE(chain_top(*source));
}

TEST_F(Sources, KnowsAChainByItsLinks) {
  for (int level = 1; level <= 11; ++level) {
    const std::string name = "c/" + std::to_string(level);
    put(name + "/inventory.img", "");
    if (level > 1) {
      fs::create_symlink("../" + std::to_string(level - 1), at(name + "/parent"));
    }
  }
  const Result<Source> source = recognise(at("c"), {});
  ASSERT_TRUE(source);
  ASSERT_TRUE(chain_top(*source));
  EXPECT_EQ(chain_top(*source)->path, at("c/11"));
  fs::remove(at("c/7/parent"));
  EXPECT_FALSE(chain_top(*source));
}

TEST_F(Sources, SplitsNamesOff) {
  put("s/data.mdb", "");
  put("odd::name/data.mdb", "");
  EXPECT_EQ(recognise(at("s") + "::web.1", {})->image, "web.1");
  EXPECT_EQ(recognise(at("s"), {.image = "web.1"})->image, "web.1");
  EXPECT_EQ(recognise(at("s") + "::web.1", {})->place(), at("s") + "::web.1");
  EXPECT_EQ(recognise(at("odd::name"), {})->image, "");
  EXPECT_EQ(recognise(at("s") + "::a b", {}).error().fault, Fault::usage);
  EXPECT_EQ(recognise(at("s") + "::a", {.image = "b"}).error().fault, Fault::usage);
}

TEST_F(Sources, FromMustAgree) {
  put("d/inventory.img", "");
  EXPECT_TRUE(recognise(at("d"), {.from = Form::criu}));
  EXPECT_EQ(recognise(at("d"), {.from = Form::store}).error().fault, Fault::unsupported);
}

TEST_F(Sources, ReadsAPipeToItsEnd) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const UniqueFd in(ends[0]);
  ASSERT_EQ(::write(ends[1], kJson.data(), kJson.size()), static_cast<ssize_t>(kJson.size()));
  const std::atomic<int> stop = 0;
  { const UniqueFd out(ends[1]); }
  const Result<Source> source = recognise("-", {.input = in.get(), .stop = &stop});
  ASSERT_TRUE(source);
  EXPECT_EQ(source->form, Form::json_file);
  EXPECT_EQ(as_text(source->bytes->bytes()), kJson);
}

TEST_F(Sources, StopsReadingAPipeWhenAsked) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const UniqueFd in(ends[0]);
  const UniqueFd out(ends[1]);
  const std::atomic<int> stop = 15;
  EXPECT_EQ(recognise("-", {.input = in.get(), .stop = &stop}).error().fault, Fault::gone);
}

TEST_F(Sources, DestinationFollowsWhatIsThereThenItsSuffix) {
  put("d/inventory.img", "");
  put("s/data.mdb", "");
  fs::create_directories(at("empty.store"));
  const Source whole = *recognise(at("d"), {});
  const auto form = [&](const std::string& path, std::optional<Form> to = {}) {
    return choose_destination(path, to, whole)->form;
  };
  EXPECT_EQ(form(at("s")), Form::store);
  EXPECT_EQ(form(at("new.store")), Form::store);
  EXPECT_EQ(form(at("new.store/")), Form::store);
  EXPECT_EQ(form(at("empty.store")), Form::store);
  EXPECT_EQ(form(at("x.tar.zst")), Form::archive);
  EXPECT_EQ(form(at("x.json")), Form::json);
  EXPECT_EQ(form(at("new.store"), Form::criu), Form::criu);
  EXPECT_EQ(form("-"), Form::archive);
  const auto unknown = choose_destination(at("out"), {}, whole);
  EXPECT_EQ(unknown.error().fault, Fault::usage);
  EXPECT_NE(unknown.error().line().find("store, criu, archive, json, core, oci"),
            std::string::npos);
  EXPECT_FALSE(choose_destination("-", Form::criu, whole));
}

TEST_F(Sources, OneFileBecomesItsOtherForm) {
  put("files.img", kCriuHead);
  put("files.json", kJson);
  const Source image = *recognise(at("files.img"), {});
  const Source json = *recognise(at("files.json"), {});
  EXPECT_EQ(choose_destination("-", {}, image)->form, Form::json_file);
  EXPECT_EQ(choose_destination("-", Form::criu, image)->form, Form::criu_file);
  EXPECT_EQ(choose_destination("-", {}, json)->form, Form::criu_file);
  EXPECT_EQ(choose_destination(at("files.img"), {}, json)->form, Form::criu_file);
  EXPECT_EQ(choose_destination(at("other"), {}, image)->form, Form::json_file);
  EXPECT_FALSE(choose_destination(at("x.store"), Form::store, image));
}

TEST(Sniff, SurvivesAnyHead) {
  for (std::size_t size = 0; size < 300; ++size) {
    EXPECT_EQ(sniff(as_bytes(std::string(size, '\x08'))), Content::unknown);
  }
  EXPECT_EQ(sniff(as_bytes("\x03\x00\x00\x00\x08\xff\xff"s)), Content::unknown);
}

}  // namespace
}  // namespace img::convert
