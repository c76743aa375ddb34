// SPDX-License-Identifier: MIT
// Has set all that CRIU has no place for, its second thread otherwise than its first, and sees to
// it that it stays so. Lane 0: a bit for each setting that this kernel does not have.
#include <asm/prctl.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "tests/live/victims/victim.h"

namespace {

constexpr int kSetWriteOrExecute = 65;  // PR_SET_MDWE
constexpr int kSetMemoryMerge = 67;     // PR_SET_MEMORY_MERGE
constexpr long kOwnPriority = 2 << 13 | 6;
constexpr long kOtherPriority = 3 << 13;
constexpr std::size_t kSome = 65536;

enum Missing : unsigned { mdwe, merge, policy, cpuid, autogroup };
std::atomic<unsigned> missing{0};
bool has(Missing one) {
  return (missing.load() >> one & 1) == 0;
}
void need(bool works, Missing one) {
  if (!works) {
    missing.fetch_or(1U << one);
  }
}

std::string text_of(const std::string& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}
void write_to(const char* file, const std::string& text) {
  const int fd = open(file, O_WRONLY | O_CLOEXEC);
  VICTIM_CHECK(write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  close(fd);
}

int cpu_of_thread() {
  cpu_set_t cpus;
  VICTIM_CHECK(sched_getaffinity(0, sizeof cpus, &cpus) == 0);
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &cpus)) {
      return CPU_COUNT(&cpus) == 1 ? cpu : -1;
    }
  }
  return -1;
}

void bind_to(int cpu) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(cpu, &cpus);
  VICTIM_CHECK(sched_setaffinity(0, sizeof cpus, &cpus) == 0);
}

// The time stamp counter is a fault here, so the clock is not asked.
void set_thread(int cpu) {
  bind_to(cpu);
  VICTIM_CHECK(syscall(SYS_ioprio_set, 1, 0, kOtherPriority) == 0);
  VICTIM_CHECK(prctl(PR_SET_TIMERSLACK, 77'777) == 0);
  VICTIM_CHECK(prctl(PR_SET_TSC, PR_TSC_SIGSEGV) == 0);
  VICTIM_CHECK(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0) == 0);
}
void check_thread(int cpu) {
  int tsc = 0;
  VICTIM_CHECK(cpu_of_thread() == cpu);
  VICTIM_CHECK(syscall(SYS_ioprio_get, 1, 0) == kOtherPriority);
  VICTIM_CHECK(prctl(PR_GET_TIMERSLACK) == 77'777);
  VICTIM_CHECK(prctl(PR_GET_TSC, &tsc) == 0 && tsc == PR_TSC_SIGSEGV);
  VICTIM_CHECK(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0) == PR_MCE_KILL_EARLY);
}

void set_own() {
  bind_to(0);
  VICTIM_CHECK(prctl(PR_SET_TIMERSLACK, 123'456) == 0);
  VICTIM_CHECK(syscall(SYS_ioprio_set, 1, 0, kOwnPriority) == 0);
  const unsigned long node = 1;
  need(syscall(SYS_set_mempolicy, MPOL_BIND, &node, 64) == 0, policy);
  need(syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0) == 0, cpuid);
  write_to("/proc/self/coredump_filter", "0x7");
  need(access("/proc/self/autogroup", F_OK) == 0, autogroup);
  if (has(autogroup)) {
    write_to("/proc/self/autogroup", "5");
  }
  need(prctl(kSetMemoryMerge, 1, 0, 0, 0) == 0, merge);
  need(prctl(kSetWriteOrExecute, 1, 0, 0, 0) == 0, mdwe);
  VICTIM_CHECK(mlockall(MCL_FUTURE) == 0);
}

bool is_executable_refused() {
  void* const at = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const bool refused = mprotect(at, 4096, PROT_READ | PROT_EXEC) < 0;
  munmap(at, 4096);
  return refused;
}

bool is_filled_at_once() {
  void* const at = mmap(nullptr, kSome, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  unsigned char pages[kSome / 4096] = {};
  const bool asked = mincore(at, kSome, pages) == 0;
  munmap(at, kSome);
  return asked && (pages[0] & 1) != 0 && (pages[sizeof pages - 1] & 1) != 0;
}

void check_own() {
  VICTIM_CHECK(cpu_of_thread() == 0);
  VICTIM_CHECK(prctl(PR_GET_TIMERSLACK) == 123'456);
  VICTIM_CHECK(syscall(SYS_ioprio_get, 1, 0) == kOwnPriority);
  int mode = 0;
  unsigned long nodes[16] = {};
  VICTIM_CHECK(!has(policy) || (syscall(SYS_get_mempolicy, &mode, nodes, 1024, 0, 0) == 0 &&
                                mode == MPOL_BIND && nodes[0] == 1));
  VICTIM_CHECK(!has(cpuid) || syscall(SYS_arch_prctl, ARCH_GET_CPUID, 0) == 0);
  VICTIM_CHECK(text_of("/proc/self/coredump_filter") == "00000007\n");
  VICTIM_CHECK(!has(autogroup) ||
               text_of("/proc/self/autogroup").find("nice 5\n") != std::string::npos);
  VICTIM_CHECK(!has(merge) || prctl(kSetMemoryMerge + 1, 0, 0, 0, 0) == 1);
  VICTIM_CHECK(!has(mdwe) || is_executable_refused());
  VICTIM_CHECK(is_filled_at_once());
}

int exit_signal_of(pid_t pid) {
  const std::string stat = text_of("/proc/" + std::to_string(pid) + "/stat");
  std::size_t at = stat.rfind(')');
  for (int field = 2; field < 38 && at != std::string::npos; ++field) {
    at = stat.find(' ', at + 1);
  }
  return at == std::string::npos ? -1 : std::atoi(stat.c_str() + at);
}

}  // namespace

int main() {
  auto& lanes = victim::page().lanes;
  const int last = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)) - 1;
  signal(SIGUSR1, SIG_IGN);
  const auto child = static_cast<pid_t>(syscall(SYS_clone, SIGUSR1, 0, 0, 0, 0));
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
      pause();
    }
  }
  set_own();
  std::thread other([&] {
    set_thread(last);
    lanes[1].store(1);
    while (victim::goes_on()) {
      check_thread(last);
      usleep(1000);
    }
  });
  while (lanes[1].load() == 0) {
    usleep(1000);
  }
  lanes[0].store(missing.load());
  victim::ready();
  while (victim::goes_on()) {
    check_own();
    VICTIM_CHECK(exit_signal_of(child) == SIGUSR1);
    victim::round_done();
    usleep(1000);
  }
  kill(child, SIGKILL);
  other.join();
  return 0;
}
