// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "schema/memfd_generated.h"
#include "schema/namespaces_generated.h"
#include "tests/live/dump/open_files.h"

namespace img::live_test {
namespace {

using model::Kind;
using schema::FdTypes;
using state::Piece;

TEST(OpenFiles, Eventfd) {
  const Opener opener([] {
    ::eventfd(7, EFD_NONBLOCK);
    ::eventfd(3, EFD_SEMAPHORE);
  });
  const Collected collected(opener.pid());
  const auto* event = file(collected, 3, FdTypes::EVENTFD).efd();
  EXPECT_EQ(event->counter(), 7U);
  EXPECT_EQ(event->flags(), static_cast<unsigned>(O_RDWR | O_NONBLOCK));
  const auto* semaphore = file(collected, 4, FdTypes::EVENTFD).efd();
  EXPECT_EQ(semaphore->counter(), 3U);
  EXPECT_EQ(semaphore->flags(), static_cast<unsigned>(O_RDWR) | 1U);
}

TEST(OpenFiles, AThousandEventfdsAreAThousandFiles) {
  const Opener opener([] {
    for (int i = 0; i < 1000; ++i) {
      ::eventfd(1, 0);
    }
    start_child();
  });
  const Collected collected(opener.pid());
  EXPECT_EQ(collected.messages(Kind::files).size(), 1001U);
  EXPECT_EQ(collected.messages(Kind::fdinfo, 2).size(), 1003U);
}

TEST(OpenFiles, Signalfd) {
  const Opener opener([] {
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    ::signalfd(-1, &mask, SFD_NONBLOCK);
  });
  const Collected collected(opener.pid());
  EXPECT_EQ(file(collected, 3, FdTypes::SIGNALFD).sgfd()->signal_mask(), 1U << (SIGUSR1 - 1));
}

TEST(OpenFiles, Timerfd) {
  const Opener opener([] {
    const int fd = ::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    const itimerspec when{{2, 5}, {1000, 0}};
    ::timerfd_settime(fd, 0, &when, nullptr);
    const int fired = ::timerfd_create(CLOCK_REALTIME, 0);
    const itimerspec now{{0, 0}, {0, 1}};
    ::timerfd_settime(fired, TFD_TIMER_ABSTIME, &now, nullptr);
    ::usleep(1000);
  });
  const Collected collected(opener.pid());
  const auto* timer = file(collected, 3, FdTypes::TIMERFD).tfd();
  EXPECT_EQ(timer->clockid(), static_cast<unsigned>(CLOCK_MONOTONIC));
  EXPECT_GE(timer->vsec(), 998U);
  EXPECT_LE(timer->vsec(), 1000U);
  EXPECT_EQ(timer->isec(), 2U);
  EXPECT_EQ(timer->insec(), 5U);
  const auto* fired = file(collected, 4, FdTypes::TIMERFD).tfd();
  EXPECT_EQ(fired->ticks(), 1U);
  EXPECT_EQ(fired->settime_flags(), static_cast<unsigned>(TFD_TIMER_ABSTIME));
}

TEST(OpenFiles, Pidfd) {
  const Opener opener([] {
    const pid_t child = ::fork();
    if (child == 0) {
      ::_exit(0);
    }
    ::syscall(SYS_pidfd_open, ::getpid(), 0);
    ::syscall(SYS_pidfd_open, child, O_NONBLOCK);
    ::waitpid(child, nullptr, 0);
  });
  const Collected collected(opener.pid());
  EXPECT_EQ(file(collected, 3, FdTypes::PIDFD).pidfd()->nspid(), opener.pid());
  EXPECT_EQ(file(collected, 4, FdTypes::PIDFD).pidfd()->nspid(), -1);
  EXPECT_EQ(file(collected, 4, FdTypes::PIDFD).pidfd()->flags(), static_cast<unsigned>(O_NONBLOCK));
}

TEST(OpenFiles, RefusesForeignPidfd) {
  const Opener opener([] { ::syscall(SYS_pidfd_open, ::getppid(), 0); });
  EXPECT_TRUE(Collected(opener.pid()).refuses(Piece::pidfd_foreign));
}

TEST(OpenFiles, RefusesThreadPidfd) {
  const Opener opener([] { ::syscall(SYS_pidfd_open, ::getpid(), O_EXCL); });
  const Collected collected(opener.pid());
  if (collected.descriptor(3) != nullptr) {  // since Linux 6.9
    EXPECT_TRUE(collected.refuses(Piece::pidfd_thread));
  }
}

TEST(OpenFiles, Epoll) {
  const Opener opener([] {
    const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < 3; ++i) {
      const int event = ::eventfd(0, 0);
      epoll_event what{EPOLLIN | EPOLLET, {.u64 = 100U + static_cast<unsigned>(i)}};
      ::epoll_ctl(epoll, EPOLL_CTL_ADD, event, &what);
    }
    // Number 5 goes, number 10 has its file; 6 is used again for another.
    ::dup2(5, 10);
    ::close(5);
    ::dup2(6, 11);
    ::dup2(4, 6);
  });
  const Collected collected(opener.pid());
  const auto* epoll = file(collected, 3, FdTypes::EVENTPOLL).epfd();
  ASSERT_NE(epoll->tfd(), nullptr);
  std::map<std::uint64_t, const schema::EventpollTfdEntry*> by_data;
  for (const auto* one : *epoll->tfd()) {
    by_data[one->data()] = one;
  }
  ASSERT_EQ(by_data.size(), 3U);
  EXPECT_EQ(by_data[100]->tfd(), 4U);
  EXPECT_EQ(by_data[101]->tfd(), 10U);
  EXPECT_EQ(by_data[102]->tfd(), 11U);
  EXPECT_EQ(by_data[100]->events() & (EPOLLIN | EPOLLET), unsigned{EPOLLIN} | EPOLLET);
}

TEST(OpenFiles, RefusesEscapedEpollTarget) {
  const Opener opener([] {
    const int epoll = ::epoll_create1(0);
    const int event = ::eventfd(0, 0);
    epoll_event what{EPOLLIN, {.u64 = 1}};
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, event, &what);
    start_child([epoll] { ::close(epoll); });
    ::close(event);
  });
  EXPECT_TRUE(Collected(opener.pid()).refuses(Piece::epoll_escaped));
}

