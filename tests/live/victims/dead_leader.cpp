// SPDX-License-Identifier: MIT
// The main thread has ended, another one goes on.
#include <pthread.h>

#include <thread>

#include "tests/live/victims/victim.h"

int main() {
  victim::page();
  std::thread([] {
    while (victim::goes_on()) {
      victim::round_done();
      usleep(1000);
    }
    _exit(0);
  }).detach();
  victim::ready();
  pthread_exit(nullptr);
}
