// SPDX-License-Identifier: MIT
#include "live/procfs/fdinfo.h"

#include <fcntl.h>
#include <gtest/gtest.h>

namespace img::procfs {
namespace {

constexpr std::string_view kCommon = "pos:\t10\nflags:\t02100002\nmnt_id:\t27\nino:\t10955154\n";

FdInfo parsed(const std::string& more) {
  auto out = parse_fdinfo(std::string(kCommon) + more);
  EXPECT_TRUE(out.has_value()) << out.error().line();
  return out ? *out : FdInfo{};
}

bool refused(const std::string& more) {
  return !parse_fdinfo(std::string(kCommon) + more).has_value();
}

TEST(FdInfo, Common) {
  const FdInfo file = parsed("something new: 5\n");
  EXPECT_EQ(file.position, 10);
  EXPECT_EQ(file.flags, static_cast<unsigned>(O_RDWR | O_CLOEXEC | 0100000));
  EXPECT_EQ(file.mount, 27);
  EXPECT_EQ(file.inode, 10955154U);
  EXPECT_TRUE(refused("pos: x\n"));
}

TEST(FdInfo, Eventfd) {
  const FdInfo file =
      parsed("eventfd-count:               1f\neventfd-id: 1\neventfd-semaphore: 1\n");
  ASSERT_TRUE(file.eventfd);
  EXPECT_EQ(file.eventfd->count, 0x1fU);
  EXPECT_TRUE(file.eventfd->semaphore);
}

TEST(FdInfo, Epoll) {
  const FdInfo file = parsed(
      "tfd:        5 events:       19 data: ffffffff00000005  pos:0 ino:fbf23 sdev:f\n"
      "tfd:        6 events: 80000001 data:                6\n");
  ASSERT_EQ(file.epoll.size(), 2U);
  EXPECT_EQ(file.epoll[0].fd, 5U);
  EXPECT_EQ(file.epoll[0].events, 0x19U);
  EXPECT_EQ(file.epoll[0].data, 0xffffffff00000005U);
  EXPECT_EQ(file.epoll[0].inode, 0xfbf23U);
  EXPECT_EQ(file.epoll[1].events, 0x80000001U);
  EXPECT_TRUE(refused("tfd: 5 events: zz\n"));
}

TEST(FdInfo, Timerfd) {
  const FdInfo file = parsed(
      "clockid: 1\nticks: 3\nsettime flags: 01\nit_value: (4, 999999999)\nit_interval: (5, 0)\n");
  ASSERT_TRUE(file.timerfd);
  EXPECT_EQ(file.timerfd->ticks, 3U);
  EXPECT_EQ(file.timerfd->settime_flags, 1U);
  EXPECT_EQ(file.timerfd->value[1], 999999999);
  EXPECT_EQ(file.timerfd->interval[0], 5);
  EXPECT_TRUE(refused("it_value: (4)\n"));
}

TEST(FdInfo, Inotify) {
  const FdInfo file = parsed(
      "inotify wd:a ino:3c51a sdev:fe00000 mask:fff ignored_mask:0 fhandle-bytes:8 fhandle-type:1 "
      "f_handle:1ac5030000000000\ninotify wd:1 ino:1 sdev:1 mask:1 ignored_mask:0\n");
  ASSERT_EQ(file.inotify.size(), 2U);
  EXPECT_EQ(file.inotify[0].descriptor, 10);
  EXPECT_EQ(file.inotify[0].device, 0xfe00000U);
  EXPECT_EQ(file.inotify[0].handle.handle, "1ac5030000000000");
  EXPECT_TRUE(file.inotify[1].handle.handle.empty());
}

TEST(FdInfo, LocksAndOthers) {
  const FdInfo file = parsed(
      "lock:\t1: POSIX  ADVISORY  WRITE 15618 fe:00:10955154 5 14\n"
      "lock:\t2: FLOCK  ADVISORY  READ  99 fe:00:10955154 0 EOF\n"
      "lock:\t2: -> FLOCK  ADVISORY  READ  98 fe:00:10955154 0 EOF\n"
      "sigmask:\t0000000000000200\nPid:\t-1\nscm_fds: 2\nSqMask: 0x7\nfanotify flags:12 "
      "event-flags:8000\n"
      "fanotify ino:b5018f sdev:fe00000 mflags:0 mask:3b ignored_mask:0 fhandle-bytes:8 "
      "fhandle-type:1 f_handle:8f01b500aabbccdd\n"
      "fanotify mnt_id:1d mflags:40 mask:40000038 ignored_mask:3\n"
      "fanotify sdev:5 mflags:0 mask:1 ignored_mask:0\n");
  ASSERT_EQ(file.locks.size(), 2U);
  EXPECT_EQ(file.locks[0].kind, "POSIX");
  EXPECT_TRUE(file.locks[0].writes);
  EXPECT_EQ(file.locks[0].device_major, 0xfeU);
  EXPECT_EQ(file.locks[0].start, 5U);
  EXPECT_EQ(file.locks[0].end, 14U);
  EXPECT_FALSE(file.locks[1].end);
  EXPECT_EQ(file.signalfd_mask, 0x200U);
  EXPECT_EQ(file.pidfd, -1);
  EXPECT_EQ(file.scm_fds, 2U);
  EXPECT_TRUE(file.io_uring);
  ASSERT_TRUE(file.fanotify);
  EXPECT_EQ(file.fanotify->flags, 0x12U);
  EXPECT_EQ(file.fanotify->event_flags, 0x8000U);
  ASSERT_EQ(file.fanotify->marks.size(), 3U);
  EXPECT_EQ(file.fanotify->marks[0].on, FanotifyMark::On::file);
  EXPECT_EQ(file.fanotify->marks[0].inode, 0xb5018fU);
  EXPECT_EQ(file.fanotify->marks[0].device, 0xfe00000U);
  EXPECT_EQ(file.fanotify->marks[0].handle.handle, "8f01b500aabbccdd");
  EXPECT_EQ(file.fanotify->marks[1].on, FanotifyMark::On::mount);
  EXPECT_EQ(file.fanotify->marks[1].mount, 0x1d);
  EXPECT_EQ(file.fanotify->marks[1].flags, 0x40U);
  EXPECT_EQ(file.fanotify->marks[1].mask, 0x40000038U);
  EXPECT_EQ(file.fanotify->marks[1].ignored, 3U);
  EXPECT_EQ(file.fanotify->marks[2].on, FanotifyMark::On::other);
  EXPECT_TRUE(refused("fanotify ino:1 sdev:2 mflags:x\n"));
  EXPECT_TRUE(refused("lock:\t1: POSIX ADVISORY WRITE x\n"));
}

}  // namespace
}  // namespace img::procfs
