// SPDX-License-Identifier: MIT
#include "libimg/check/seccomp_program.h"

#include <fmt/core.h>
#include <linux/filter.h>

namespace img::check {
namespace {

constexpr std::size_t kSeccompData = 64;  // struct seccomp_data
constexpr std::size_t kMaxInstructions = 4096;

/// The instructions that seccomp allows; others of BPF it does not.
bool is_allowed(std::uint16_t code) {
  switch (code) {
    case BPF_LD | BPF_W | BPF_ABS:
    case BPF_LD | BPF_W | BPF_LEN:
    case BPF_LDX | BPF_W | BPF_LEN:
    case BPF_RET | BPF_K:
    case BPF_RET | BPF_A:
    case BPF_ALU | BPF_ADD | BPF_K:
    case BPF_ALU | BPF_ADD | BPF_X:
    case BPF_ALU | BPF_SUB | BPF_K:
    case BPF_ALU | BPF_SUB | BPF_X:
    case BPF_ALU | BPF_MUL | BPF_K:
    case BPF_ALU | BPF_MUL | BPF_X:
    case BPF_ALU | BPF_DIV | BPF_K:
    case BPF_ALU | BPF_DIV | BPF_X:
    case BPF_ALU | BPF_AND | BPF_K:
    case BPF_ALU | BPF_AND | BPF_X:
    case BPF_ALU | BPF_OR | BPF_K:
    case BPF_ALU | BPF_OR | BPF_X:
    case BPF_ALU | BPF_XOR | BPF_K:
    case BPF_ALU | BPF_XOR | BPF_X:
    case BPF_ALU | BPF_LSH | BPF_K:
    case BPF_ALU | BPF_LSH | BPF_X:
    case BPF_ALU | BPF_RSH | BPF_K:
    case BPF_ALU | BPF_RSH | BPF_X:
    case BPF_ALU | BPF_NEG:
    case BPF_LD | BPF_IMM:
    case BPF_LDX | BPF_IMM:
    case BPF_MISC | BPF_TAX:
    case BPF_MISC | BPF_TXA:
    case BPF_LD | BPF_MEM:
    case BPF_LDX | BPF_MEM:
    case BPF_ST:
    case BPF_STX:
    case BPF_JMP | BPF_JA:
    case BPF_JMP | BPF_JEQ | BPF_K:
    case BPF_JMP | BPF_JEQ | BPF_X:
    case BPF_JMP | BPF_JGE | BPF_K:
    case BPF_JMP | BPF_JGE | BPF_X:
    case BPF_JMP | BPF_JGT | BPF_K:
    case BPF_JMP | BPF_JGT | BPF_X:
    case BPF_JMP | BPF_JSET | BPF_K:
    case BPF_JMP | BPF_JSET | BPF_X: return true;
    default: return false;
  }
}

/// What is wrong with the operand, as the kernel looks at it.
const char* operand_fault(const sock_filter& instruction, std::size_t left) {
  switch (instruction.code) {
    case BPF_LD | BPF_W | BPF_ABS:
      return instruction.k >= kSeccompData || instruction.k % 4 != 0
                 ? "loads from outside of what a filter sees"
                 : nullptr;
    case BPF_ALU | BPF_DIV | BPF_K: return instruction.k == 0 ? "divides by zero" : nullptr;
    case BPF_ALU | BPF_LSH | BPF_K:
    case BPF_ALU | BPF_RSH | BPF_K:
      return instruction.k >= 32 ? "shifts by more than a word" : nullptr;
    case BPF_LD | BPF_MEM:
    case BPF_LDX | BPF_MEM:
    case BPF_ST:
    case BPF_STX:
      return instruction.k >= BPF_MEMWORDS ? "uses memory that a filter does not have" : nullptr;
    case BPF_JMP | BPF_JA: return instruction.k >= left ? "jumps past the end" : nullptr;
    default: break;
  }
  if (BPF_CLASS(instruction.code) == BPF_JMP &&
      (instruction.jt >= left || instruction.jf >= left)) {
    return "jumps past the end";
  }
  return nullptr;
}

}  // namespace

std::string seccomp_fault(Bytes program) {
  if (program.empty() || program.size() % sizeof(sock_filter) != 0) {
    return fmt::format("a program of {} bytes, where an instruction has 8", program.size());
  }
  const std::size_t count = program.size() / sizeof(sock_filter);
  if (count > kMaxInstructions) {
    return fmt::format("{} instructions, where the kernel takes 4096", count);
  }
  for (std::size_t i = 0; i < count; ++i) {
    const auto instruction = load<sock_filter>(program.data() + i * sizeof(sock_filter));
    if (!is_allowed(instruction.code)) {
      return fmt::format("instruction {}: 0x{:04x} is none that a filter may have", i,
                         instruction.code);
    }
    if (const char* wrong = operand_fault(instruction, count - i - 1)) {
      return fmt::format("instruction {} {}", i, wrong);
    }
  }
  const auto last = load<sock_filter>(program.data() + (count - 1) * sizeof(sock_filter));
  if (BPF_CLASS(last.code) != BPF_RET) {
    return "does not end with a return";
  }
  return {};
}

}  // namespace img::check
