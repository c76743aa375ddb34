// SPDX-License-Identifier: MIT
#include "tests/crash/traced_run.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>

namespace img::crash {
namespace {

struct Call {
  long number;
  const char* name;
  bool needs_room;  // fails where a disk is full
};

constexpr std::array kCalls = {
    Call{SYS_write, "write", true},
    Call{SYS_pwrite64, "pwrite64", true},
    Call{SYS_writev, "writev", true},
    Call{SYS_pwritev, "pwritev", true},
    Call{SYS_pwritev2, "pwritev2", true},
    Call{SYS_fsync, "fsync", false},
    Call{SYS_fdatasync, "fdatasync", false},
    Call{SYS_sync_file_range, "sync_file_range", false},
    Call{SYS_msync, "msync", false},
    Call{SYS_ftruncate, "ftruncate", true},
    Call{SYS_truncate, "truncate", true},
    Call{SYS_fallocate, "fallocate", true},
    Call{SYS_rename, "rename", true},
    Call{SYS_renameat, "renameat", true},
    Call{SYS_renameat2, "renameat2", true},
    Call{SYS_link, "link", true},
    Call{SYS_linkat, "linkat", true},
    Call{SYS_symlink, "symlink", true},
    Call{SYS_symlinkat, "symlinkat", true},
    Call{SYS_unlink, "unlink", false},
    Call{SYS_unlinkat, "unlinkat", false},
    Call{SYS_mkdir, "mkdir", true},
    Call{SYS_mkdirat, "mkdirat", true},
    Call{SYS_rmdir, "rmdir", false},
    Call{SYS_open, "open", true},
    Call{SYS_openat, "openat", true},
    Call{SYS_creat, "creat", true},
    Call{SYS_sendfile, "sendfile", true},
    Call{SYS_copy_file_range, "copy_file_range", true},
    Call{SYS_fchmod, "fchmod", false},
    Call{SYS_utimensat, "utimensat", false},
};

bool install_filter() {
  std::vector<sock_filter> code = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
  };
  for (std::size_t at = 0; at < kCalls.size(); ++at) {
    const auto to_trace = static_cast<unsigned char>(kCalls.size() - at);
    code.push_back(
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(kCalls[at].number), to_trace, 0));
  }
  code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE));
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

[[noreturn]] void become(const std::vector<std::string>& argv) {
  const int nowhere = ::open("/dev/null", O_RDWR);
  for (int fd = 0; fd < 3; ++fd) {
    ::dup2(nowhere, fd);
  }
  ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
  ::raise(SIGSTOP);  // until the tracer has said what it wants to see
  std::vector<char*> arguments;
  for (const std::string& argument : argv) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  if (install_filter()) {
    ::execv(arguments[0], arguments.data());
  }
  ::_exit(126);
}

// Null: it changes nothing on a disk.
const Call* writing_call(const user_regs_struct& regs) {
  const auto found = std::ranges::find(kCalls, static_cast<long>(regs.orig_rax), &Call::number);
  if (found == kCalls.end()) {
    return nullptr;
  }
  const bool is_write = found->number == SYS_write || found->number == SYS_writev;
  const bool only_opens = (found->number == SYS_openat && (regs.rdx & O_CREAT) == 0) ||
                          (found->number == SYS_open && (regs.rsi & O_CREAT) == 0);
  return (is_write && regs.rdi <= 2) || only_opens ? nullptr : &*found;
}

class Tracer {
 public:
  Tracer(pid_t child, const Blow& blow) : child_(child), blow_(blow) {}

  TracedRun run() {
    int status = 0;
    ::waitpid(child_, &status, 0);
    ::ptrace(PTRACE_SETOPTIONS, child_, nullptr,
             PTRACE_O_EXITKILL | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
                 PTRACE_O_TRACEVFORK);
    ::ptrace(PTRACE_CONT, child_, nullptr, nullptr);
    known_.insert(child_);
    for (;;) {
      const pid_t task = ::waitpid(-1, &status, __WALL);
      if (task < 0 && errno == EINTR) {
        continue;
      }
      if (task < 0) {
        return result_;
      }
      if (WIFSTOPPED(status)) {
        on_stop(task, status);
      } else if (task == child_) {
        result_.exit = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        result_.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
      }
    }
  }

 private:
  void on_stop(pid_t task, int status) {
    int signal = WSTOPSIG(status);
    const bool is_new = known_.insert(task).second;
    if (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8)) {
      on_call(task);
      signal = 0;
    } else if (status >> 16 != 0 || (is_new && signal == SIGSTOP)) {
      signal = 0;
    } else if (signal == SIGTRAP) {
      signal = 0;  // of the exec
    }
    ::ptrace(PTRACE_CONT, task, nullptr, signal);
  }

  void on_call(pid_t task) {
    user_regs_struct regs{};
    if (::ptrace(PTRACE_GETREGS, task, nullptr, &regs) != 0) {
      return;
    }
    const Call* const call = writing_call(regs);
    if (call == nullptr || result_.was_killed) {
      return;
    }
    ++result_.writes;
    const bool is_it = result_.writes == blow_.at;
    const bool is_after = result_.writes > blow_.at && blow_.at != 0;
    if (is_it) {
      result_.last = call->name;
    }
    if (blow_.kind == Blow::Kind::kill && is_it) {
      result_.was_killed = true;
      ::kill(child_, SIGKILL);
    } else if ((blow_.kind == Blow::Kind::fail_once && is_it) ||
               (blow_.kind == Blow::Kind::fail_from && (is_it || is_after) && call->needs_room)) {
      regs.orig_rax = ~0ULL;  // no call
      regs.rax = static_cast<unsigned long long>(-static_cast<long long>(blow_.error));
      ::ptrace(PTRACE_SETREGS, task, nullptr, &regs);
    }
  }

  pid_t child_;
  const Blow& blow_;
  std::set<pid_t> known_;
  TracedRun result_;
};

}  // namespace

TracedRun run_traced(const std::vector<std::string>& argv, const Blow& blow) {
  const pid_t child = ::fork();
  if (child == 0) {
    become(argv);
  }
  return Tracer(child, blow).run();
}

bool can_trace() {
  const TracedRun run = run_traced({"/bin/true"}, {});
  return run.exit == 0;
}

}  // namespace img::crash