TEST(OpenFiles, Inotify) {
  const Opener opener([] {
    const int fd = ::inotify_init1(IN_NONBLOCK);
    ::inotify_add_watch(fd, "/etc", IN_CREATE);
    ::inotify_add_watch(fd, "/usr", IN_DELETE);
    ::inotify_rm_watch(fd, 1);
    ::inotify_add_watch(fd, "/etc/passwd", IN_MODIFY);
  });
  const Collected collected(opener.pid());
  const auto* inotify = file(collected, 3, FdTypes::INOTIFY).ify();
  ASSERT_NE(inotify->wd(), nullptr);
  ASSERT_EQ(inotify->wd()->size(), 2U);
  const auto* first = inotify->wd()->Get(0);
  EXPECT_EQ(first->wd(), 2U) << "in their order";
  EXPECT_EQ(first->mask() & IN_DELETE, unsigned{IN_DELETE});
  ASSERT_NE(first->f_handle()->path(), nullptr);
  EXPECT_EQ(first->f_handle()->path()->str(), "/usr");
  EXPECT_EQ(inotify->wd()->Get(1)->f_handle()->path()->str(), "/etc/passwd");
  struct stat passwd {};
  ::stat("/etc/passwd", &passwd);
  EXPECT_EQ(inotify->wd()->Get(1)->i_ino(), passwd.st_ino);
  EXPECT_EQ(inotify->wd()->Get(1)->f_handle()->handle()->size(), 16U);
}

TEST(OpenFiles, RefusesInotifyWithoutPath) {
  const Opener opener([] {
    const int file = ::open("/dev/shm/stasis-watched", O_RDWR | O_CREAT, 0600);
    ::inotify_add_watch(::inotify_init1(0), "/dev/shm/stasis-watched", IN_MODIFY);
    ::unlink("/dev/shm/stasis-watched");
    (void)file;
  });
  EXPECT_TRUE(Collected(opener.pid()).refuses(Piece::inotify_no_path));
}

