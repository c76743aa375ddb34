// SPDX-License-Identifier: MIT
#include "live/trace/call_site.h"

#include <elf.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/auxv.h>

#include <cstring>
#include <vector>

#include "live/arch/x86_64/stub.h"
#include "live/state/state.h"
#include "tests/live/victim_process.h"

namespace img::trace {
namespace {

std::vector<std::byte> own_vdso() {
  const auto* at = reinterpret_cast<const std::byte*>(getauxval(AT_SYSINFO_EHDR));
  return {at, at + 4096};  // its headers are in the first page
}

TEST(CallSite, TheEndOfOurOwnVdsoIsUnused) {
  const auto process = procfs::ProcDir::open(getpid());
  const auto memory = RemoteMemory::open(getpid());
  ASSERT_TRUE(process.has_value() && memory.has_value());
  const auto site = CallSite::find(*process, *memory);
  ASSERT_TRUE(site.has_value()) << site.error().line();
  const auto* tail = reinterpret_cast<const unsigned char*>(site->stub);
  for (std::size_t i = 0; i < arch::stub_bytes().size(); ++i) {
    EXPECT_EQ(tail[i], 0) << i;
  }
  EXPECT_EQ(site->scratch, 0U);
}

TEST(CallSite, HostileHeadersAreRefused) {
  const std::vector<std::byte> good = own_vdso();
  std::vector<std::byte> padded = good;
  padded.resize(8192);
  ASSERT_TRUE(unused_from(padded).has_value());
  for (const std::size_t length : {0UL, 3UL, 63UL}) {
    EXPECT_FALSE(unused_from(Bytes(good).first(length)).has_value()) << length;
  }
  for (const std::uint64_t offset : {~0UL, 0x8000UL, ~0UL - 56}) {
    std::vector<std::byte> bad = padded;
    store_at(bad.data() + offsetof(Elf64_Ehdr, e_phoff), offset);
    EXPECT_FALSE(unused_from(bad).has_value()) << offset;
  }
  std::vector<std::byte> bad = padded;
  bad[0] = std::byte{0};
  EXPECT_FALSE(unused_from(bad).has_value());
  // A table of sections that reaches past the end leaves no room; it is not an error by itself.
  bad = padded;
  store_at(bad.data() + offsetof(Elf64_Ehdr, e_shnum), std::uint16_t{0xfff0});
  EXPECT_GT(*unused_from(bad), padded.size());
}

TEST(CallSite, NoRoomAnywhere) {
  live_test::VictimProcess victim("no_room");
  const auto process = procfs::ProcDir::open(victim.pid());
  const auto memory = RemoteMemory::open(victim.pid());
  ASSERT_TRUE(process.has_value() && memory.has_value());
  const auto site = CallSite::find(*process, *memory);
  ASSERT_FALSE(site.has_value());
  EXPECT_EQ(site.error().why, state::row(state::Piece::no_call_site).text);
  EXPECT_TRUE(victim.makes_rounds());
  EXPECT_EQ(victim.complaint(), "");
}

TEST(CallSite, AnnouncesBySomethingIgnored) {
  const auto bit = [](int signal) { return std::uint64_t{1} << (signal - 1); };
  procfs::Status status;
  EXPECT_EQ(announcing_signal(status), SIGURG);
  status.caught = bit(SIGURG);
  EXPECT_EQ(announcing_signal(status), SIGWINCH);
  status.shared_pending = bit(SIGWINCH);
  EXPECT_EQ(announcing_signal(status), SIGCHLD);
  status.caught |= bit(SIGCHLD);
  EXPECT_EQ(announcing_signal(status), SIGURG);  // everything is caught
  status.ignored = bit(SIGPIPE) | bit(SIGHUP);
  status.pending = bit(SIGHUP);
  EXPECT_EQ(announcing_signal(status), SIGPIPE);
}

}  // namespace
}  // namespace img::trace
