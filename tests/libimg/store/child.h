// SPDX-License-Identifier: MIT
// Runs a piece of a test in a process of its own, with a time limit.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>

namespace img::store::testing {

class Child {
 public:
  /// `run` returns the exit status.
  template <class Run>
  explicit Child(Run run) : pid_(::fork()) {
    if (pid_ == 0) {
      ::alarm(60);
      ::_exit(run());
    }
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ > 0) {
      kill();
    }
  }

  [[nodiscard]] pid_t pid() const { return pid_; }
  /// What waitpid says.
  int wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
  }
  int kill() {
    ::kill(pid_, SIGKILL);
    return wait();
  }

 private:
  pid_t pid_;
};

/// Two processes take turns through it.
class Gate {
 public:
  Gate() {
    if (::pipe(ends_) != 0) {
      std::abort();
    }
  }
  ~Gate() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  void open() { EXPECT_EQ(::write(ends_[1], "x", 1), 1); }
  void pass() {
    char c = 0;
    EXPECT_EQ(::read(ends_[0], &c, 1), 1);
  }

 private:
  int ends_[2] = {-1, -1};
};

}  // namespace img::store::testing
