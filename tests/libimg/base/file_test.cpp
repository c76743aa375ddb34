// SPDX-License-Identifier: MIT
#include "libimg/base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "libimg/base/file_lock.h"
#include "tests/support/scratch.h"

namespace img {
namespace {

namespace fs = std::filesystem;

class Files : public ::testing::Test {
 protected:
  [[nodiscard]] std::string why(const std::string& name) const {
    const auto fd = open_regular(directory_.get(), name, O_RDONLY, name);
    return fd ? "" : fd.error().line();
  }

  test::Scratch scratch_;
  std::string path_ = scratch_.path();
  UniqueFd directory_{::open(path_.c_str(), O_RDONLY | O_DIRECTORY)};
};

TEST_F(Files, OnlyRegularFilesAreOpened) {
  std::ofstream(path_ + "/file") << "x";
  fs::create_symlink("file", path_ + "/link");
  fs::create_directory(path_ + "/folder");
  ASSERT_EQ(::mkfifo((path_ + "/fifo").c_str(), 0600), 0);
  EXPECT_EQ(why("file"), "");
  EXPECT_NE(why("link").find("symbolic link"), std::string::npos);
  EXPECT_NE(why("folder").find("directory"), std::string::npos);
  EXPECT_NE(why("fifo").find("a fifo, not a file"), std::string::npos);  // and does not block
  EXPECT_NE(why("none").find("No such file"), std::string::npos);
}

TEST_F(Files, WhatIsMadeIsPrivateAndNew) {
  const mode_t before = ::umask(0777);
  const auto file = create_file(directory_.get(), "file", "file");
  const auto folder = create_directory(directory_.get(), "folder", "folder");
  ::umask(before);
  ASSERT_TRUE(file && folder);
  EXPECT_EQ(fs::status(path_ + "/file").permissions(), fs::perms(0600));
  EXPECT_EQ(fs::status(path_ + "/folder").permissions(), fs::perms(0700));
  EXPECT_EQ(create_file(directory_.get(), "file", "file").error().fault, Fault::conflict);
}

TEST_F(Files, WritesAndReadsAtAnyPlace) {
  const auto file = create_file(directory_.get(), "file", "file");
  ASSERT_TRUE(write_at(file->get(), 5000, as_bytes("there"), "file"));
  EXPECT_EQ(file_size(file->get(), "file").value(), 5005U);
  std::array<std::byte, 5> bytes;
  ASSERT_TRUE(read_at(file->get(), 5000, bytes, "file"));
  EXPECT_EQ(as_text(bytes), "there");
  EXPECT_EQ(read_at(file->get(), 5001, bytes, "file").error().fault, Fault::corrupt);
}

TEST_F(Files, ALockHasADeadline) {
  const auto file = create_file(directory_.get(), "file", "file");
  const auto again = open_regular(directory_.get(), "file", O_RDWR, "file");
  const auto lock = [](int fd, LockMode mode) {
    return lock_file(fd, mode, std::chrono::milliseconds(20), "file", "lock");
  };
  ASSERT_TRUE(lock(file->get(), LockMode::shared));
  ASSERT_TRUE(lock(again->get(), LockMode::shared));
  const auto refused = lock(again->get(), LockMode::exclusive);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().fault, Fault::conflict);
}

TEST_F(Files, ALeaseIsHeldByOne) {
  const auto file = create_file(directory_.get(), "file", "file");
  EXPECT_TRUE(take_lease(file->get(), "file").value());
  EXPECT_FALSE(has_lease(file->get(), "file").value());  // our own is nobody else's
  const auto again = open_regular(directory_.get(), "file", O_RDWR, "file");
  EXPECT_TRUE(has_lease(again->get(), "file").value());
  EXPECT_FALSE(take_lease(again->get(), "file").value());
}

}  // namespace
}  // namespace img
