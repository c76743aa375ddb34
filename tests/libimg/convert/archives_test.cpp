// SPDX-License-Identifier: MIT
// Archives in and out: what comes back is what went in, byte for byte where it is not compressed.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "libimg/archive/compressed.h"
#include "libimg/convert/convert.h"
#include "libimg/convert/open_image.h"
#include "tests/fixtures/tar_maker.h"
#include "tests/support/scratch.h"

namespace img::convert {
namespace {

namespace fs = std::filesystem;
using fixtures::tar_block;
using fixtures::tar_end;
using fixtures::tar_file;
using fixtures::TarHeader;

class ArchiveConversion : public testing::Test {
 protected:
  std::string at(const std::string& name) const { return place_ / name; }
  void put(const std::string& name, const std::string& bytes) const {
    test::spill(at(name), bytes);
  }
  Result<Outcome> try_to(const std::string& from, const std::string& to, std::optional<Form> form) {
    IMG_ASSIGN(const Source source, recognise(from, {}));
    IMG_ASSIGN(const Destination destination, choose_destination(to, form, source));
    Options options;
    options.now_ns = 1'700'000'000'000'000'000;
    return convert(source, destination, options);
  }
  Outcome to(const std::string& from, const std::string& to, std::optional<Form> form = {}) {
    const auto done = try_to(from, to, form);
    EXPECT_TRUE(done) << done.error().line();
    return done ? *done : Outcome();
  }
  test::Scratch place_;
};

TEST_F(ArchiveConversion, ATarComesBackFromAStoreByteForByte) {
  const std::string tar = fixtures::crio_archive();
  put("x.tar", tar);
  put("x.tar.gz", fixtures::gzipped(tar));
  put("x.tar.zst", fixtures::zstd_compressed(tar));
  for (const char* name : {"x.tar", "x.tar.gz", "x.tar.zst"}) {
    fs::remove_all(at("s.store"));
    fs::remove(at("y.tar"));
    const Outcome stored = to(at(name), at("s.store"));
    EXPECT_EQ(stored.levels.at(0).name, "shop_front-1_web-20231114T221320Z");
    to(at("s.store"), at("y.tar"));
    EXPECT_EQ(test::slurp(at("y.tar")), tar) << name;
  }
  for (const char* name : {"z.tar.gz", "z.tar.zst", "z"}) {
    to(at("s.store"), at(name), Form::archive);
    to(at(name), at("back.tar"));
    EXPECT_EQ(test::slurp(at("back.tar")), tar) << name;
    fs::remove(at("back.tar"));
  }
  EXPECT_EQ(archive::compression_of(as_bytes(test::slurp(at("z")))), archive::Compression::zstd);
}

TEST_F(ArchiveConversion, ArchivesArePrivateAndTheSameEachTime) {
  const mode_t before = ::umask(0);
  to(STASIS_FIXTURES "/dumps/zoo", at("a.tar.zst"));
  to(STASIS_FIXTURES "/dumps/zoo", at("b.tar.zst"));
  ::umask(before);
  EXPECT_EQ(test::slurp(at("a.tar.zst")), test::slurp(at("b.tar.zst")));
  struct stat status {};
  ASSERT_EQ(::stat(at("a.tar.zst").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  EXPECT_FALSE(try_to(STASIS_FIXTURES "/dumps/zoo", at("a.tar.zst"), {}));  // it is there
}

TEST_F(ArchiveConversion, EveryDumpGoesThroughATar) {
  for (const auto& entry : fs::directory_iterator(STASIS_FIXTURES "/dumps")) {
    const fs::path dump = entry.path();
    const bool is_chain = fs::exists(dump / "3");
    to(is_chain ? dump / "3" : dump, at("t.tar.zst"));
    to(at("t.tar.zst"), at("copy"), Form::criu);
    const std::string differs = "diff -r --no-dereference " + dump.string() + " " + at("copy");
    EXPECT_EQ(std::system(differs.c_str()), 0) << dump;
    fs::remove_all(at("copy"));
    fs::remove(at("t.tar.zst"));
  }
}

TEST_F(ArchiveConversion, PartsOfTheContainerStayOutOfADirectory) {
  put("x.tar", fixtures::crio_archive());
  to(at("x.tar"), at("d"), Form::criu);
  EXPECT_TRUE(fs::exists(at("d/descriptors.json")));
  EXPECT_FALSE(fs::exists(at("d/config.dump")));
  EXPECT_FALSE(fs::exists(at("d/checkpoint")));
}

TEST_F(ArchiveConversion, AFolderOfAnyNameAndTheTopHoldImages) {
  for (const std::string prefix : {"", "./", "some/", "./a/b/"}) {
    std::string tar;
    for (const auto& entry : fs::directory_iterator(STASIS_FIXTURES "/dumps/single")) {
      tar += tar_file(prefix + entry.path().filename().string(), test::slurp(entry.path()));
    }
    put("x.tar", tar + tar_end());
    fs::remove_all(at("d"));
    to(at("x.tar"), at("d"), Form::criu);
    EXPECT_EQ(std::system(("diff -r " STASIS_FIXTURES "/dumps/single " + at("d")).c_str()), 0);
  }
}

TEST_F(ArchiveConversion, JsonKeepsThePathsOfMembersAndGivesTheTarBack) {
  const std::string tar = fixtures::crio_archive();
  put("x.tar", tar);
  to(at("x.tar"), at("j"), Form::json);
  for (const char* name : {"j/config.dump", "j/checkpoint/inventory.img.json", "j/volumes/data.tar",
                           "j/checkpoint/descriptors.json", "j/rootfs-diff.tar"}) {
    EXPECT_TRUE(fs::exists(at(name))) << name;
  }
  to(at("j"), at("y.tar"));
  EXPECT_EQ(test::slurp(at("y.tar")), tar);
  to(at("j"), at("s.store"));
  to(at("s.store"), at("z.tar"));
  EXPECT_EQ(test::slurp(at("z.tar")), tar);
}

TEST_F(ArchiveConversion, AnEditedPartOfJsonIsTaken) {
  put("x.tar", fixtures::crio_archive());
  to(at("x.tar"), at("j"), Form::json);
  put("j/config.dump", "{\"name\": \"another\"}");
  to(at("j"), at("y.tar"));
  const auto source = recognise(at("y.tar"), {});
  ASSERT_TRUE(source);
  const auto image = open_image(*source);
  ASSERT_TRUE(image) << image.error().line();
  EXPECT_NE(test::slurp(at("y.tar")).find("another"), std::string::npos);
}

TEST_F(ArchiveConversion, JsonThatLeadsOutIsRefused) {
  put("x.tar", fixtures::crio_archive());
  to(at("x.tar"), at("j"), Form::json);
  std::string manifest = test::slurp(at("j/archive.json"));
  manifest.replace(manifest.find("\"volumes/data.tar\""), 18, "\"../../data.tarr\" ");
  put("j/archive.json", manifest);
  const auto done = try_to(at("j"), at("y.tar"), {});
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().line().find("leads out"), std::string::npos) << done.error().line();
}

TEST_F(ArchiveConversion, AnOciLayoutIsOneLayerThatIsTheArchive) {
  const std::string tar = fixtures::crio_archive();
  for (const auto& [name, bytes] : {std::pair{"x.tar", tar},
                                    {"x.gz", fixtures::gzipped(tar)},
                                    {"x.zst", fixtures::zstd_compressed(tar)}}) {
    put(name, bytes);
    fs::remove_all(at("o"));
    fs::remove(at("y.tar"));
    const Outcome made = to(at(name), at("o"), Form::oci);
    EXPECT_EQ(made.levels.at(0).name, "shop_front-1_web");
    to(at("o") + "::shop_front-1_web", at("y.tar"));
    EXPECT_EQ(test::slurp(at("y.tar")), tar) << name;
    EXPECT_FALSE(try_to(at("o") + "::other", at("z.tar"), {}));
  }
  EXPECT_NE(test::slurp(at("o/index.json")).find("shop_front-1_web"), std::string::npos);
  for (const auto& entry : fs::directory_iterator(at("o/blobs/sha256"))) {
    if (entry.file_size() > 5000) {
      std::string bytes = test::slurp(entry.path());
      bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
      test::spill(entry.path(), bytes);
    }
  }
  const auto damaged = try_to(at("o"), at("z.tar"), {});
  ASSERT_FALSE(damaged);
  EXPECT_NE(damaged.error().line().find("SHA-256"), std::string::npos) << damaged.error().line();
}

TEST_F(ArchiveConversion, AnOciLayoutSaysWhatPodmanKnowsACheckpointBy) {
  to(STASIS_FIXTURES "/archives/podman.tar.zst", at("o"), Form::oci);
  bool names_runtime = false;
  for (const auto& entry : fs::directory_iterator(at("o/blobs/sha256"))) {
    names_runtime =
        names_runtime || test::slurp(entry.path())
                                 .find(
                                     "\"io.podman.annotations.checkpoint.runtime.name\": "
                                     "\"runc\"") != std::string::npos;
  }
  EXPECT_TRUE(names_runtime);
}

long anonymous_memory(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  long kilobytes = 0;
  for (std::string word; status >> word;) {
    if (word == "RssAnon:") {
      status >> kilobytes;
    }
  }
  return kilobytes;
}

/// RssAnon at its highest, in a process of its own, asked every millisecond; kilobytes.
long most_memory(const std::function<void()>& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    work();
    ::_exit(testing::Test::HasFailure() ? 1 : 0);
  }
  long most = 0;
  int status = 0;
  while (::waitpid(child, &status, WNOHANG) == 0) {
    most = std::max(most, anonymous_memory(child));
    ::usleep(1000);
  }
  EXPECT_EQ(status, 0);
  EXPECT_GT(most, 0);
  return most;
}

TEST_F(ArchiveConversion, MemoryDoesNotGrowWithTheArchive) {
  // 200 MiB that do not compress, in a part and so not in the image.
  std::string noise(1 << 20, '\0');
  std::uint64_t state = 1;
  for (char& c : noise) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    c = static_cast<char>(state >> 56);
  }
  {
    std::ofstream out(at("big.tar"), std::ios::binary);
    const std::string small = fixtures::crio_archive();
    out << small.substr(0, small.size() - 10240);
    TarHeader header{"volumes/big"};
    header.size = std::uint64_t{200} << 20;
    out << tar_block(header);
    for (int i = 0; i < 200; ++i) {
      out << noise;
    }
    out << tar_end();
  }
#ifndef STASIS_SANITIZE
  EXPECT_LT(most_memory([&] { to(at("big.tar"), at("big.tar.zst")); }), 64 * 1024);
  EXPECT_LT(most_memory([&] { to(at("big.tar.zst"), at("big.store")); }), 64 * 1024);
  EXPECT_LT(most_memory([&] { to(at("big.store"), at("back.tar")); }), 64 * 1024);
#else
  to(at("big.tar"), at("big.tar.zst"));
  to(at("big.tar.zst"), at("big.store"));
  to(at("big.store"), at("back.tar"));
#endif
  EXPECT_EQ(std::system(("cmp " + at("big.tar") + " " + at("back.tar")).c_str()), 0);
}

}  // namespace
}  // namespace img::convert
