// SPDX-License-Identifier: MIT
#include "live/restore/call_limit.h"

#include <sys/time.h>

namespace img::restore {

CallLimit::CallLimit() {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  ::sigaction(SIGALRM, &action, &before_);  // no SA_RESTART: the call is to fail
}

// Again and again, since the first alarm may come just before the call begins to wait.
void CallLimit::begin() const {
  const itimerval limit{{1, 0}, {kSeconds, 0}};
  ::setitimer(ITIMER_REAL, &limit, nullptr);
}

CallLimit::~CallLimit() {
  const itimerval none{};
  ::setitimer(ITIMER_REAL, &none, nullptr);
  ::sigaction(SIGALRM, &before_, nullptr);
}

}  // namespace img::restore
