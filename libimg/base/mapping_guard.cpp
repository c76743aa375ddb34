// SPDX-License-Identifier: MIT
#include "libimg/base/mapping_guard.h"

#include "libimg/base/fault_object.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace img {
namespace {

constexpr int kSlots = 16384;
constexpr std::size_t kNameBytes = 96;

// Read by a signal handler: `end` is set last and cleared first.
struct Slot {
  std::atomic<std::uintptr_t> begin = 0;
  std::atomic<std::uintptr_t> end = 0;
  std::array<char, kNameBytes> name{};
};

constinit std::array<Slot, kSlots> slots{};  // or each start would write to all of them
std::atomic<int> slots_used = 0;
std::mutex free_mutex;
std::vector<int> free_slots;  // returned ones; guarded by free_mutex
thread_local int blamed_slot = -1;

const char* tool_name = "stasis";
int fault_exit_code = 2;
bool is_installed = false;
struct sigaction usual_bus;
struct sigaction usual_segv;

void write_text(const char* text, int fd = STDERR_FILENO) {
  if (::write(fd, text, std::strlen(text)) < 0) {
    return;  // nobody is left to be told
  }
}

const Slot* find_slot(const void* at) {
  const auto address = reinterpret_cast<std::uintptr_t>(at);
  const int used = slots_used.load(std::memory_order_acquire);
  for (int i = 0; i < used; ++i) {
    const Slot& slot = slots[static_cast<std::size_t>(i)];
    if (address < slot.end.load(std::memory_order_acquire) && address >= slot.begin.load()) {
      return &slot;
    }
  }
  return nullptr;
}

// Of a tool that has been asked for JSON, while it has written none of it.
std::array<char, 512> object_members;
std::atomic<bool> has_object = false;

/// A JSON string of what may be in a file's name or an assertion's text; nothing is allocated.
void write_quoted(const char* text) {
  std::array<char, 1024> quoted{};
  std::size_t used = 0;
  quoted[used++] = '"';
  for (; *text != '\0' && used < quoted.size() - 3; ++text) {
    const char c = *text;
    if (c == '"' || c == '\\') {
      quoted[used++] = '\\';
    }
    quoted[used++] = c >= ' ' && c < 0x7f ? c : '?';
  }
  quoted[used++] = '"';
  write_text(quoted.data(), STDOUT_FILENO);
}

void write_object(const char* thing, const char* why) {
  write_text("{", STDOUT_FILENO);
  write_text(object_members.data(), STDOUT_FILENO);
  write_text(",\"error\":{\"thing\":", STDOUT_FILENO);
  write_quoted(thing);
  write_text(",\"what\":\"cannot be read\",\"why\":", STDOUT_FILENO);
  write_quoted(why);
  write_text(",\"hint\":\"\"}}\n", STDOUT_FILENO);
}

[[noreturn]] void end_process(const Slot& slot, const char* why) {
  // The first of several threads tells.
  if (has_object.exchange(false)) {
    write_object(slot.name.data(), why);
  }
  write_text(tool_name);
  write_text(": ");
  write_text(slot.name.data());
  write_text(": cannot be read: ");
  write_text(why);
  write_text("\n");
  ::_exit(fault_exit_code);
}

void on_fault(int signal_number, siginfo_t* info, void*) {
  // Positive codes are the kernel's own and have an address; the rest is someone's kill(2).
  const Slot* slot = info->si_code > 0 ? find_slot(info->si_addr) : nullptr;
  if (slot == nullptr && info->si_code > 0 && blamed_slot >= 0) {
    slot = &slots[static_cast<std::size_t>(blamed_slot)];
  }
  if (slot != nullptr) {
    end_process(*slot, "the file became shorter, or its disk failed, or it is damaged");
  }
  // The instruction runs again and takes its usual end (a sanitizer's report, a core file).
  ::sigaction(signal_number, signal_number == SIGBUS ? &usual_bus : &usual_segv, nullptr);
  if (info->si_code <= 0) {
    ::raise(signal_number);
  }
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
  // Goes to a terminal as it is, so control characters are taken out here.
  const std::size_t length = std::min(name.size(), kNameBytes - 1);
  for (std::size_t i = 0; i < length; ++i) {
    slot.name[i] = static_cast<unsigned char>(name[i]) < ' ' || name[i] == 0x7f ? '?' : name[i];
  }
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

MappingGuard::~MappingGuard() {
  release();
}

void MappingGuard::release() {
  if (slot_ >= 0) {
    slots[static_cast<std::size_t>(slot_)].end.store(0, std::memory_order_release);
    const std::lock_guard lock(free_mutex);
    free_slots.push_back(std::exchange(slot_, -1));
  }
}

BlameMapping::BlameMapping(const MappingGuard& mapping)
    : before_(std::exchange(blamed_slot, mapping.slot_)) {}

BlameMapping::~BlameMapping() {
  blamed_slot = before_;
}

void install_mapping_fault_handler(const char* tool, int exit_code) {
  tool_name = tool;
  fault_exit_code = exit_code;
  // A stack of its own: the fault may be at the end of the thread's.
  static std::array<char, 64 * 1024> stack;
  stack_t alternate = {};
  alternate.ss_sp = stack.data();
  alternate.ss_size = stack.size();
  ::sigaltstack(&alternate, nullptr);

  if (is_installed) {
    return;
  }
  is_installed = true;
  struct sigaction action = {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGBUS, &action, &usual_bus);
  ::sigaction(SIGSEGV, &action, &usual_segv);
}

void set_fault_object(std::string_view members, int exit_code) {
  const std::string text = std::string(members) + ",\"exit\":" + std::to_string(exit_code);
  if (text.size() < object_members.size()) {
    std::memcpy(object_members.data(), text.c_str(), text.size() + 1);
    has_object.store(true, std::memory_order_release);
  }
}

void clear_fault_object() {
  has_object = false;
}

void mapping_is_damaged(const void* inside, const char* why) {
  const Slot* slot = find_slot(inside);
  if (slot != nullptr && is_installed) {
    end_process(*slot, why);
  }
  std::abort();
}

}  // namespace img
