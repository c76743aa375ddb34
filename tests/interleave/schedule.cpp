// SPDX-License-Identifier: MIT
#include "tests/interleave/schedule.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <cstdarg>

namespace img::interleave {
namespace {

// Reading and writing go deep, but keep little on the stack.
constexpr std::size_t kStackBytes = 512 * 1024;

// Of one thread: those that a room starts for itself (to sync files together) are not scheduled.
thread_local Schedule* at_work = nullptr;

// Stacks of actors that have ended, for those that come.
std::vector<std::unique_ptr<char[]>>& spare_stacks() {
  static auto* all = new std::vector<std::unique_ptr<char[]>>;
  return *all;
}

std::unique_ptr<char[]> take_stack() {
  if (spare_stacks().empty()) {
    return std::unique_ptr<char[]>(new char[kStackBytes]);
  }
  auto stack = std::move(spare_stacks().back());
  spare_stacks().pop_back();
  return stack;
}

}  // namespace

void Schedule::add(std::function<void()> work) {
  auto actor = std::make_unique<Actor>();
  actor->work = std::move(work);
  actor->stack = take_stack();
  ::getcontext(&actor->context);
  actor->context.uc_stack.ss_sp = actor->stack.get();
  actor->context.uc_stack.ss_size = kStackBytes;
  actor->context.uc_link = &here_;
  ::makecontext(&actor->context, &Schedule::enter, 0);
  actors_.push_back(std::move(actor));
}

void Schedule::enter() {
  Actor* const self = at_work->running_;
  self->work();
  self->has_ended = true;
}

void Schedule::run() {
  at_work = this;
  while (!actors_.empty()) {
    const std::size_t at = below(actors_.size());
    running_ = actors_[at].get();
    ++steps_;
    ::swapcontext(&here_, &running_->context);
    if (running_->has_ended) {
      spare_stacks().push_back(std::move(running_->stack));
      actors_.erase(actors_.begin() + static_cast<std::ptrdiff_t>(at));
    }
    running_ = nullptr;
  }
  at_work = nullptr;
}

bool Schedule::step() {
  if (at_work == nullptr || at_work->running_ == nullptr) {
    return false;
  }
  ::swapcontext(&at_work->running_->context, &at_work->here_);
  return true;
}

}  // namespace img::interleave

// What the program, and the libraries it is linked with, call instead of the C library's.
using img::interleave::Schedule;

extern "C" {

int openat(int directory, const char* name, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const int mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, int) : 0;
  va_end(rest);
  Schedule::step();
  return static_cast<int>(::syscall(SYS_openat, directory, name, flags, mode));
}

int fcntl(int fd, int command, ...) {
  va_list rest;
  va_start(rest, command);
  void* const argument = va_arg(rest, void*);
  va_end(rest);
  Schedule::step();
  return static_cast<int>(::syscall(SYS_fcntl, fd, command, argument));
}

int flock(int fd, int operation) noexcept {
  Schedule::step();
  return static_cast<int>(::syscall(SYS_flock, fd, operation));
}

int unlinkat(int directory, const char* name, int flags) noexcept {
  Schedule::step();
  return static_cast<int>(::syscall(SYS_unlinkat, directory, name, flags));
}

int fsync(int fd) {
  Schedule::step();
  return static_cast<int>(::syscall(SYS_fsync, fd));
}

int fdatasync(int fd) {
  Schedule::step();
  return static_cast<int>(::syscall(SYS_fdatasync, fd));
}

ssize_t pwrite(int fd, const void* bytes, size_t size, off_t offset) {
  Schedule::step();
  return ::syscall(SYS_pwrite64, fd, bytes, size, offset);
}

ssize_t pwritev(int fd, const iovec* parts, int count, off_t offset) {
  Schedule::step();
  return ::syscall(SYS_pwritev, fd, parts, count, offset, 0);
}

int nanosleep(const timespec* time, timespec* left) {
  return Schedule::step() ? 0 : static_cast<int>(::syscall(SYS_nanosleep, time, left));
}

int clock_nanosleep(clockid_t, int, const timespec* time, timespec* left) {
  return Schedule::step() ? 0 : static_cast<int>(::syscall(SYS_nanosleep, time, left));
}
}