TEST(OpenFiles, Fanotify) {
  bool is_possible = false;
  const auto mark = [](int fd) {
    return ::fanotify_mark(fd, FAN_MARK_ADD, FAN_MODIFY, AT_FDCWD, "/etc/passwd") == 0 &&
           ::fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_CLOSE_WRITE, AT_FDCWD, "/") == 0;
  };
  {
    const UniqueFd fd(::fanotify_init(FAN_CLASS_NOTIF, O_RDONLY));
    is_possible = mark(fd.get());
  }
  if (!is_possible) {
    GTEST_SKIP() << "this user may not mark files";
  }
  const Opener opener([&] { mark(::fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK, O_RDONLY)); });
  const Collected collected(opener.pid());
  const auto* fanotify = file(collected, 3, FdTypes::FANOTIFY).ffy();
  EXPECT_EQ(fanotify->faflags(), unsigned{FAN_NONBLOCK});
  EXPECT_EQ(fanotify->evflags() & O_ACCMODE, unsigned{O_RDONLY});
  ASSERT_NE(fanotify->mark(), nullptr);
  ASSERT_EQ(fanotify->mark()->size(), 2U);
  for (const schema::FanotifyMarkEntry* one : *fanotify->mark()) {
    if (one->type() == schema::MarkType::INODE) {
      EXPECT_EQ(one->mask(), unsigned{FAN_MODIFY});
      EXPECT_EQ(one->ie()->f_handle()->path()->str(), "/etc/passwd");
    } else {
      EXPECT_EQ(one->mask(), unsigned{FAN_CLOSE_WRITE});
      EXPECT_EQ(one->me()->path()->str(), "/");
    }
  }
}

TEST(OpenFiles, RefusesFanotifyThatDecides) {
  const Opener opener([] {
    const int fd = ::fanotify_init(FAN_CLASS_CONTENT, O_RDONLY);
    ::fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN_PERM, AT_FDCWD, "/usr/share");
  });
  EXPECT_TRUE(Collected(opener.pid()).refuses(Piece::fanotify_kind));
}

TEST(OpenFiles, Namespaces) {
  const Opener opener([] {
    ::open("/proc/self/ns/net", O_RDONLY);
    ::open("/proc/self/ns/mnt", O_RDONLY);
  });
  const Collected collected(opener.pid());
  EXPECT_EQ(file(collected, 3, FdTypes::NS).nsf()->ns_cflag(), unsigned{CLONE_NEWNET});
  EXPECT_EQ(file(collected, 4, FdTypes::NS).nsf()->ns_cflag(), unsigned{CLONE_NEWNS});
  EXPECT_NE(file(collected, 3, FdTypes::NS).nsf()->ns_id(),
            file(collected, 4, FdTypes::NS).nsf()->ns_id());
}

TEST(OpenFiles, RefusesForeignNamespace) {
  const Opener opener([] {
    const int here = ::open("/proc/self/ns/uts", O_RDONLY);
    ::unshare(CLONE_NEWUTS);
    ::open("/proc/self/ns/uts", O_RDONLY);
    ::setns(here, 0);
    ::close(here);
  });
  EXPECT_TRUE(Collected(opener.pid()).refuses(Piece::namespace_foreign));
}

TEST(OpenFiles, LosesInotifyEvents) {
  const Opener opener([] {
    ::inotify_add_watch(::inotify_init1(0), "/tmp", IN_CREATE);
    ::close(::open("/tmp/stasis-event", O_RDWR | O_CREAT, 0600));
    ::unlink("/tmp/stasis-event");
  });
  const Collected collected(opener.pid());
  EXPECT_TRUE(collected.loses(Piece::inotify_events));
  EXPECT_TRUE(collected.refusals().empty());
}

