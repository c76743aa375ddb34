// SPDX-License-Identifier: MIT
#include "libimg/base/mapping_guard.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

namespace img {
namespace {

constexpr int kSlots = 16384;
constexpr std::size_t kNameBytes = 96;

// Read by a signal handler: `end` is set last and cleared first.
struct Slot {
  std::atomic<std::uintptr_t> begin;
  std::atomic<std::uintptr_t> end;
  std::array<char, kNameBytes> name;
};

std::array<Slot, kSlots> slots;
std::atomic<int> slots_used = 0;
std::mutex free_mutex;
std::vector<int> free_slots;  // returned ones; guarded by free_mutex

const char* tool_name = "stasis";
int fault_exit_code = 2;

void write_text(const char* text) {
  if (::write(STDERR_FILENO, text, std::strlen(text)) < 0) {
    return;  // nobody is left to be told
  }
}

void on_fault(int signal_number, siginfo_t* info, void*) {
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  const int used = slots_used.load(std::memory_order_acquire);
  for (int i = 0; i < used; ++i) {
    const Slot& slot = slots[static_cast<std::size_t>(i)];
    if (address < slot.end.load(std::memory_order_acquire) && address >= slot.begin.load()) {
      write_text(tool_name);
      write_text(": ");
      write_text(slot.name.data());
      write_text(": cannot be read: the file became shorter, or its disk failed, or it is damaged\n");
      ::_exit(fault_exit_code);
    }
  }
  ::signal(signal_number, SIG_DFL);  // the instruction runs again and takes its usual end
}

int take_slot() {
  const std::lock_guard lock(free_mutex);
  if (!free_slots.empty()) {
    const int slot = free_slots.back();
    free_slots.pop_back();
    return slot;
  }
  const int slot = slots_used.load();
  if (slot == kSlots) {
    return -1;
  }
  slots_used.store(slot + 1, std::memory_order_release);
  return slot;
}

}  // namespace

MappingGuard::MappingGuard(const void* begin, std::size_t size, std::string_view name)
    : slot_(take_slot()) {
  if (slot_ < 0) {
    return;
  }
  Slot& slot = slots[static_cast<std::size_t>(slot_)];
  const std::size_t length = std::min(name.size(), kNameBytes - 1);
  std::memcpy(slot.name.data(), name.data(), length);
  slot.name[length] = '\0';
  slot.begin.store(reinterpret_cast<std::uintptr_t>(begin));
  slot.end.store(reinterpret_cast<std::uintptr_t>(begin) + size, std::memory_order_release);
}

MappingGuard::MappingGuard(MappingGuard&& other) noexcept : slot_(std::exchange(other.slot_, -1)) {}

MappingGuard& MappingGuard::operator=(MappingGuard&& other) noexcept {
  if (this != &other) {
    release();
    slot_ = std::exchange(other.slot_, -1);
  }
  return *this;
}

MappingGuard::~MappingGuard() { release(); }

void MappingGuard::release() {
  if (slot_ >= 0) {
    slots[static_cast<std::size_t>(slot_)].end.store(0, std::memory_order_release);
    const std::lock_guard lock(free_mutex);
    free_slots.push_back(std::exchange(slot_, -1));
  }
}

void install_mapping_fault_handler(const char* tool, int exit_code) {
  tool_name = tool;
  fault_exit_code = exit_code;
  struct sigaction action = {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, nullptr);
  sigaction(SIGSEGV, &action, nullptr);
}

}  // namespace img
