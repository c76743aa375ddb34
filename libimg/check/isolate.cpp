// SPDX-License-Identifier: MIT
#include "libimg/check/isolate.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "libimg/base/unique_fd.h"
#include "libimg/check/child_messages.h"

namespace img::check {
namespace {

constexpr int kWell = 0;

class Child {
 public:
  /// `run` is called in the child, which then ends.
  [[nodiscard]] static Result<Child> start(const std::string& place,
                                           const std::function<void(Sender&)>& run) {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0) {
      return fail(sys_error(errno, place, "make a pipe"));
    }
    UniqueFd read_end(ends[0]);
    UniqueFd write_end(ends[1]);
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) {
      return fail(sys_error(errno, place, "start a child process"));
    }
    if (pid == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
      ::dup2(nowhere, STDERR_FILENO);  // how it ends is said by the parent
      if (::getppid() != parent) {
        ::_exit(1);
      }
      Sender sender(write_end.get());
      run(sender);
      ::_exit(kWell);
    }
    return Child(pid, std::move(read_end));
  }

  Child(Child&& other) noexcept
      : pid_(std::exchange(other.pid_, -1)), pipe_(std::move(other.pipe_)) {}
  Child& operator=(Child&&) = delete;
  ~Child() {
    if (pid_ > 0) {
      static_cast<void>(end());
    }
  }

  /// Takes frames until the child closes the pipe; false: it did not in time, or said nonsense.
  [[nodiscard]] bool listen(std::chrono::milliseconds limit, FindingSink& sink, Answer& answer) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    std::string waiting;
    char block[65536];
    for (;;) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          deadline - std::chrono::steady_clock::now());
      pollfd one = {pipe_.get(), POLLIN, 0};
      const int ready =
          ::poll(&one, 1, static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1'000'000)));
      if (ready < 0 && errno == EINTR) {
        continue;
      }
      if (ready <= 0) {
        return false;
      }
      const ssize_t count = ::read(pipe_.get(), block, sizeof(block));
      if (count <= 0) {
        return count == 0 && waiting.empty();
      }
      waiting.append(block, static_cast<std::size_t>(count));
      if (!take_messages(waiting, sink, answer)) {
        return false;
      }
    }
  }

  /// Ends it if it has not ended; its wait status.
  int end() {
    ::kill(pid_, SIGKILL);
    return wait();
  }
  /// After the pipe has been closed: waits for the end it takes by itself.
  int wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
  }

 private:
  Child(pid_t pid, UniqueFd pipe) : pid_(pid), pipe_(std::move(pipe)) {}

  pid_t pid_ = -1;
  UniqueFd pipe_;
};

/// Listens to the end; what went wrong with the child itself, or nothing.
std::optional<std::string> hear(Child& child, std::chrono::milliseconds limit, FindingSink& sink,
                                Answer& answer) {
  if (!child.listen(limit, sink, answer)) {
    child.end();
    return fmt::format("reading it took longer than {} s, or led nowhere", limit.count() / 1000);
  }
  const int status = child.wait();
  if (WIFSIGNALED(status)) {
    return fmt::format("reading it ended with {}", ::strsignal(WTERMSIG(status)));
  }
  if (WEXITSTATUS(status) != kWell || (!answer.summary && !answer.error)) {
    return "reading it led outside of its files, or the file became shorter meanwhile";
  }
  return std::nullopt;
}

}  // namespace

Result<Summary> ask_in_child(const Question& question, FindingSink& findings) {
  IMG_ASSIGN(Child child, Child::start(question.place, [&](Sender& sender) {
               const Result<Summary> summary = question.ask(sender);
               summary ? sender.summary(*summary) : sender.error(summary.error());
             }));
  Answer answer;
  const auto odd = hear(child, question.limit, findings, answer);
  if (odd) {
    Summary summary;
    summary.notes = answer.told[0];
    summary.warnings = answer.told[1];
    summary.errors = answer.told[2] + 1;
    findings.finding({RuleId::STO_1,
                      Severity::error,
                      {question.place, "data.mdb", 0, {}, {}, 0},
                      "the database is damaged: " + *odd + "; no tool can read the image"});
    return summary;
  }
  if (answer.error) {
    return fail(std::move(*answer.error));
  }
  return std::move(*answer.summary);
}

Result<std::vector<std::string>> list_in_child(
    const std::string& place, std::chrono::milliseconds limit,
    const std::function<Result<std::vector<std::string>>()>& list) {
  class Deaf : public FindingSink {
    void finding(const Finding&) override {}
  };
  IMG_ASSIGN(Child child, Child::start(place, [&](Sender& sender) {
               const Result<std::vector<std::string>> names = list();
               if (!names) {
                 sender.error(names.error());
                 return;
               }
               for (const std::string& name : *names) {
                 sender.name(name);
               }
               sender.summary({});
             }));
  Answer answer;
  Deaf deaf;
  if (const auto odd = hear(child, limit, deaf, answer)) {
    return fail(Fault::corrupt, place, "the database is damaged", *odd);
  }
  if (answer.error) {
    return fail(std::move(*answer.error));
  }
  return std::move(answer.names);
}

}  // namespace img::check
