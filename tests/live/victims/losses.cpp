// SPDX-License-Identifier: MIT
// Has a keyring of its own and a limit of processor time: what a restore cannot give back.
#include <linux/keyctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "tests/live/victims/victim.h"

int main() {
  auto& lanes = victim::page().lanes;
  lanes[0].store(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1) > 0);
  const rlimit limit{3600, 7200};
  VICTIM_CHECK(setrlimit(RLIMIT_CPU, &limit) == 0);
  victim::ready();
  while (victim::goes_on()) {
    victim::round_done();
    usleep(1000);
  }
  return 0;
}
