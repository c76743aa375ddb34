// SPDX-License-Identifier: MIT
// Archives that break each rule about archives, and ones that only look as if they did.
#include <gtest/gtest.h>

#include <chrono>

#include "tests/fixtures/tar_maker.h"
#include "tests/libimg/check/judged.h"
#include "tests/support/scratch.h"

namespace img::check {
namespace {

namespace fs = std::filesystem;
using fixtures::tar_block;
using fixtures::tar_end;
using fixtures::tar_file;
using fixtures::TarHeader;

/// The members of a container's archive, around a real dump.
std::string container(const std::string& config = "{\"id\": \"1\", \"name\": \"n\"}") {
  std::string tar = tar_file("config.dump", config) + tar_file("spec.dump", "{}") +
                    tar_block({"checkpoint/", '5'});
  for (const auto& entry : fs::directory_iterator(STASIS_FIXTURES "/dumps/single")) {
    tar += tar_file("checkpoint/" + entry.path().filename().string(), test::slurp(entry.path()));
  }
  return tar;
}

class Archives : public testing::Test {
 protected:
  Judgement judge(const std::string& bytes) {
    test::spill(place_ / "x.tar", bytes);
    return check::judge(place_ / "x.tar");
  }
  void expect(std::string_view rule, const std::string& bytes) {
    const Judgement judgement = judge(bytes);
    EXPECT_TRUE(judgement.has(rule, Severity::error)) << rule << ":\n" << judgement.text();
    EXPECT_EQ(judgement.findings.size(), judgement.summary.errors) << judgement.text();
  }
  void expect_in_all_forms(std::string_view rule, const std::string& members) {
    const std::string tar = members + tar_end();
    expect(rule, tar);
    expect(rule, fixtures::gzipped(tar));
    expect(rule, fixtures::zstd_compressed(tar));
  }

  test::Scratch place_;
};

TEST_F(Archives, AWholeOneHasNoFinding) {
  for (const std::string& tar : {container() + tar_end(), container()}) {
    for (const std::string& bytes : {tar, fixtures::gzipped(tar), fixtures::zstd_compressed(tar)}) {
      const Judgement judgement = judge(bytes);
      EXPECT_EQ(judgement.summary.errors, 0U) << judgement.text();
      EXPECT_GT(judgement.summary.records, 20U);
    }
  }
}

TEST_F(Archives, NamesStayInside) {
  for (const char* name : {"../evil", "/etc/passwd", "checkpoint/../../evil", "a/.."}) {
    expect_in_all_forms("ARC-1", container() + tar_file(name, "x"));
  }
}

TEST_F(Archives, LinksStayInside) {
  for (const char* target : {"/tmp", "../x", "a/../../x"}) {
    expect_in_all_forms("ARC-1", container() + tar_block({"out", '2', target}));
    expect_in_all_forms("ARC-1", container() + tar_block({"out", '1', target}));
  }
  // One that leads to another place inside harms nobody, and is followed by nobody.
  EXPECT_EQ(judge(container() + tar_block({"checkpoint/up", '2', "../x"})).summary.errors, 0U);
}

TEST_F(Archives, NothingIsBelowALink) {
  expect_in_all_forms(
      "ARC-1", container() + tar_block({"in", '2', "checkpoint"}) + tar_file("in/pstree.img", "x"));
}

TEST_F(Archives, OnlyFilesDirectoriesAndLinks) {
  for (const char type : {'3', '4', '6', 'S'}) {
    expect_in_all_forms("ARC-2", container() + tar_block({"checkpoint/odd", type}));
  }
  expect_in_all_forms("ARC-2", container() + tar_block({"x", '1', "nothing-before-it"}));
}

TEST_F(Archives, EachMemberOnce) {
  expect_in_all_forms("ARC-3", container() + tar_file("spec.dump", "{}"));
  expect_in_all_forms("ARC-3", container() + tar_file("./checkpoint//pstree.img", ""));
  expect_in_all_forms("ARC-3", container() + tar_file("spec.dump/x", "{}"));
}

TEST_F(Archives, AreWhole) {
  const std::string tar = container() + tar_end();
  for (const std::size_t size : {tar.size() / 2, std::size_t{700}, std::size_t{10000}}) {
    expect("ARC-4", tar.substr(0, size));
    for (const std::string& all : {fixtures::gzipped(tar), fixtures::zstd_compressed(tar)}) {
      expect("ARC-4", all.substr(0, all.size() / 2));
      expect("ARC-4", all.substr(0, all.size() - 1));
    }
  }
  // A member that says it is larger than all that follows.
  TarHeader header{"big"};
  header.size = 1 << 30;
  expect("ARC-4", container() + tar_block(header) + "x");
  std::string damaged = fixtures::gzipped(tar);
  damaged[damaged.size() - 6] = static_cast<char>(damaged[damaged.size() - 6] ^ 1);
  expect("ARC-4", damaged);
  damaged = fixtures::zstd_compressed(tar);
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 1);
  expect("ARC-4", damaged);
}

TEST_F(Archives, ABombIsRefusedBeforeItGoesOff) {
  TarHeader header{"checkpoint/pages-99.img"};
  header.size = std::uint64_t{1} << 32;
  const std::string start = container() + tar_block(header);
  const std::string zeros(1 << 20, '\0');
  for (const std::string& bomb :
       {fixtures::gzipped(start + zeros), fixtures::zstd_compressed(start + zeros)}) {
    const auto before = std::chrono::steady_clock::now();
    expect("ARC-5", bomb);
    EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(1));
  }
  // Many small ones.
  std::string many = container();
  for (int i = 0; i < 300; ++i) {
    many += tar_file("part" + std::to_string(i), zeros);
  }
  expect("ARC-5", fixtures::zstd_compressed(many + tar_end()));
  EXPECT_EQ(judge(many + tar_end()).summary.errors, 0U);  // nothing comes out of little there
}

TEST_F(Archives, HoldAnImage) {
  expect_in_all_forms("ARC-6", tar_file("config.dump", "{}") + tar_file("spec.dump", "{}"));
  expect_in_all_forms("ARC-6", tar_file("text", "hello"));
  const std::string tar = container() + tar_end();
  std::string without = tar;
  without.replace(without.find("config.dump"), 11, "config.gone");
  without = fixtures::tar_file("config.gone", "{}") + without.substr(1024);
  expect("ARC-6", without);
}

TEST_F(Archives, PartsAreJson) {
  for (const char* config : {"", "{", "[]", "null", "{\"id\": }", "{} x"}) {
    expect_in_all_forms("ARC-7", container(config));
  }
  expect_in_all_forms("ARC-7", container() + tar_file("deleted.files", "{}"));
  expect_in_all_forms("ARC-7", container() + tar_file("network.status", "{,}"));
  EXPECT_EQ(judge(container() + tar_file("network.status", "null")).summary.errors, 0U);
}

TEST_F(Archives, DeletedFilesAreBelowTheRoot) {
  expect_in_all_forms("ARC-8", container() + tar_file("deleted.files", R"(["/etc/x", "/../y"])"));
  EXPECT_EQ(judge(container() + tar_file("deleted.files", R"(["/etc/x", "y"])")).summary.errors,
            0U);
}

}  // namespace
}  // namespace img::check
