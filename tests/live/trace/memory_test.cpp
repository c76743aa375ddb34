// SPDX-License-Identifier: MIT
// Of our own process, which needs no right to trace.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include "live/trace/remote_memory.h"

namespace img::trace {
namespace {

constexpr std::size_t kPage = 4096;

class Remote : public testing::Test {
 protected:
  void SetUp() override {
    at_ = static_cast<unsigned char*>(
        mmap(nullptr, kPages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(at_, MAP_FAILED);
    for (std::size_t i = 0; i < kPages * kPage; ++i) {
      at_[i] = static_cast<unsigned char>(i * 31 + i / kPage);
    }
  }
  void TearDown() override { munmap(at_, kPages * kPage); }
  std::uint64_t address(std::size_t offset = 0) const {
    return reinterpret_cast<std::uint64_t>(at_ + offset);
  }

  static constexpr std::size_t kPages = 5000;
  unsigned char* at_ = nullptr;
  RemoteMemory memory_ = *RemoteMemory::open(getpid());
};

TEST_F(Remote, ManyRangesInOneGo) {
  std::vector<RemoteRange> ranges;
  std::vector<std::byte> want;
  for (std::size_t page = 0; page + 1 < kPages; page += 2) {  // more than IOV_MAX of them
    const std::size_t bytes = page % 3 == 0 ? 0 : 100 + page % 2000;
    ranges.push_back({address(page * kPage + 17), bytes});
    const auto* begin = reinterpret_cast<const std::byte*>(at_ + page * kPage + 17);
    want.insert(want.end(), begin, begin + bytes);
  }
  std::vector<std::byte> got(want.size());
  const auto read = memory_.read_ranges(ranges, got);
  ASSERT_TRUE(read.has_value()) << read.error().line();
  EXPECT_TRUE(got == want);
}

TEST_F(Remote, WhatItsOwnerMayNotRead) {
  std::vector<std::byte> want(10 * kPage);
  std::memcpy(want.data(), at_, want.size());
  mprotect(at_ + kPage, kPage, PROT_NONE);
  mprotect(at_ + 4 * kPage, 3 * kPage, PROT_NONE);
  std::vector<std::byte> got(want.size());
  const RemoteRange ranges[] = {{address(), 5 * kPage - 9},
                                {address(5 * kPage - 9), 5 * kPage + 9}};
  const auto read = memory_.read_ranges(ranges, got);
  ASSERT_TRUE(read.has_value()) << read.error().line();
  EXPECT_TRUE(got == want);
}

TEST_F(Remote, WritingPastTheProtection) {
  mprotect(at_ + kPage, kPage, PROT_READ);
  const std::vector<std::byte> bytes(3 * kPage, std::byte{0x42});
  ASSERT_TRUE(memory_.write(address(), bytes).has_value());
  EXPECT_EQ(std::memcmp(at_, bytes.data(), bytes.size()), 0);
}

TEST_F(Remote, WhatIsNotMappedIsAnError) {
  munmap(at_ + kPage, kPage);
  std::vector<std::byte> got(3 * kPage);
  const auto read = memory_.read(address(), got);
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().fault, Fault::io) << read.error().line();
  EXPECT_FALSE(memory_.write(address(), got).has_value());
}

// 0 where we may not know.
std::uint64_t frame(pid_t pid, std::uint64_t address) {
  const std::string path = "/proc/" + std::to_string(pid) + "/pagemap";
  const UniqueFd map(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::uint64_t entry = 0;
  EXPECT_EQ(::pread(map.get(), &entry, sizeof entry, static_cast<off_t>(address / kPage * 8)), 8);
  return entry & ((std::uint64_t{1} << 55) - 1);
}

// A copy of this process that waits, ended with this.
class Child {
 public:
  Child() : pid_(fork()) {
    while (pid_ == 0) {
      pause();
    }
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() { end(); }
  void end() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
      pid_ = -1;
    }
  }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

TEST_F(Remote, SharedPagesStayShared) {
  const Child child;
  const auto memory = RemoteMemory::open(child.pid());
  ASSERT_TRUE(memory.has_value());
  const RemoteRange ranges[] = {{address(kPage), 3 * kPage}, {address(9 * kPage), kPage}};
  std::vector<std::byte> got(4 * kPage);
  const auto peeked = memory->peek_ranges(ranges, got);
  EXPECT_TRUE(peeked.has_value()) << peeked.error().line();
  EXPECT_EQ(std::memcmp(got.data(), at_ + kPage, 3 * kPage), 0);
  EXPECT_EQ(std::memcmp(&got[3 * kPage], at_ + 9 * kPage, kPage), 0);
  for (const std::size_t page : {1UL, 2UL, 3UL, 9UL}) {
    EXPECT_EQ(frame(child.pid(), address(page * kPage)), frame(getpid(), address(page * kPage)))
        << page;
  }
}

TEST_F(Remote, OfAProcessThatHasEnded) {
  Child child;
  const auto memory = RemoteMemory::open(child.pid());
  ASSERT_TRUE(memory.has_value());
  child.end();
  EXPECT_EQ(memory->get<int>(address()).error().fault, Fault::gone);
}

}  // namespace
}  // namespace img::trace
