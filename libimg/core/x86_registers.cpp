// SPDX-License-Identifier: MIT
#include "libimg/core/x86_registers.h"

#include <array>

namespace img::core {
namespace {

constexpr std::size_t kFxsaveBytes = 512;
constexpr std::size_t kHeaderBytes = 64;
// In the bytes that the processor leaves to software: the components that the area can hold.
// Debuggers tell by it, and by the size, which processor's layout it has.
constexpr std::size_t kSoftwareMask = 464;

template <class T>
T element(const flatbuffers::Vector<T>* from, std::size_t index) {
  return from != nullptr && index < from->size() ? from->Get(static_cast<unsigned>(index)) : T{0};
}

template <class T>
void put_array(Packer& to, const flatbuffers::Vector<T>* from, std::size_t bytes) {
  for (std::size_t index = 0; index < bytes / sizeof(T); ++index) {
    to.put(element(from, index));
  }
}

/// Tags of the registers st0 to st7 as fsave has them: 2 bits each instead of 1.
std::uint32_t full_tags(const schema::UserX86FpregsEntry& fpregs) {
  constexpr std::uint32_t kValid = 0;
  constexpr std::uint32_t kZero = 1;
  constexpr std::uint32_t kSpecial = 2;
  constexpr std::uint32_t kEmpty = 3;
  const std::uint32_t top = fpregs.swd() >> 11 & 7U;
  std::uint32_t tags = 0;
  for (std::uint32_t physical = 0; physical < 8; ++physical) {
    std::uint32_t tag = kEmpty;
    if ((fpregs.twd() >> physical & 1U) != 0) {
      const std::size_t at = ((physical - top) & 7U) * 4;
      const std::uint32_t low = element(fpregs.st_space(), at);
      const std::uint32_t high = element(fpregs.st_space(), at + 1);
      const std::uint32_t exponent = element(fpregs.st_space(), at + 2) & 0x7fffU;
      tag = exponent == 0x7fff          ? kSpecial
            : exponent == 0             ? ((low | high) == 0 ? kZero : kSpecial)
            : (high & 0x80000000U) != 0 ? kValid
                                        : kSpecial;
    }
    tags |= tag << (2 * physical);
  }
  return tags;
}

/// Parts of an XSAVE area after its header, as Intel's processors have them.
struct Area {
  std::uint64_t mask = 3;  // x87 and SSE
  std::size_t size = kFxsaveBytes + kHeaderBytes;
};

void put_part(Packer& to, Area& area, std::uint64_t bits, std::size_t offset, std::size_t bytes,
              const auto* from) {
  if (from == nullptr || from->size() == 0) {
    return;
  }
  to.fill_to(offset);
  put_array(to, from, bytes);
  area.mask |= bits;
  area.size = offset + bytes;
}

Area put_parts(Packer& to, const schema::UserX86XsaveEntry& xsave) {
  Area area;
  put_part(to, area, 1U << 2, 576, 256, xsave.ymmh_space());
  put_part(to, area, 1U << 3, 960, 64, xsave.bndreg_state());
  put_part(to, area, 1U << 4, 1024, 64, xsave.bndcsr_state());
  put_part(to, area, 1U << 5, 1088, 64, xsave.opmask_reg());
  put_part(to, area, 1U << 6, 1152, 512, xsave.zmm_upper());
  put_part(to, area, 1U << 7, 1664, 1024, xsave.hi16_zmm());
  put_part(to, area, 1U << 9, 2688, 8, xsave.pkru());
  return area;
}

void put_fxsave_with(Packer& to, const schema::UserX86FpregsEntry& fpregs, std::uint64_t mask) {
  const std::size_t begin = to.size();
  to.put(static_cast<std::uint16_t>(fpregs.cwd()));
  to.put(static_cast<std::uint16_t>(fpregs.swd()));
  to.put(static_cast<std::uint16_t>(fpregs.twd()));
  to.put(static_cast<std::uint16_t>(fpregs.fop()));
  to.put(fpregs.rip());
  to.put(fpregs.rdp());
  to.put(fpregs.mxcsr());
  to.put(fpregs.mxcsr_mask());
  put_array(to, fpregs.st_space(), 128);
  put_array(to, fpregs.xmm_space(), 256);
  to.fill_to(begin + kSoftwareMask);
  to.put(mask);
  to.fill_to(begin + kFxsaveBytes);
}

}  // namespace

Width width_of(const schema::ThreadInfoX86& info) {
  return info.gpregs()->mode() == schema::UserX86RegsMode::COMPAT ? Width::bits32 : Width::bits64;
}

void put_general_registers(Packer& to, Width width, const schema::UserX86RegsEntry& regs) {
  if (width == Width::bits64) {
    for (const std::uint64_t value :
         {regs.r15(),   regs.r14(), regs.r13(), regs.r12(),     regs.bp(),      regs.bx(),
          regs.r11(),   regs.r10(), regs.r9(),  regs.r8(),      regs.ax(),      regs.cx(),
          regs.dx(),    regs.si(),  regs.di(),  regs.orig_ax(), regs.ip(),      regs.cs(),
          regs.flags(), regs.sp(),  regs.ss(),  regs.fs_base(), regs.gs_base(), regs.ds(),
          regs.es(),    regs.fs(),  regs.gs()}) {
      to.put(value);
    }
    return;
  }
  for (const std::uint64_t value :
       {regs.bx(), regs.cx(), regs.dx(), regs.si(), regs.di(), regs.bp(), regs.ax(), regs.ds(),
        regs.es(), regs.fs(), regs.gs(), regs.orig_ax(), regs.ip(), regs.cs(), regs.flags(),
        regs.sp(), regs.ss()}) {
    to.put(static_cast<std::uint32_t>(value));
  }
}

void put_fxsave(Packer& to, const schema::UserX86FpregsEntry& fpregs) {
  put_fxsave_with(to, fpregs, 0);
}

void put_fsave(Packer& to, const schema::UserX86FpregsEntry& fpregs) {
  constexpr std::uint32_t kUnusedHalf = 0xffff0000U;
  to.put(fpregs.cwd() | kUnusedHalf);
  to.put(fpregs.swd() | kUnusedHalf);
  to.put(full_tags(fpregs) | kUnusedHalf);
  to.put(static_cast<std::uint32_t>(fpregs.rip()));
  to.put(static_cast<std::uint32_t>(fpregs.rip() >> 32 & 0xffffU) | fpregs.fop() << 16);
  to.put(static_cast<std::uint32_t>(fpregs.rdp()));
  to.put(static_cast<std::uint32_t>(fpregs.rdp() >> 32 | kUnusedHalf));
  for (std::size_t number = 0; number < 8; ++number) {
    to.put(element(fpregs.st_space(), number * 4));
    to.put(element(fpregs.st_space(), number * 4 + 1));
    to.put(static_cast<std::uint16_t>(element(fpregs.st_space(), number * 4 + 2)));
  }
}

void put_xsave(Packer& to, const schema::UserX86FpregsEntry& fpregs) {
  if (fpregs.xsave() == nullptr) {
    return;
  }
  Packer parts;
  const Area area = put_parts(parts, *fpregs.xsave());
  if (area.mask == Area().mask) {
    return;
  }
  put_fxsave_with(to, fpregs, area.mask);
  to.put(fpregs.xsave()->xstate_bv() & area.mask);
  to.fill_to(kFxsaveBytes + kHeaderBytes);
  to.put_bytes(parts.bytes().subspan(kFxsaveBytes + kHeaderBytes));
}

void put_tls(Packer& to, const schema::ThreadInfoX86& info) {
  if (info.tls() == nullptr) {
    return;
  }
  constexpr std::size_t kSlots = 3;
  for (std::size_t index = 0; index < std::min<std::size_t>(kSlots, info.tls()->size()); ++index) {
    const schema::UserDescT& slot = *info.tls()->Get(static_cast<unsigned>(index));
    to.put(slot.entry_number());
    to.put(slot.base_addr());
    to.put(slot.limit());
    std::uint32_t bits = 0;
    unsigned at = 0;
    for (const bool bit :
         {slot.seg_32bit(), slot.contents_l(), slot.contents_h(), slot.read_exec_only(),
          slot.limit_in_pages(), slot.seg_not_present(), slot.usable()}) {
      bits |= (bit ? 1U : 0U) << at++;
    }
    to.put(bits);
  }
}

}  // namespace img::core
