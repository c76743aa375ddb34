// SPDX-License-Identifier: MIT
// Has its system calls dispatched to itself (prctl): each is counted by the handler, which makes
// it. With argument "range", there is no selector, and calls are made from libc only; with
// "inside", only those of one function are dispatched; with "thread", a second thread has that too,
// with a selector of its own. Lane 0 says whether the kernel can do that, lane 1 where the selector
// is, lane 2 counts calls that were dispatched.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>

#include <cstring>
#include <fstream>
#include <string>
#include <thread>

#include "tests/live/victims/victim.h"

namespace {

constexpr int kSetUserDispatch = 59;  // PR_SET_SYSCALL_USER_DISPATCH
constexpr unsigned long kOn = 1;
constexpr unsigned long kInside = 2;
constexpr char kAllow = 0;
constexpr char kBlock = 1;

// Each thread has its own, in memory that only it writes.
thread_local volatile char selector = kAllow;
thread_local bool has_selector = true;
thread_local volatile std::uint64_t dispatched = 0;

// The handler's own way back is dispatched, too, unless calls are let through until it is made.
void on_call(int, siginfo_t* info, void* context) {
  selector = kAllow;
  auto* registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  registers[REG_RAX] = info->si_syscall == SYS_getppid ? 4711 : -38;
  const std::uint64_t so_far = dispatched;
  dispatched = so_far + 1;
}

// A call that libc does not make: from here it is dispatched.
__attribute__((noinline, section("foreign"))) long foreign_call(long number) {
  long result = number;
  asm volatile("syscall" : "+a"(result) : : "rcx", "r11", "memory");
  return result;
}
extern "C" const char __start_foreign[];
extern "C" const char __stop_foreign[];

struct Range {
  unsigned long start = 0;
  unsigned long bytes = 0;
};

Range code_of_libc() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find("r-xp") != std::string::npos && line.find("libc.so") != std::string::npos) {
      const unsigned long start = std::stoul(line, nullptr, 16);
      return {start, std::stoul(line.substr(line.find('-') + 1), nullptr, 16) - start};
    }
  }
  return {};
}

bool begin(const char* how) {
  if (std::strcmp(how, "range") == 0) {
    has_selector = false;
    const Range libc = code_of_libc();
    return prctl(kSetUserDispatch, kOn, libc.start, libc.bytes, 0) == 0;
  }
  if (std::strcmp(how, "inside") == 0) {
    has_selector = false;
    const auto start = reinterpret_cast<unsigned long>(__start_foreign);
    const auto end = reinterpret_cast<unsigned long>(__stop_foreign);
    return prctl(kSetUserDispatch, kInside, start, end - start, 0) == 0;
  }
  return prctl(kSetUserDispatch, kOn, 0, 0, &selector) == 0;
}

// With the selector at "block" nearly all the time, as a program has it that runs foreign code.
void one_round() {
  const std::uint64_t before = dispatched;
  if (has_selector) {
    selector = kBlock;
  }
  for (int i = 0; i < 50'000; ++i) {
    asm volatile("" : : : "memory");
  }
  const bool is_blocked = !has_selector || selector == kBlock;
  const long result = foreign_call(SYS_getppid);
  if (has_selector) {
    selector = kAllow;
  }
  VICTIM_CHECK(is_blocked);
  VICTIM_CHECK(result == 4711);
  VICTIM_CHECK(dispatched == before + 1);
}

void work(const char* how, std::size_t lane) {
  if (!begin(how)) {
    return;
  }
  while (victim::goes_on()) {
    one_round();
    victim::page().lanes[lane].fetch_add(1);
    usleep(100);
  }
}

}  // namespace

int main(int count, char** args) {
  auto& lanes = victim::page().lanes;
  const std::string how = count > 1 ? args[1] : "selector";
  struct sigaction action {};
  action.sa_sigaction = on_call;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSYS, &action, nullptr);
  std::thread other;
  if (how == "thread") {
    other = std::thread(work, "selector", 3);
  }
  lanes[0].store(begin(how.c_str()) ? 1 : 0);
  lanes[1].store(reinterpret_cast<std::uintptr_t>(&selector));
  victim::ready();
  if (lanes[0].load() == 0) {
    return 0;
  }
  while (victim::goes_on()) {
    const std::uint64_t others = lanes[3].load();
    one_round();
    lanes[2].store(dispatched);
    victim::round_done();
    usleep(100);
    if (how == "thread" && others % 64 == 63) {
      VICTIM_CHECK(lanes[3].load() >= others);
    }
  }
  if (other.joinable()) {
    other.join();
  }
  return 0;
}
