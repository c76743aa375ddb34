// SPDX-License-Identifier: MIT
#include "libimg/base/staged.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include "tests/support/scratch.h"

namespace img {
namespace {

namespace fs = std::filesystem;

class Staged : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("staged-" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    old_umask_ = ::umask(0777);  // modes must not depend on it
  }
  void TearDown() override {
    ::umask(old_umask_);
    fs::remove_all(folder_);
  }
  std::string at(const char* name) const { return (folder_ / name).string(); }
  bool is_clean() const { return fs::is_empty(folder_); }
  static unsigned mode_of(const std::string& path) {
    struct stat there {};
    EXPECT_EQ(::stat(path.c_str(), &there), 0);
    return there.st_mode & 07777;
  }
  static std::string text_of(const std::string& path) { return test::slurp(path); }
  void put(const char* name, const char* text) const {
    ::umask(022);
    std::ofstream(at(name)) << text;
    ::umask(0777);
  }

  fs::path folder_;
  mode_t old_umask_ = 0;
};

TEST_F(Staged, FileAppearsWholeAndPrivate) {
  {
    auto file = StagedFile::create(at("a.img"), Replace::no);
    ASSERT_TRUE(file);
    ASSERT_TRUE(file->write("hello", 5));
    EXPECT_FALSE(fs::exists(at("a.img")));
    ASSERT_TRUE(file->commit());
  }
  EXPECT_EQ(text_of(at("a.img")), "hello");
  EXPECT_EQ(mode_of(at("a.img")), 0600u);
}

TEST_F(Staged, FileLeavesNothingWithoutCommit) {
  {
    auto file = StagedFile::create(at("a.img"), Replace::no);
    ASSERT_TRUE(file);
    EXPECT_FALSE(is_clean());
  }
  EXPECT_TRUE(is_clean());
}

TEST_F(Staged, FileIsNeverOverwrittenUnasked) {
  put("a.img", "old");
  EXPECT_EQ(StagedFile::create(at("a.img"), Replace::no).error().fault, Fault::conflict);
  auto file = StagedFile::create(at("b.img"), Replace::no);
  ASSERT_TRUE(file);
  put("b.img", "meanwhile");
  EXPECT_EQ(file->commit().error().fault, Fault::conflict);
  EXPECT_EQ(text_of(at("b.img")), "meanwhile");
}

TEST_F(Staged, ForceReplacesALinkNotItsTarget) {
  put("target", "old");
  fs::create_symlink("target", at("link"));
  auto file = StagedFile::create(at("link"), Replace::yes);
  ASSERT_TRUE(file);
  ASSERT_TRUE(file->write("new", 3));
  ASSERT_TRUE(file->commit());
  EXPECT_EQ(text_of(at("target")), "old");
  EXPECT_EQ(text_of(at("link")), "new");
  EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(at("link"))));
}

TEST_F(Staged, FileIsNeverADevice) {
  EXPECT_EQ(StagedFile::create("/dev/null", Replace::yes).error().fault, Fault::conflict);
}

TEST_F(Staged, DirectoryAppearsWholeAndPrivate) {
  auto directory = StagedDirectory::create(at("out/"));
  ASSERT_TRUE(directory);
  ::umask(022);
  std::ofstream(directory->path() + "/x") << "1";
  EXPECT_FALSE(fs::exists(at("out")));
  ASSERT_TRUE(directory->commit());
  EXPECT_EQ(text_of(at("out/x")), "1");
  EXPECT_EQ(mode_of(at("out")), 0700u);
}

TEST_F(Staged, DirectoryMayReplaceAnEmptyOneOnly) {
  ::umask(022);
  fs::create_directory(at("empty"));
  fs::create_directory(at("full"));
  put("full/x", "1");
  EXPECT_EQ(StagedDirectory::create(at("full")).error().fault, Fault::conflict);
  auto directory = StagedDirectory::create(at("empty"));
  ASSERT_TRUE(directory);
  put("empty/late", "1");
  EXPECT_FALSE(directory->commit());
  EXPECT_EQ(text_of(at("empty/late")), "1");
  fs::remove(at("empty/late"));
  EXPECT_TRUE(directory->commit());
  EXPECT_EQ(mode_of(at("empty")), 0700u);
}

TEST_F(Staged, DirectoryLeavesNothingWithoutCommit) {
  {
    auto directory = StagedDirectory::create(at("out"));
    ASSERT_TRUE(directory);
    fs::create_directories(directory->path() + "/1/2");
  }
  EXPECT_TRUE(is_clean());
}

TEST_F(Staged, NoNameIsRefused) {
  for (const char* bad : {"/", "..", "x/.."}) {
    EXPECT_FALSE(StagedDirectory::create(bad)) << bad;
    EXPECT_FALSE(StagedFile::create(bad, Replace::no)) << bad;
  }
  EXPECT_EQ(StagedFile::create(at("no/such/file"), Replace::no).error().fault, Fault::missing);
}

// In a child: after a signal nothing can be committed any more.
TEST_F(Staged, ASignalRemovesAll) {
  const pid_t child = ::fork();
  if (child == 0) {
    auto file = StagedFile::create(at("a"), Replace::no);
    auto directory = StagedDirectory::create(at("b"));
    if (!file || !directory) {
      ::_exit(1);
    }
    ::umask(022);
    std::ofstream(directory->path() + "/x") << "1";
    remove_all_staged();
    const bool refused = !file->commit() && !directory->commit();
    ::_exit(refused && fs::is_empty(folder_) ? 0 : 2);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace img
