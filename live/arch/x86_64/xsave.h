// SPDX-License-Identifier: MIT
// Where the parts of an XSAVE area lie, as CPUID says, and a task's area as raw bytes beside that
// layout. The bytes are in the standard format, which is what ptrace and signal frames use; they
// are looked at, never turned into structs.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "libimg/base/bytes.h"
#include "libimg/base/result.h"

namespace img::arch {

enum Component : unsigned {
  kX87 = 0,
  kSse = 1,
  kAvx = 2,
  kBndRegs = 3,
  kBndCsr = 4,
  kOpmask = 5,
  kZmmUpper = 6,
  kHi16Zmm = 7,
  kPkru = 9,
  kCetUser = 11,
  kTileConfig = 17,
  kTileData = 18,
  kComponents = 64,
};

inline constexpr std::uint32_t kLegacyBytes = 512;
inline constexpr std::uint32_t kXsaveHeaderBytes = 64;
inline constexpr std::uint32_t kMxcsrOffset = 24;
inline constexpr std::uint32_t kMxcsrMaskOffset = 28;
inline constexpr std::uint32_t kSt0Offset = 32;
inline constexpr std::uint32_t kXmm0Offset = 160;
/// In the bytes that the kernel gives software: the components it handed out.
inline constexpr std::uint32_t kSoftwareMaskOffset = 464;

struct XsaveComponent {
  unsigned number = 0;
  std::uint32_t offset = 0;
  std::uint32_t bytes = 0;
};

/// One leaf of CPUID, so that the layout of another machine can be computed here.
struct CpuidLeaf {
  std::uint32_t leaf, subleaf, a, b, c, d;
};

class XsaveLayout {
 public:
  /// Of this CPU; without XSAVE, the 512 legacy bytes alone.
  [[nodiscard]] static XsaveLayout of_this_cpu();
  /// From leaves 0xd; `enabled` is XCR0.
  [[nodiscard]] static XsaveLayout from_leaves(const std::vector<CpuidLeaf>& leaves,
                                               std::uint64_t enabled);

  [[nodiscard]] const std::vector<XsaveComponent>& components() const { return components_; }
  [[nodiscard]] const XsaveComponent* find(unsigned number) const;
  /// One bit per component.
  [[nodiscard]] std::uint64_t mask() const { return mask_; }
  /// How long an area must be to hold these components.
  [[nodiscard]] std::uint32_t bytes_for(std::uint64_t mask) const;

 private:
  std::vector<XsaveComponent> components_;  // by number
  std::uint64_t mask_ = 0;
};

[[nodiscard]] std::string_view component_name(unsigned number);

/// The extended state of one task.
class Xstate {
 public:
  /// Fails if the bytes are too short for what their own header says is in them.
  [[nodiscard]] static Result<Xstate> take(std::vector<std::byte> bytes, const XsaveLayout& layout);

  [[nodiscard]] Bytes bytes() const { return bytes_; }
  /// XSTATE_BV: the components that are not in their initial state.
  [[nodiscard]] std::uint64_t in_use() const;
  [[nodiscard]] const XsaveLayout& layout() const { return layout_; }
  /// Empty if the component is not in use.
  [[nodiscard]] Bytes component(unsigned number) const;

 private:
  Xstate(std::vector<std::byte> bytes, const XsaveLayout& layout)
      : bytes_(std::move(bytes)), layout_(layout) {}
  std::vector<std::byte> bytes_;
  XsaveLayout layout_;
};

}  // namespace img::arch
