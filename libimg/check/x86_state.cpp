// SPDX-License-Identifier: MIT
// CPU-*, TLS-1: registers of an x86-64 thread.
#include <fmt/core.h>

#include <iterator>

#include "libimg/check/core_parts.h"

namespace img::check {
namespace {

constexpr std::size_t kStWords = 32;
constexpr std::size_t kXmmWords = 64;

template <class Vector>
std::size_t size_of(const Vector* vector) {
  return vector == nullptr ? 0 : vector->size();
}

/// One state component of xsave: its bit, and how many elements CRIU copies.
struct Component {
  const char* name;
  unsigned bit;
  std::size_t elements;
  std::size_t have;
};

void xsave_arrays(Facts& facts, const Record& record, const schema::UserX86XsaveEntry& xsave) {
  const Component components[] = {
      {"ymmh_space", 2, 64, size_of(xsave.ymmh_space())},
      {"bndreg_state", 3, 8, size_of(xsave.bndreg_state())},
      {"bndcsr_state", 4, 2, size_of(xsave.bndcsr_state())},
      {"opmask_reg", 5, 8, size_of(xsave.opmask_reg())},
      {"zmm_upper", 6, 64, size_of(xsave.zmm_upper())},
      {"hi16_zmm", 7, 128, size_of(xsave.hi16_zmm())},
      {"pkru", 9, 2, size_of(xsave.pkru())},
  };
  for (const Component& component : components) {
    const bool is_in_use = (xsave.xstate_bv() >> component.bit & 1) != 0;
    const std::string field = fmt::format("thread_info.fpregs.xsave.{}", component.name);
    if (component.have != 0 && component.have < component.elements) {
      facts.report.add(
          RuleId::CPU_1, facts.at(record, field, std::to_string(component.have)),
          fmt::format("{} elements, where the state has {}", component.have, component.elements));
    } else if (component.have > component.elements && is_in_use) {
      facts.report.add(
          RuleId::CPU_1, facts.at(record, field, std::to_string(component.have)),
          fmt::format("{} elements, where the state has {}", component.have, component.elements));
    } else if (component.have == 0 && is_in_use) {
      facts.report.add_plain(
          RuleId::CPU_1, Severity::warning, facts.at(record, field, "0"),
          fmt::format("is empty, though xstate_bv 0x{:x} has it: these registers are lost",
                      xsave.xstate_bv()));
    }
  }
}

void selectors(Facts& facts, const Record& record, const schema::UserX86RegsEntry& regs) {
  constexpr std::uint64_t kUserRing = 3;
  constexpr std::uint64_t kCode64 = 0x33;
  constexpr std::uint64_t kCode32 = 0x23;
  const auto mode = regs.mode().value_or(schema::UserX86RegsMode::NATIVE);
  if (mode != schema::UserX86RegsMode::NATIVE && mode != schema::UserX86RegsMode::COMPAT) {
    facts.report.add(
        RuleId::CPU_2,
        facts.at(record, "thread_info.gpregs.mode", std::to_string(static_cast<int>(mode))),
        "neither a 64-bit nor a 32-bit task");
    return;
  }
  for (const auto& [name, value] : {std::pair{"cs", regs.cs()}, std::pair{"ss", regs.ss()}}) {
    if ((value & kUserRing) != kUserRing || value > 0xffff) {
      facts.report.add_plain(
          RuleId::CPU_2, Severity::error,
          facts.at(record, fmt::format("thread_info.gpregs.{}", name),
                   fmt::format("0x{:x}", value)),
          "is no selector of user space: criu restore says nothing, and the kernel kills the task "
          "as it returns to it");
    }
  }
  const std::uint64_t other = mode == schema::UserX86RegsMode::NATIVE ? kCode32 : kCode64;
  if (regs.cs() == other) {
    facts.report.add(RuleId::CPU_2, Severity::warning,
                     facts.at(record, "thread_info.gpregs.cs", fmt::format("0x{:x}", regs.cs())),
                     "is the selector of the other kind of task than mode says");
  }
}

}  // namespace

void judge_x86(Facts& facts, const Record& record, const schema::ThreadInfoX86& info) {
  selectors(facts, record, *info.gpregs());
  const schema::UserX86FpregsEntry& fp = *info.fpregs();
  for (const auto& [name, have, want] :
       {std::tuple{"st_space", size_of(fp.st_space()), kStWords},
        std::tuple{"xmm_space", size_of(fp.xmm_space()), kXmmWords}}) {
    if (have < want) {
      facts.report.add(
          RuleId::CPU_1,
          facts.at(record, fmt::format("thread_info.fpregs.{}", name), std::to_string(have)),
          fmt::format("{} words, where the registers have {}", have, want));
    }
  }
  constexpr std::uint32_t kOldMask = 0xffbf;  // what a mask of 0 means
  const std::uint32_t mask = fp.mxcsr_mask() | kOldMask;
  if ((fp.mxcsr() & ~mask) != 0) {
    facts.report.add(
        RuleId::CPU_2,
        facts.at(record, "thread_info.fpregs.mxcsr", fmt::format("0x{:x}", fp.mxcsr())),
        fmt::format("has bits outside mxcsr_mask 0x{:x}", mask));
  }
  if (fp.xsave() != nullptr) {
    xsave_arrays(facts, record, *fp.xsave());
  }
  constexpr std::uint32_t kFirstSlot = 12;
  constexpr std::uint32_t kSlots = 3;
  if (size_of(info.tls()) > kSlots) {
    facts.report.add(RuleId::TLS_1,
                     facts.at(record, "thread_info.tls", std::to_string(info.tls()->size())),
                     "more slots than the three a thread has");
  }
  if (info.tls() != nullptr) {
    for (const schema::UserDescT* slot : *info.tls()) {
      if (slot->entry_number() < kFirstSlot || slot->entry_number() >= kFirstSlot + kSlots) {
        // One that is not present is not set again.
        facts.report.add(
            RuleId::TLS_1, slot->seg_not_present() ? Severity::warning : Severity::error,
            facts.at(record, "thread_info.tls.entry_number", std::to_string(slot->entry_number())),
            "is not a slot of threads (12 to 14)");
      }
    }
  }
}

}  // namespace img::check