TEST(OpenFiles, Memfd) {
  const Opener opener([] {
    const int fd = ::memfd_create("some name", MFD_ALLOW_SEALING);
    ASSERT_EQ(::write(fd, "content", 7), 7);
    ::fcntl(fd, F_ADD_SEALS, F_SEAL_GROW);
    ::open("/proc/self/fd/3", O_RDONLY);
    ::memfd_create("empty", 0);
  });
  const Collected collected(opener.pid());
  const auto* memfd = file(collected, 3, FdTypes::MEMFD).memfd();
  EXPECT_EQ(memfd->pos(), 7U);
  EXPECT_EQ(file(collected, 4, FdTypes::MEMFD).memfd()->inode_id(), memfd->inode_id());
  const auto inodes = collected.all<schema::MemfdInodeEntry>(Kind::memfd);
  ASSERT_EQ(inodes.size(), 2U);
  EXPECT_EQ(inodes[0]->name()->str(), "some name");
  EXPECT_EQ(inodes[0]->size(), 7U);
  EXPECT_EQ(inodes[0]->seals(), unsigned{F_SEAL_GROW});
  EXPECT_EQ(inodes[1]->seals(), unsigned{F_SEAL_SEAL});
  ASSERT_EQ(collected.shared_memory().objects().size(), 1U);
  EXPECT_TRUE(collected.shared_memory().has(inodes[0]->shmid()));
}

TEST(OpenFiles, Pipe) {
  const Opener opener([] {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_NONBLOCK), 0);
    ::fcntl(ends[0], F_SETPIPE_SZ, 1 << 17);
    ASSERT_EQ(::write(ends[1], "in the pipe", 11), 11);
    ASSERT_EQ(::pipe(ends), 0);
    ::close(ends[0]);
  });
  for (int round = 0; round < 2; ++round) {  // looking takes nothing out
    const Collected collected(opener.pid());
    const auto* reader = file(collected, 3, FdTypes::PIPE).pipe();
    const auto* writer = file(collected, 4, FdTypes::PIPE).pipe();
    EXPECT_EQ(reader->pipe_id(), writer->pipe_id());
    EXPECT_EQ(reader->flags(), static_cast<unsigned>(O_RDONLY | O_NONBLOCK));
    EXPECT_EQ(writer->flags(), static_cast<unsigned>(O_WRONLY | O_NONBLOCK));
    const auto data = collected.all<schema::PipeDataEntry>(Kind::pipes_data);
    ASSERT_EQ(data.size(), 1U) << "one that is only written has none";
    EXPECT_EQ(data[0]->bytes(), 11U);
    EXPECT_EQ(data[0]->size(), flatbuffers::Optional<std::uint32_t>(1U << 17));
    EXPECT_EQ(collected.messages(Kind::pipes_data)[0].payload, "in the pipe");
  }
}

TEST(OpenFiles, FullPipe) {
  const Opener opener([] {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_NONBLOCK), 0);
    const std::string block(4096, 'x');
    while (::write(ends[1], block.data(), block.size()) > 0) {
    }
  });
  const Collected collected(opener.pid());
  ASSERT_EQ(collected.failure(), "");
  ASSERT_EQ(collected.messages(Kind::pipes_data).size(), 1U);
  EXPECT_EQ(collected.messages(Kind::pipes_data)[0].payload.size(), 65'536U);
}

TEST(OpenFiles, RefusesPacketPipe) {
  const Opener opener([] {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_DIRECT), 0);
    ASSERT_EQ(::write(ends[1], "x", 1), 1);
  });
  EXPECT_TRUE(Collected(opener.pid()).refuses(Piece::pipe_packets));
}

TEST(OpenFiles, Fifo) {
  const std::string path = "/tmp/stasis-fifo-" + std::to_string(::getpid());
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const Opener opener([&] { ASSERT_EQ(::write(::open(path.c_str(), O_RDWR), "abc", 3), 3); });
  const Collected collected(opener.pid());
  const auto* fifo = file(collected, 3, FdTypes::FIFO).fifo();
  const auto* regular = collected.by_id(fifo->regf_id().value_or(0));
  ASSERT_NE(regular, nullptr);
  EXPECT_EQ(regular->reg()->name()->str(), path);
  EXPECT_EQ(regular->reg()->flags() & O_ACCMODE, unsigned{O_RDWR});
  ASSERT_EQ(collected.messages(Kind::fifo_data).size(), 1U);
  EXPECT_EQ(collected.messages(Kind::fifo_data)[0].payload, "abc");
  ::unlink(path.c_str());
}

}  // namespace
}  // namespace img::live_test
