// SPDX-License-Identifier: MIT
// Waits in the calls that the kernel leaves with plain EINTR when it is stopped: epoll_wait,
// sigtimedwait, and recv on a socket with a timeout. It is never to see EINTR.
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include <cerrno>

#include "tests/live/victims/victim.h"

int main() {
  victim::page();
  const int epoll = epoll_create1(0);
  int pair[2];
  VICTIM_CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  const timeval timeout{0, 10'000};
  setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  victim::ready();
  while (victim::goes_on()) {
    epoll_event event{};
    VICTIM_CHECK(epoll_wait(epoll, &event, 1, 10) == 0);
    const timespec time{0, 10'000'000};
    VICTIM_CHECK(sigtimedwait(&set, nullptr, &time) == -1 && errno == EAGAIN);
    char byte = 0;
    VICTIM_CHECK(recv(pair[0], &byte, 1, 0) == -1 && errno == EAGAIN);
    victim::round_done();
  }
  return 0;
}
