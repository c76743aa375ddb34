// SPDX-License-Identifier: MIT
// Without a process: the kernel is a list of answers here, and time passes only in pauses.
#include "live/trace/waiter.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <cerrno>
#include <deque>

#include "live/trace/rseq.h"

namespace img::trace {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

// As <linux/ptrace.h> numbers them.
constexpr int kEventStop = 128;
constexpr int kEventClone = 3;

constexpr int stopped_by(int signal, int event = 0) {
  return event << 16 | signal << 8 | 0x7f;
}

TEST(Stop, EveryKind) {
  EXPECT_EQ(classify(3 << 8), (Stop{StopKind::exited, 3}));
  EXPECT_EQ(classify(SIGKILL), (Stop{StopKind::killed, SIGKILL}));
  EXPECT_EQ(classify(SIGSEGV | 0x80), (Stop{StopKind::killed, SIGSEGV}));  // with a core
  EXPECT_EQ(classify(stopped_by(SIGURG)), (Stop{StopKind::signal_delivery, SIGURG}));
  EXPECT_EQ(classify(stopped_by(SIGTRAP)), (Stop{StopKind::signal_delivery, SIGTRAP}));
  EXPECT_EQ(classify(stopped_by(SIGTRAP, kEventStop)), (Stop{StopKind::interrupted, 0}));
  EXPECT_EQ(classify(0x80137f), (Stop{StopKind::group_stop, SIGSTOP}));
  EXPECT_EQ(classify(stopped_by(SIGTRAP, kEventClone)), (Stop{StopKind::event, kEventClone}));
  EXPECT_EQ(classify(stopped_by(SIGTRAP | 0x80)), (Stop{StopKind::system_call, 0}));
  EXPECT_EQ(classify(0xffff).kind, StopKind::other);
  EXPECT_TRUE(classify(0).is_end());
  EXPECT_FALSE(classify(0x80137f).is_end());
}

class Script : public WaitSource {
 public:
  struct Answer {
    pid_t result;
    int status;
  };
  explicit Script(std::deque<Answer> answers) : answers_(std::move(answers)) {}
  pid_t poll(pid_t, int& status) override {
    ++polls;
    if (answers_.empty()) {
      return 0;
    }
    const Answer next = answers_.front();
    answers_.pop_front();
    status = next.status;
    return next.result;
  }
  Clock::time_point now() override { return time; }
  void pause(microseconds length) override {
    longest = std::max(longest, length);
    time += std::max(length, microseconds(1));
  }
  int polls = 0;
  Clock::time_point time{};
  microseconds longest{0};

 private:
  std::deque<Answer> answers_;
};

TEST(Waiter, GivesWhatComes) {
  Script script({{0, 0}, {0, 0}, {-EINTR, 0}, {7, stopped_by(SIGTERM)}});
  const auto stop = Waiter(script).wait(7, script.time + milliseconds(10));
  ASSERT_TRUE(stop.has_value()) << stop.error().line();
  EXPECT_EQ(*stop, (Stop{StopKind::signal_delivery, SIGTERM}));
  EXPECT_EQ(script.polls, 4);
}

TEST(Waiter, GivesUpAtTheDeadline) {
  Script script({});
  const auto begin = script.time;
  const auto stop = Waiter(script).wait(7, begin + milliseconds(200));
  ASSERT_FALSE(stop.has_value());
  EXPECT_EQ(stop.error().fault, Fault::limit);
  EXPECT_GE(script.time - begin, milliseconds(200));
  EXPECT_LT(script.time - begin, milliseconds(202));
  EXPECT_LT(script.polls, 1000) << "it spins";
  EXPECT_LE(script.longest, milliseconds(1));
}

TEST(Waiter, LooksOnceEvenIfItIsLate) {
  Script script({{7, stopped_by(SIGTERM)}});
  EXPECT_TRUE(Waiter(script).wait(7, script.time - milliseconds(1)).has_value());
}

TEST(Waiter, AChildThatIsNotOursIsGone) {
  Script script({{-ECHILD, 0}});
  EXPECT_EQ(Waiter(script).wait(7, script.time).error().fault, Fault::gone);
  Script other({{-EINVAL, 0}});
  EXPECT_EQ(Waiter(other).wait(7, other.time).error().sys_errno, EINVAL);
}

TEST(Rseq, OnlyInsideTheSectionIsAborted) {
  const RseqSection section{0, 0, 0x1000, 0x20, 0x5000};
  EXPECT_EQ(after_abort(section, 0xfff), 0xfffU);
  EXPECT_EQ(after_abort(section, 0x1000), 0x5000U);
  EXPECT_EQ(after_abort(section, 0x101f), 0x5000U);
  EXPECT_EQ(after_abort(section, 0x1020), 0x1020U);  // committed
  EXPECT_EQ(after_abort(section, 0x5000), 0x5000U);
}

}  // namespace
}  // namespace img::trace
