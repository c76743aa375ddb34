// SPDX-License-Identifier: MIT
#include "libimg/base/mapping_guard.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <string>

#include "libimg/base/fault_object.h"
#include "libimg/base/mapped_file.h"
#include "libimg/base/unique_fd.h"

namespace img {
namespace {

struct Ended {
  int status = 0;
  std::string text;  // of stderr
};

/// `to`: which of the child's descriptors is read.
template <class Run>
Ended in_child(Run run, int to = 2) {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe(ends.data()), 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(ends[1], to);
    ::alarm(20);
    run();
    ::_exit(0);
  }
  ::close(ends[1]);
  Ended ended;
  std::array<char, 512> buffer;
  for (ssize_t got = 0; (got = ::read(ends[0], buffer.data(), buffer.size())) > 0;) {
    ended.text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  ::close(ends[0]);
  EXPECT_EQ(::waitpid(pid, &ended.status, 0), pid);
  return ended;
}

// A mapping of two pages whose file has been cut to nothing.
MappedFile cut_short(const std::string& name) {
  std::string path = "/tmp/stasis-test-XXXXXX";
  const UniqueFd fd(::mkstemp(path.data()));
  ::unlink(path.c_str());
  EXPECT_EQ(::ftruncate(fd.get(), 8192), 0);
  auto file = MappedFile::map(fd.get(), 8192, name);
  EXPECT_TRUE(file);
  EXPECT_EQ(::ftruncate(fd.get(), 0), 0);
  return std::move(*file);
}

// Read when it runs, so that the compiler cannot know that there is nothing.
volatile std::uintptr_t nowhere = 400;

void touch(const volatile std::byte* at) {
  static_cast<void>(*at);
}

TEST(MappingGuard, AFaultInAMappingEndsWithALine) {
  const Ended ended = in_child([] {
    install_mapping_fault_handler("img-test", 2);
    const MappedFile file = cut_short("pages\x1b[2J-1.img");
    touch(file.bytes().data() + 4096);
  });
  ASSERT_TRUE(WIFEXITED(ended.status));
  EXPECT_EQ(WEXITSTATUS(ended.status), 2);
  EXPECT_TRUE(ended.text.starts_with("img-test: pages?[2J-1.img: cannot be read: ")) << ended.text;
  EXPECT_EQ(ended.text.find('\n'), ended.text.size() - 1);
}

TEST(MappingGuard, AFaultIsAnObjectForWhoAskedForOne) {
  const auto fault = [] {
    install_mapping_fault_handler("img-test", 2);
    set_fault_object("\"tool\":\"img-test\"", 2);
    const MappedFile file = cut_short("a \"quoted\\ name\xff");
    touch(file.bytes().data());
  };
  EXPECT_EQ(
      in_child(fault, 1).text,
      R"({"tool":"img-test","exit":2,"error":{"thing":"a \"quoted\\ name?",)"
      R"("what":"cannot be read","why":"the file became shorter, or its disk failed, or it is )"
      R"(damaged","hint":""}})"
      "\n");
  const auto begun = [] {
    install_mapping_fault_handler("img-test", 2);
    set_fault_object("\"tool\":\"img-test\"", 2);
    clear_fault_object();
    const MappedFile file = cut_short("pages-1.img");
    touch(file.bytes().data());
  };
  EXPECT_EQ(in_child(begun, 1).text, "");
}

TEST(MappingGuard, AFaultElsewhereIsNotExplained) {
  const Ended ended = in_child([] {
    ::signal(SIGSEGV, SIG_DFL);
    install_mapping_fault_handler("img-test", 2);
    touch(reinterpret_cast<const std::byte*>(nowhere));
  });
  ASSERT_TRUE(WIFSIGNALED(ended.status));
  EXPECT_EQ(WTERMSIG(ended.status), SIGSEGV);
  EXPECT_EQ(ended.text, "");
}

TEST(MappingGuard, AnUnregisteredMappingIsNotExplained) {
  const Ended ended = in_child([] {
    ::signal(SIGBUS, SIG_DFL);
    ::signal(SIGSEGV, SIG_DFL);
    install_mapping_fault_handler("img-test", 2);
    const std::byte* address = nullptr;
    {
      const MappedFile file = cut_short("gone");
      address = file.bytes().data();
    }
    touch(address);
  });
  EXPECT_TRUE(WIFSIGNALED(ended.status));
}

TEST(MappingGuard, BlameTakesFaultsAnywhere) {
  const Ended ended = in_child([] {
    install_mapping_fault_handler("img-test", 2);
    static const std::array<char, 8> memory{};
    const MappingGuard guard(memory.data(), memory.size(), "data.mdb");
    const BlameMapping blame(guard);
    touch(reinterpret_cast<const std::byte*>(nowhere));
  });
  ASSERT_TRUE(WIFEXITED(ended.status));
  EXPECT_EQ(WEXITSTATUS(ended.status), 2);
  EXPECT_TRUE(ended.text.starts_with("img-test: data.mdb: ")) << ended.text;
}

TEST(MappingGuard, BlameEnds) {
  const Ended ended = in_child([] {
    ::signal(SIGSEGV, SIG_DFL);
    install_mapping_fault_handler("img-test", 2);
    static const std::array<char, 8> memory{};
    const MappingGuard guard(memory.data(), memory.size(), "data.mdb");
    { const BlameMapping blame(guard); }
    touch(reinterpret_cast<const std::byte*>(nowhere));
  });
  EXPECT_TRUE(WIFSIGNALED(ended.status));
}

TEST(MappingGuard, AKillFromOutsideIsNoFault) {
  const Ended ended = in_child([] {
    ::signal(SIGSEGV, SIG_DFL);
    install_mapping_fault_handler("img-test", 2);
    ::raise(SIGSEGV);
  });
  ASSERT_TRUE(WIFSIGNALED(ended.status));
  EXPECT_EQ(WTERMSIG(ended.status), SIGSEGV);
}

}  // namespace
}  // namespace img
