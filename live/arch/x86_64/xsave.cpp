// SPDX-License-Identifier: MIT
#include "live/arch/x86_64/xsave.h"

#include <cpuid.h>

#include <algorithm>

namespace img::arch {
namespace {

constexpr std::uint32_t kXsaveLeaf = 0xd;
constexpr std::uint32_t kHasOsXsave = 1U << 27;  // leaf 1, ecx
constexpr std::uint32_t kSupervisor = 1U << 0;   // leaf 0xd, subleaf of a component, ecx
constexpr std::uint64_t kLegacyMask = (1U << kX87) | (1U << kSse);

std::uint64_t bit(unsigned number) {
  return std::uint64_t{1} << number;
}

std::uint64_t enabled_components() {
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (std::uint64_t{high} << 32) | low;
}

}  // namespace

XsaveLayout XsaveLayout::of_this_cpu() {
  CpuidLeaf first{1, 0, 0, 0, 0, 0};
  if (__get_cpuid(1, &first.a, &first.b, &first.c, &first.d) == 0 || (first.c & kHasOsXsave) == 0) {
    return from_leaves({}, kLegacyMask);
  }
  // Only what is enabled is asked for: in a virtual machine each question takes some 20 us.
  const std::uint64_t enabled = enabled_components();
  std::vector<CpuidLeaf> leaves;
  for (std::uint32_t number = 2; number < kComponents - 1; ++number) {
    CpuidLeaf leaf{kXsaveLeaf, number, 0, 0, 0, 0};
    if ((enabled & bit(number)) != 0) {
      __cpuid_count(kXsaveLeaf, number, leaf.a, leaf.b, leaf.c, leaf.d);
      leaves.push_back(leaf);
    }
  }
  return from_leaves(leaves, enabled);
}

XsaveLayout XsaveLayout::from_leaves(const std::vector<CpuidLeaf>& leaves, std::uint64_t enabled) {
  XsaveLayout layout;
  layout.components_ = {{kX87, 0, kXmm0Offset}, {kSse, kXmm0Offset, 16 * 16}};
  layout.mask_ = kLegacyMask;
  for (const CpuidLeaf& leaf : leaves) {
    const bool user = leaf.leaf == kXsaveLeaf && leaf.subleaf >= 2 && leaf.subleaf < kComponents &&
                      leaf.a != 0 && (leaf.c & kSupervisor) == 0;
    if (user && (enabled & bit(leaf.subleaf)) != 0 && layout.find(leaf.subleaf) == nullptr) {
      layout.components_.push_back({leaf.subleaf, leaf.b, leaf.a});
      layout.mask_ |= bit(leaf.subleaf);
    }
  }
  std::sort(layout.components_.begin(), layout.components_.end(),
            [](const auto& a, const auto& b) { return a.number < b.number; });
  return layout;
}

const XsaveComponent* XsaveLayout::find(unsigned number) const {
  const auto at = std::find_if(components_.begin(), components_.end(),
                               [&](const XsaveComponent& one) { return one.number == number; });
  return at == components_.end() ? nullptr : &*at;
}

std::uint32_t XsaveLayout::bytes_for(std::uint64_t mask) const {
  std::uint32_t end = kLegacyBytes + kXsaveHeaderBytes;
  for (const XsaveComponent& one : components_) {
    if ((mask & bit(one.number)) != 0) {
      end = std::max(end, one.offset + one.bytes);
    }
  }
  return end;
}

std::string_view component_name(unsigned number) {
  switch (number) {
    case kX87: return "x87";
    case kSse: return "sse";
    case kAvx: return "avx";
    case kBndRegs: return "bndregs";
    case kBndCsr: return "bndcsr";
    case kOpmask: return "opmask";
    case kZmmUpper: return "zmm_upper";
    case kHi16Zmm: return "hi16_zmm";
    case kPkru: return "pkru";
    case kCetUser: return "cet";
    case kTileConfig: return "tile_config";
    case kTileData: return "tile_data";
    default: return "unknown";
  }
}

Result<Xstate> Xstate::take(std::vector<std::byte> bytes, const XsaveLayout& layout) {
  if (bytes.size() < kLegacyBytes + kXsaveHeaderBytes) {
    return fail(Fault::corrupt, "xstate", "", "shorter than the legacy area and the header");
  }
  Xstate state(std::move(bytes), layout);
  if ((state.in_use() & ~layout.mask()) != 0) {
    return fail(Fault::unsupported, "xstate", "", "holds a component that this CPU does not have");
  }
  if (state.bytes_.size() < layout.bytes_for(state.in_use())) {
    return fail(Fault::corrupt, "xstate", "", "shorter than what its header says is in it");
  }
  return state;
}

std::uint64_t Xstate::in_use() const {
  return load<std::uint64_t>(bytes_.data() + kLegacyBytes);
}

Bytes Xstate::component(unsigned number) const {
  const XsaveComponent* one = layout_.find(number);
  if (one == nullptr || (in_use() & bit(number)) == 0) {
    return {};
  }
  return bytes().subspan(one->offset, one->bytes);
}

}  // namespace img::arch
