// SPDX-License-Identifier: MIT
#include "tests/live/cycle/cycle.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include "tests/support/scratch.h"

namespace img::live_test {
namespace {

constexpr const char* kTools = STASIS_BIN;

std::string describe(int status) {
  return WIFSIGNALED(status) ? "ended by signal " + std::to_string(WTERMSIG(status))
                             : "ended with " + std::to_string(WEXITSTATUS(status));
}

// A second child, so that it is the namespace's first process.
[[noreturn]] void enter(const std::function<std::string()>& body, int result) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (unshare(CLONE_NEWPID | CLONE_NEWNS) < 0) {
    _exit(96);
  }
  const pid_t init = fork();
  if (init == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setsid();
    std::string said;
    if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0 ||
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) < 0) {
      said = "cannot mount /proc";
    } else {
      said = body();
    }
    static_cast<void>(!write(result, said.data(), said.size()));
    _exit(0);
  }
  int status = 0;
  waitpid(init, &status, 0);
  _exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

std::string make_folder() {
  std::string path = std::filesystem::temp_directory_path() / "stasis-cycle-XXXXXX";
  return mkdtemp(path.data()) == nullptr ? "" : path;
}

}  // namespace

std::string in_own_namespace(const std::function<std::string()>& body) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) < 0) {
    return "no pipe";
  }
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    enter(body, ends[1]);
  }
  close(ends[1]);
  std::string said;
  std::array<char, 4096> buffer{};
  for (ssize_t got = 0; (got = read(ends[0], buffer.data(), buffer.size())) > 0;) {
    said.append(buffer.data(), static_cast<std::size_t>(got));
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return status == 0 ? said : said + " (" + describe(status) + ")";
}

Cycle::Cycle(const std::string& victim, const std::vector<std::string>& args)
    : folder_(make_folder()), victim_(victim, args, folder_ + "/page") {}

Cycle::~Cycle() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

// As the first process of a namespace everybody's orphans are ours, and a pid is free only when we
// have waited for it.
int Cycle::run(const std::string& command) {
  const std::string log = folder_ + "/log";
  const std::string line = "exec timeout -s KILL 60 " + std::string(kTools) + "/" + command + " >" +
                           log + " 2>&1 </dev/null";
  const pid_t tool = fork();
  if (tool == 0) {
    execl("/bin/sh", "sh", "-c", line.c_str(), nullptr);
    _exit(97);
  }
  int status = 0;
  while (waitpid(-1, &status, 0) != tool) {
  }
  said_ = test::slurp(log);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string Cycle::dump(const std::string& options) {
  const std::string command = "live-dump -t " + std::to_string(victim_.pid()) + " " + folder_ +
                              "/store --as d" + std::to_string(++dumps_) + " " + options;
  if (const int code = run(command); code != 0) {
    return "live-dump " + std::to_string(code) + ": " + said_;
  }
  return {};
}

std::string Cycle::restore(const std::string& options) {
  if (const int code =
          run("live-restore " + folder_ + "/store -i d" + std::to_string(dumps_) + " " + options);
      code != 0) {
    return "live-restore " + std::to_string(code) + ": " + said_;
  }
  return {};
}

std::string Cycle::goes_on() {
  if (!victim_.makes_rounds()) {
    const std::string why = victim_.complaint();
    std::string lanes;
    for (int i = 0; i < 6; ++i) {
      lanes += " " + std::to_string(victim_.page().lanes[i].load());
    }
    return why.empty() ? "it does not go on, lanes" + lanes : why;
  }
  return victim_.complaint();
}

std::string Cycle::turn() {
  std::string why = goes_on();
  why = why.empty() ? dump() : "before the dump: " + why;
  why = why.empty() ? restore() : why;
  return why.empty() ? goes_on() : why;
}

std::string told_by_dump(const char* victim, std::initializer_list<const char*> parts) {
  return in_own_namespace([&]() -> std::string {
    Cycle cycle(victim);
    const std::string said = cycle.dump() + cycle.said();
    for (const char* part : parts) {
      if (said.find(part) == said.npos) {
        return "no `" + std::string(part) + "` in: " + said;
      }
    }
    return {};
  });
}

}  // namespace img::live_test
