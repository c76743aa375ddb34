// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/live/dump/open_files.h"

namespace img::live_test {
namespace {

void bind_and_rename(const std::string& name, const std::string& renamed) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  name.copy(to.sun_path, sizeof to.sun_path - 1);
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM, 0);
  ASSERT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
  ASSERT_EQ(::rename(name.c_str(), renamed.c_str()), 0);
}

TEST(OpenFiles, UnixFileThatWasRenamed) {
  const std::string path = "/tmp/stasis-renamed-" + std::to_string(::getpid());
  const Opener opener([&] {
    bind_and_rename(path + ".new", path);
    ASSERT_EQ(::chdir("/tmp"), 0);
    bind_and_rename(path.substr(5) + ".new", path + ".2");
  });
  const Collected collected(opener.pid());
  ASSERT_EQ(collected.failure(), "");
  for (const int number : {3, 4}) {
    const auto& socket = *file(collected, number, schema::FdTypes::UNIXSK).usk();
    const auto* name = reinterpret_cast<const char*>(socket.name()->data());
    EXPECT_EQ(std::string(name), number == 3 ? path : path + ".2");
    EXPECT_EQ(socket.name_dir(), nullptr);
    EXPECT_FALSE(socket.deleted().has_value());
  }
  EXPECT_TRUE(collected.refusals().empty());
  EXPECT_TRUE(collected.loses(state::Piece::unix_renamed));
  ::unlink(path.c_str());
  ::unlink((path + ".2").c_str());
}

}  // namespace
}  // namespace img::live_test
