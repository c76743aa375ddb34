// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cstdlib>

#include "live/dump/files/terminal_queue.h"
#include "schema/tty_generated.h"
#include "tests/live/dump/open_files.h"

namespace img::live_test {
namespace {

using model::Kind;
using schema::FdTypes;
using state::Piece;

int open_slave(int master, int flags) {
  ::grantpt(master);
  ::unlockpt(master);
  return ::open(::ptsname(master), O_RDWR | flags);
}

const schema::TtyInfoEntry* terminal(const Collected& collected, int number) {
  const auto* file = collected.file(number);
  if (file == nullptr || file->type() != FdTypes::TTY) {
    ADD_FAILURE() << "descriptor " << number << " is no terminal " << collected.failure();
    std::abort();
  }
  for (const auto* one : collected.all<schema::TtyInfoEntry>(Kind::tty_info)) {
    if (one->id() == file->tty()->tty_info_id()) {
      return one;
    }
  }
  ADD_FAILURE() << "its terminal is not told";
  std::abort();
}

TEST(OpenFiles, Pty) {
  const Opener opener([] {
    ::setsid();
    const int master = ::open("/dev/ptmx", O_RDWR | O_NOCTTY);
    open_slave(master, 0);  // the terminal of this session from now on
    const winsize size{24, 80, 1, 2};
    ::ioctl(master, TIOCSWINSZ, &size);
    termios settings{};
    ::tcgetattr(4, &settings);
    settings.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    settings.c_cc[VINTR] = 7;
    ::tcsetattr(4, TCSANOW, &settings);
    const int on = 1;
    ::ioctl(master, TIOCPKT, &on);
    ::open("/dev/tty", O_RDWR);
  });
  const Collected collected(opener.pid());
  ASSERT_EQ(collected.failure(), "");
  EXPECT_TRUE(collected.refusals().empty());
  const auto* master = terminal(collected, 3);
  const auto* slave = terminal(collected, 4);
  const auto* current = terminal(collected, 5);
  ASSERT_NE(master->pty(), nullptr);
  ASSERT_NE(slave->pty(), nullptr);
  EXPECT_EQ(master->pty()->index(), slave->pty()->index());
  EXPECT_EQ(master->id(), slave->id() + 1);
  EXPECT_EQ(slave->type(), schema::TtyType::PTY);
  EXPECT_EQ(current->type(), schema::TtyType::CTTY);
  EXPECT_EQ(current->pty(), nullptr);
  for (const auto* one : {master, slave, current}) {
    EXPECT_EQ(one->sid(), static_cast<unsigned>(opener.pid()));
    EXPECT_EQ(one->pgrp(), static_cast<unsigned>(opener.pid()));
    ASSERT_NE(one->winsize(), nullptr);
  }
  EXPECT_TRUE(master->packet_mode());
  EXPECT_FALSE(slave->packet_mode());
  EXPECT_FALSE(slave->locked());
  EXPECT_EQ(slave->winsize()->ws_row(), 24U);
  EXPECT_EQ(slave->winsize()->ws_col(), 80U);
  EXPECT_EQ(slave->termios()->c_lflag() & ECHO, 0U);
  EXPECT_EQ(slave->termios()->c_cc()->size(), 19U);
  EXPECT_EQ(slave->termios()->c_cc()->Get(0) & 0xff, 7U);
  const auto* path = collected.by_id(collected.file(4)->tty()->regf_id().value_or(0));
  ASSERT_NE(path, nullptr);
  EXPECT_EQ(path->reg()->name()->str(), "/dev/pts/" + std::to_string(slave->pty()->index()));
}

TEST(OpenFiles, RefusesForeignTerminal) {
  const int master = ::open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
  const int slave = open_slave(master, O_NOCTTY);
  // A session begins outside of the tree that is looked at: its leader is the parent.
  const std::string name = ::ptsname(master);
  const Opener leader([&] {
    ::setsid();
    ::open(name.c_str(), O_RDWR);
    if (::fork() == 0) {
      for (;;) {
        ::pause();
      }
    }
  });
  const auto process = procfs::ProcDir::open(leader.pid());
  ASSERT_TRUE(process.has_value());
  const auto children = process->children();
  ASSERT_TRUE(children.has_value() && children->size() == 1);
  EXPECT_TRUE(Collected(children->front()).refuses(Piece::terminal_foreign));
  dump::DumpOptions options;
  options.shell_job = true;
  const Collected collected(children->front(), options);
  EXPECT_TRUE(collected.refusals().empty());
  EXPECT_EQ(terminal(collected, 3)->sid(), static_cast<unsigned>(leader.pid()));
  ::close(master);
  ::close(slave);
}

TEST(OpenFiles, PtyQueue) {
  const Opener opener([] {
    const int master = ::open("/dev/ptmx", O_RDWR | O_NOCTTY);
    const int slave = open_slave(master, O_NOCTTY);
    ASSERT_EQ(::write(slave, "out\n", 4), 4);
    ASSERT_EQ(::write(master, "one\ntwo\nthr", 11), 11);  // comes back as an echo
    ::usleep(50'000);                                     // the kernel hands it over later
  });
  for (int round = 0; round < 2; ++round) {  // it is all there again
    const Collected collected(opener.pid());
    ASSERT_EQ(collected.failure(), "");
    EXPECT_TRUE(collected.refusals().empty());
    std::map<std::uint32_t, std::string> text;
    for (const auto* one : collected.all<schema::TtyDataEntry>(Kind::tty_data)) {
      text[one->tty_id()] += std::string(one->data()->begin(), one->data()->end());
    }
    EXPECT_EQ(text[terminal(collected, 4)->id()], "one\ntwo\nthr");
    EXPECT_EQ(text[terminal(collected, 3)->id()], "out\r\none\r\ntwo\r\nthr");
    EXPECT_EQ(terminal(collected, 4)->termios()->c_lflag() & (ICANON | ECHO | ISIG),
              unsigned{ICANON | ECHO | ISIG})
        << "and its settings too";
  }
}

std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(OpenFiles, PtyQueueSurvivesAKill) {
  const int master = ::open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
  const int slave = open_slave(master, O_NOCTTY | O_CLOEXEC);
  ASSERT_EQ(::write(master, "one\ntwo\nthr", 11), 11);
  ::usleep(50'000);
  for (int i = 0; i < 40; ++i) {
    const pid_t dumper = ::fork();
    if (dumper == 0) {
      for (;;) {
        static_cast<void>(dump::look_at_queues(master, slave));
      }
    }
    ::usleep(static_cast<useconds_t>(500 + i * 331 % 9000));
    ::kill(dumper, SIGKILL);
    ::waitpid(dumper, nullptr, 0);
    ::usleep(60'000);  // whoever was at it comes to an end
    const auto queues = dump::look_at_queues(master, slave);
    ASSERT_TRUE(queues.has_value()) << queues.error().line();
    ASSERT_EQ(text_of(queues->of_slave), "one\ntwo\nthr") << "after kill " << i;
    ASSERT_EQ(text_of(queues->of_master), "one\r\ntwo\r\nthr") << "after kill " << i;
  }
  ::close(slave);
  ::close(master);
}

TEST(OpenFiles, LosesTerminalInput) {
  const Opener opener([] {
    const int master = ::open("/dev/ptmx", O_RDWR | O_NOCTTY);
    ASSERT_EQ(::write(open_slave(master, O_NOCTTY), "x\n", 2), 2);
    ::usleep(50'000);
    ::close(4);
  });
  EXPECT_TRUE(Collected(opener.pid()).loses(Piece::terminal_input));
}

}  // namespace
}  // namespace img::live_test
