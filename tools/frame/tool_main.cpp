// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <mutex>
#include <thread>

#include "libimg/base/file_limit.h"
#include "libimg/base/mapping_guard.h"
#include "libimg/base/staged.h"
#include "libimg/base/units.h"
#include "tools/frame/run_tool.h"

namespace img::frame {
namespace {

/// Waits for signals in a thread of its own. The first one asks the tool to end; a tool that is
/// stuck is ended, after what it staged is gone.
class SignalWatch {
 public:
  SignalWatch() {
    ::signal(SIGPIPE, SIG_IGN);  // a write then fails with EPIPE, which ends the tool silently
    ::signal(SIGXFSZ, SIG_IGN);  // likewise with EFBIG, which is said
    sigemptyset(&set_);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2}) {
      sigaddset(&set_, number);
    }
    // Blocked in every thread that comes after; SIGCHLD, for those who wait for it.
    sigset_t blocked = set_;
    sigaddset(&blocked, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
    std::thread([this] { watch(); }).detach();
  }

  [[nodiscard]] const std::atomic<int>& signal() const { return signal_; }
  void divert(std::function<void(int)> to) {
    const std::lock_guard lock(mutex_);
    to_ = std::move(to);
  }
  void tool_has_ended() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    changed_.notify_all();
  }

 private:
  bool is_diverted(int number) {
    const std::lock_guard lock(mutex_);
    if (to_) {
      to_(number);
    }
    return static_cast<bool>(to_);
  }

  // Those that end a program as they always do, where nobody has asked for them.
  static void end_by(int number) {
    ::signal(number, SIG_DFL);
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, number);
    ::raise(number);
    pthread_sigmask(SIG_UNBLOCK, &one, nullptr);
  }

  void watch() {
    int number = 0;
    do {
      sigwait(&set_, &number);
    } while (is_diverted(number));
    if (number == SIGQUIT || number == SIGUSR1 || number == SIGUSR2) {
      end_by(number);
    }
    signal_ = number;
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, std::chrono::milliseconds(500), [this] { return ended_; })) {
      return;  // main() ends the process
    }
    remove_all_staged();
    ::_exit(128 + number);
  }

  sigset_t set_{};
  std::atomic<int> signal_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ended_ = false;
  std::function<void(int)> to_;
};

std::uint64_t realtime_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * kSecond + static_cast<std::uint64_t>(now.tv_nsec);
}

bool wants_color() {
  const char* const no_color = std::getenv("NO_COLOR");
  const char* const terminal = std::getenv("TERM");
  const bool dumb = terminal == nullptr || std::string_view(terminal) == "dumb";
  return (no_color == nullptr || *no_color == '\0') && !dumb;
}

// As setlocale() would find it, without the rest that it changes.
bool locale_is_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    if (const char* const value = std::getenv(name); value != nullptr && *value != '\0') {
      const std::string_view locale = value;
      return locale.find("UTF-8") != locale.npos || locale.find("utf8") != locale.npos;
    }
  }
  return false;
}

void look_at_terminal(Streams& streams) {
  streams.out_is_terminal = ::isatty(STDOUT_FILENO) == 1;
  streams.err_is_terminal = ::isatty(STDERR_FILENO) == 1;
  streams.color = streams.out_is_terminal && wants_color();
  streams.unicode = streams.out_is_terminal && locale_is_utf8();
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40) {
    streams.columns = size.ws_col;
  }
}

}  // namespace

int tool_main(Program& program, int argc, char** argv) {
  // What we make is private, and never less than readable by us.
  ::umask(0077);
  allow_many_files();
  // Never destroyed, since its thread may outlive main(); static, so that it is not lost either.
  static auto& watch = *new SignalWatch;
  install_mapping_fault_handler(program.info().name.data(), 2);
  FdBuffer out_buffer(STDOUT_FILENO);
  FdBuffer err_buffer(STDERR_FILENO);
  std::ostream out(&out_buffer);
  std::ostream err(&err_buffer);
  Streams streams;
  streams.in = STDIN_FILENO;
  streams.out = &out;
  streams.err = &err;
  streams.now_ns = realtime_ns;
  streams.signal = &watch.signal();
  streams.divert_signals = [](std::function<void(int)> to) { watch.divert(std::move(to)); };
  look_at_terminal(streams);
  const int code = run_tool(program, {argv + 1, argv + (argc > 0 ? argc : 1)}, streams);
  err.flush();
  watch.tool_has_ended();
  return code;
}

}  // namespace img::frame
