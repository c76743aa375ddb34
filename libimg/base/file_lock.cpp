// SPDX-License-Identifier: MIT
#include "libimg/base/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <thread>

namespace img {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

std::string command_of(int pid) {
  std::ifstream comm("/proc/" + std::to_string(pid) + "/comm");
  std::string name;
  std::getline(comm, name);
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return c < ' ' || c >= 0x7f; }, '?');
  return name;
}

// A line of /proc/locks: "3: FLOCK  ADVISORY  WRITE 4711 fe:00:131090 0 EOF".
std::string holder_of(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) {
    return {};
  }
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    int pid = 0;
    unsigned major = 0;
    unsigned minor = 0;
    unsigned long long inode = 0;
    if (std::sscanf(line.c_str(), "%*d: FLOCK %*s %*s %d %x:%x:%llu", &pid, &major, &minor,
                    &inode) != 4 ||
        inode != status.st_ino || ::makedev(major, minor) != status.st_dev || pid <= 0) {
      continue;
    }
    const std::string command = command_of(pid);
    return " by process " + std::to_string(pid) + (command.empty() ? "" : " (" + command + ")");
  }
  return {};
}

Result<bool> set_lease(int fd, int operation, const std::string& thing) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (::fcntl(fd, operation, &lock) == 0) {
    return operation == F_OFD_SETLK || lock.l_type != F_UNLCK;
  }
  if (errno == EAGAIN || errno == EACCES) {
    return false;
  }
  return fail(sys_error(errno, thing, "take the lease"));
}

}  // namespace

Result<void> lock_file(int fd, LockMode mode, milliseconds deadline, const std::string& thing,
                       const std::string& what) {
  const int operation = (mode == LockMode::shared ? LOCK_SH : LOCK_EX) | LOCK_NB;
  const auto end = steady_clock::now() + deadline;
  // flock has no time-out of its own, and an alarm would be the whole process's.
  for (auto pause = std::chrono::microseconds(200);;
       pause = std::min(pause * 2, {milliseconds(10)})) {
    if (::flock(fd, operation) == 0) {
      return {};
    }
    if (errno != EWOULDBLOCK && errno != EINTR) {
      return fail(sys_error(errno, thing, what));
    }
    if (steady_clock::now() >= end) {
      return fail(
          Fault::conflict, thing, what,
          "held" + holder_of(fd) + " for more than " + std::to_string(deadline.count()) + " ms",
          "try again when it has ended");
    }
    std::this_thread::sleep_for(pause);
  }
}

Result<bool> take_lease(int fd, const std::string& thing) {
  return set_lease(fd, F_OFD_SETLK, thing);
}

Result<bool> has_lease(int fd, const std::string& thing) {
  return set_lease(fd, F_OFD_GETLK, thing);
}

}  // namespace img
