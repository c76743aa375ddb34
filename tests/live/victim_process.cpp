// SPDX-License-Identifier: MIT
#include "tests/live/victim_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "live/trace/tracee.h"

namespace img::live_test {
namespace {

[[noreturn]] void become(const std::string& path, const std::vector<std::string>& args, int page,
                         bool has_session) {
  // No descriptor of the test but the page; the victim dies with its test.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (has_session) {
    setsid();
  } else {
    setpgid(0, 0);
  }
  dup2(page, victim::kPageFd);
  fcntl(victim::kPageFd, F_SETFD, 0);  // it may have been 3 all along
  close_range(victim::kPageFd + 1, ~0U, 0);
  const int none = open("/dev/null", O_RDWR);
  dup2(none, 0);
  dup2(none, 1);
  if (has_session) {
    dup2(none, 2);
  }
  close(none);
  std::vector<char*> argv = {const_cast<char*>(path.c_str())};
  for (const std::string& one : args) {
    argv.push_back(const_cast<char*>(one.c_str()));
  }
  argv.push_back(nullptr);
  execv(path.c_str(), argv.data());
  _exit(98);
}

}  // namespace

VictimProcess::VictimProcess(const std::string& name, const std::vector<std::string>& args,
                             const std::string& page_file) {
  const bool can_return = !page_file.empty();
  const int page = can_return ? open(page_file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)
                              : memfd_create("victim", MFD_CLOEXEC);
  EXPECT_EQ(ftruncate(page, 4096), 0);
  void* at = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, page, 0);
  EXPECT_NE(at, MAP_FAILED);
  page_ = static_cast<victim::Page*>(at);
  pid_ = fork();
  if (pid_ == 0) {
    become(STASIS_VICTIMS "/victim_" + name, args, page, can_return);
  }
  close(page);
  EXPECT_TRUE(eventually([&] { return page_->ready.load() != 0; })) << name << " is not ready";
}

VictimProcess::~VictimProcess() {
  page_->stop.store(1);
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    kill(-pid_, SIGKILL);  // its children, in the group it has made
    waitpid(pid_, nullptr, 0);
    static_cast<void>(eventually([&] {
      while (waitpid(-pid_, nullptr, WNOHANG) > 0) {  // those that have come to us
      }
      return kill(-pid_, 0) != 0;
    }));
  }
  munmap(page_, 4096);
}

bool VictimProcess::makes_rounds(std::uint64_t rounds) {
  const std::uint64_t target = page_->rounds.load() + rounds;
  return eventually([&] { return page_->rounds.load() >= target; });
}

std::string VictimProcess::complaint() {
  if (const int line = page_->fault.load(); line != 0) {
    return "its check in line " + std::to_string(line) + " failed";
  }
  siginfo_t end{};
  if (waitid(P_PID, static_cast<id_t>(pid_), &end, WEXITED | WNOHANG | WNOWAIT) == 0 &&
      end.si_pid != 0) {
    return "it has ended with " + std::to_string(end.si_status);
  }
  return {};
}

std::string why_not_trace() {
  if (geteuid() != 0) {
    return "needs root";
  }
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  std::string reason;
  if (const auto tracee = trace::Tracee::seize(child); !tracee) {
    reason = "tracing is refused here: " + tracee.error().line();
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  return reason;
}

}  // namespace img::live_test
