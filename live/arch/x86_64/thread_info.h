// SPDX-License-Identifier: MIT
// The CPU state of a thread as an image keeps it (ThreadInfoX86), written and read. What is read
// comes from strangers: lengths, selectors and component bits are checked here.
#pragma once

#include <array>
#include <vector>

#include "libimg/base/result.h"
#include "live/arch/x86_64/registers.h"
#include "live/arch/x86_64/xsave.h"
#include "schema/regs_x86_64_generated.h"

namespace img::arch {

inline constexpr std::uint32_t kFirstTlsSlot = 12;
inline constexpr std::size_t kTlsSlots = 3;

/// struct user_desc of one TLS slot of the GDT; empty unless a 32-bit habit has filled it.
struct TlsSlot {
  std::uint32_t entry_number = 0;
  std::uint32_t base = 0;
  std::uint32_t limit = 0;
  std::uint32_t bits = kEmpty;
  static constexpr std::uint32_t kEmpty = 0x28;  // read_exec_only, seg_not_present
  friend bool operator==(const TlsSlot&, const TlsSlot&) = default;
};

struct ThreadInfo {
  Registers registers;
  std::vector<std::byte> xstate;  // for PTRACE_SETREGSET
  std::uint64_t clear_tid_address = 0;
  std::array<TlsSlot, kTlsSlots> tls{};
};

/// A component in use that no core has a place for: AMX tiles.
struct XstatePart {
  unsigned number = 0;
  std::vector<std::byte> bytes;
};
[[nodiscard]] std::vector<XstatePart> parts_without_place(const Xstate& xstate);
/// Into the xstate of a ThreadInfo; false if this CPU does not have it, or has it in another size.
[[nodiscard]] bool put_part(unsigned number, Bytes bytes, const XsaveLayout& layout,
                            std::vector<std::byte>& xstate);

/// `builder` forces defaults. Without the parts that a core has no place for.
[[nodiscard]] flatbuffers::Offset<schema::ThreadInfoX86> write_thread_info(
    flatbuffers::FlatBufferBuilder& builder, const Registers& registers, const Xstate& xstate,
    std::uint64_t clear_tid_address, const std::array<TlsSlot, kTlsSlots>& tls);

/// For a CPU with `layout`: Fault::unsupported if it lacks a component that is in use.
[[nodiscard]] Result<ThreadInfo> read_thread_info(const schema::ThreadInfoX86& record,
                                                  const XsaveLayout& layout);

}  // namespace img::arch
