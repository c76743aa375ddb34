// SPDX-License-Identifier: MIT
// Four threads that are four different users: ids, groups, capabilities, secure bits, no new
// privileges, each as only its own thread has it.
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <array>
#include <thread>

#include "tests/live/victims/victim.h"

namespace {

struct Caps {
  std::array<__user_cap_data_struct, 2> sets{};
  std::array<unsigned, 3> uids{};
  std::array<unsigned, 3> gids{};
  std::array<gid_t, 3> groups{};
  long group_count = 0;
  long securebits = 0;
  long no_new_privs = 0;
  long bounding = 0;
  long ambient = 0;
  long keep = 0;
};

long call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0) {
  return syscall(number, a, b, c, d, e);
}

// By system calls of this thread alone: the library would change all of them.
Caps look() {
  Caps out;
  __user_cap_header_struct head{_LINUX_CAPABILITY_VERSION_3, 0};
  syscall(SYS_capget, &head, out.sets.data());
  syscall(SYS_getresuid, &out.uids[0], &out.uids[1], &out.uids[2]);
  syscall(SYS_getresgid, &out.gids[0], &out.gids[1], &out.gids[2]);
  out.group_count = syscall(SYS_getgroups, out.groups.size(), out.groups.data());
  out.securebits = call(SYS_prctl, PR_GET_SECUREBITS);
  out.no_new_privs = call(SYS_prctl, PR_GET_NO_NEW_PRIVS);
  out.bounding = call(SYS_prctl, PR_CAPBSET_READ, CAP_SYS_TIME);
  out.ambient = call(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_NET_RAW);
  out.keep = call(SYS_prctl, PR_GET_KEEPCAPS);
  return out;
}

bool equal(const Caps& one, const Caps& other) {
  return __builtin_memcmp(one.sets.data(), other.sets.data(), sizeof one.sets) == 0 &&
         one.uids == other.uids && one.gids == other.gids && one.groups == other.groups &&
         one.group_count == other.group_count && one.securebits == other.securebits &&
         one.no_new_privs == other.no_new_privs && one.bounding == other.bounding &&
         one.ambient == other.ambient && one.keep == other.keep;
}

void become(int who) {
  if (who == 1) {  // an ordinary user
    const gid_t groups[] = {7, 12, 65533};
    VICTIM_CHECK(syscall(SYS_setgroups, 3, groups) == 0);
    VICTIM_CHECK(call(SYS_setresgid, 1001, 1002, 1003) == 0);
    VICTIM_CHECK(call(SYS_setresuid, 1001, 1002, 1003) == 0);
  } else if (who == 2) {  // root that keeps one capability, which it may never get back
    VICTIM_CHECK(call(SYS_prctl, PR_CAPBSET_DROP, CAP_SYS_TIME) == 0);
    VICTIM_CHECK(call(SYS_prctl, PR_SET_SECUREBITS, SECBIT_KEEP_CAPS | SECBIT_NOROOT) == 0);
    VICTIM_CHECK(call(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1) == 0);
  } else if (who == 3) {  // a user with an ambient capability
    __user_cap_header_struct head{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> sets{};
    sets[0] = {1U << CAP_NET_RAW, 1U << CAP_NET_RAW, 1U << CAP_NET_RAW};
    VICTIM_CHECK(call(SYS_prctl, PR_SET_KEEPCAPS, 1) == 0);
    VICTIM_CHECK(call(SYS_setresuid, 2001, 2001, 2001) == 0);
    VICTIM_CHECK(syscall(SYS_capset, &head, sets.data()) == 0);
    VICTIM_CHECK(call(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW) == 0);
  }
}

std::atomic<int> set_up = 0;

void live(int who) {
  become(who);
  const Caps then = look();
  set_up.fetch_add(1);
  while (victim::goes_on()) {
    VICTIM_CHECK(equal(look(), then));
    victim::page().lanes[who].fetch_add(1);
    if (who == 0) {
      victim::round_done();
    }
    usleep(1000);
  }
}

}  // namespace

int main() {
  victim::page();
  std::thread threads[] = {std::thread(live, 1), std::thread(live, 2), std::thread(live, 3)};
  while (set_up.load() < 3) {
    usleep(1000);
  }
  victim::ready();
  live(0);
  for (std::thread& one : threads) {
    one.join();
  }
  return 0;
}
