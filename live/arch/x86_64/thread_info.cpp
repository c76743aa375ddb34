// SPDX-License-Identifier: MIT
#include "live/arch/x86_64/thread_info.h"

#include <algorithm>

#include "libimg/base/units.h"

namespace img::arch {
namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;
using flatbuffers::Vector;
using schema::UserX86FpregsEntry;
using schema::UserX86RegsEntry;
using schema::UserX86XsaveEntry;

constexpr std::uint64_t kStackSegment64 = 0x2b;
constexpr std::uint64_t kUserEnd = 0x7fff'ffff'f000;  // TASK_SIZE_MAX with four levels
constexpr std::uint64_t kLargestSelector = 0xffff;

// Each component beside x87 and SSE that an image has a place for.
struct Place {
  unsigned component;
  const Vector<std::uint32_t>* (UserX86XsaveEntry::*words)() const;
  const Vector<std::uint64_t>* (UserX86XsaveEntry::*longs)() const;
};
constexpr Place kPlaces[] = {
    {kAvx, &UserX86XsaveEntry::ymmh_space, nullptr},
    {kBndRegs, nullptr, &UserX86XsaveEntry::bndreg_state},
    {kBndCsr, nullptr, &UserX86XsaveEntry::bndcsr_state},
    {kOpmask, nullptr, &UserX86XsaveEntry::opmask_reg},
    {kZmmUpper, nullptr, &UserX86XsaveEntry::zmm_upper},
    {kHi16Zmm, nullptr, &UserX86XsaveEntry::hi16_zmm},
    {kPkru, &UserX86XsaveEntry::pkru, nullptr},
};

std::uint64_t bit(unsigned component) {
  return std::uint64_t{1} << component;
}

std::uint64_t known_components() {
  std::uint64_t known = bit(kX87) | bit(kSse);
  for (const Place& place : kPlaces) {
    known |= bit(place.component);
  }
  return known;
}

template <class T>
std::vector<T> numbers(Bytes bytes) {
  std::vector<T> out(bytes.size() / sizeof(T));
  std::memcpy(out.data(), bytes.data(), out.size() * sizeof(T));
  return out;
}

Offset<UserX86RegsEntry> write_registers(FlatBufferBuilder& builder, const Registers& from) {
  schema::UserX86RegsEntryBuilder out(builder);
#define IMG_REGISTER(name, kernel_name) out.add_##name(from.name);
#include "live/arch/x86_64/registers.inc"
#undef IMG_REGISTER
  out.add_mode(schema::UserX86RegsMode::NATIVE);
  return out.Finish();
}

// A component that the CPU has and the task does not use is written too, as zeros: so does CRIU,
// and its restore wants it.
template <class T>
Offset<Vector<T>> write_component(FlatBufferBuilder& builder, const Xstate& from, unsigned number) {
  const XsaveComponent* component = from.layout().find(number);
  if (component == nullptr) {
    return {};
  }
  const Bytes used = from.component(number);
  return builder.CreateVector(used.empty() ? std::vector<T>(component->bytes / sizeof(T))
                                           : numbers<T>(used));
}

Offset<UserX86XsaveEntry> write_xsave(FlatBufferBuilder& builder, const Xstate& from) {
  const auto ymmh = write_component<std::uint32_t>(builder, from, kAvx);
  const auto bndregs = write_component<std::uint64_t>(builder, from, kBndRegs);
  const auto bndcsr = write_component<std::uint64_t>(builder, from, kBndCsr);
  const auto opmask = write_component<std::uint64_t>(builder, from, kOpmask);
  const auto zmm_upper = write_component<std::uint64_t>(builder, from, kZmmUpper);
  const auto hi16_zmm = write_component<std::uint64_t>(builder, from, kHi16Zmm);
  const auto pkru = write_component<std::uint32_t>(builder, from, kPkru);
  schema::UserX86XsaveEntryBuilder out(builder);
  out.add_xstate_bv(from.in_use() & known_components());
  out.add_ymmh_space(ymmh);
  out.add_bndreg_state(bndregs);
  out.add_bndcsr_state(bndcsr);
  out.add_opmask_reg(opmask);
  out.add_zmm_upper(zmm_upper);
  out.add_hi16_zmm(hi16_zmm);
  out.add_pkru(pkru);
  return out.Finish();
}

Offset<UserX86FpregsEntry> write_fpu(FlatBufferBuilder& builder, const Xstate& from) {
  const auto xsave = write_xsave(builder, from);
  const Bytes area = from.bytes();
  const auto st = builder.CreateVector(numbers<std::uint32_t>(area.subspan(kSt0Offset, 128)));
  const auto xmm = builder.CreateVector(numbers<std::uint32_t>(area.subspan(kXmm0Offset, 256)));
  schema::UserX86FpregsEntryBuilder out(builder);
  out.add_cwd(load<std::uint16_t>(&area[0]));
  out.add_swd(load<std::uint16_t>(&area[2]));
  out.add_twd(load<std::uint16_t>(&area[4]));
  out.add_fop(load<std::uint16_t>(&area[6]));
  out.add_rip(load<std::uint64_t>(&area[8]));
  out.add_rdp(load<std::uint64_t>(&area[16]));
  out.add_mxcsr(load<std::uint32_t>(&area[kMxcsrOffset]));
  out.add_mxcsr_mask(load<std::uint32_t>(&area[kMxcsrMaskOffset]));
  out.add_st_space(st);
  out.add_xmm_space(xmm);
  out.add_xsave(xsave);
  return out.Finish();
}

Offset<schema::UserDescT> write_tls(FlatBufferBuilder& builder, const TlsSlot& from) {
  const auto has = [&](unsigned number) { return (from.bits >> number & 1) != 0; };
  return schema::CreateUserDescT(builder, from.entry_number, from.base, from.limit, has(0), has(2),
                                 has(1), has(3), has(4), has(5), has(6));
}

TlsSlot read_tls(const schema::UserDescT& from) {
  const auto at = [](bool set, unsigned number) { return set ? 1U << number : 0U; };
  return {from.entry_number(), from.base_addr(), from.limit(),
          at(from.seg_32bit(), 0) | at(from.contents_l(), 1) | at(from.contents_h(), 2) |
              at(from.read_exec_only(), 3) | at(from.limit_in_pages(), 4) |
              at(from.seg_not_present(), 5) | at(from.usable(), 6)};
}

Result<Registers> read_registers(const UserX86RegsEntry& from) {
  if (from.mode().value_or(schema::UserX86RegsMode::NATIVE) != schema::UserX86RegsMode::NATIVE) {
    return fail(Fault::unsupported, "registers", "", "of a 32-bit task");
  }
  Registers out;
#define IMG_REGISTER(name, kernel_name) out.name = from.name();
#include "live/arch/x86_64/registers.inc"
#undef IMG_REGISTER
  const bool selectors = out.cs == kCodeSegment64 && out.ss == kStackSegment64 &&
                         std::max({out.ds, out.es, out.fs, out.gs}) <= kLargestSelector;
  if (!selectors || out.fs_base >= kUserEnd || out.gs_base >= kUserEnd) {
    return fail(Fault::corrupt, "registers", "", "no 64-bit task has such segments");
  }
  return out;
}

template <class T>
bool put(std::vector<std::byte>& area, std::uint32_t offset, std::uint32_t bytes,
         const Vector<T>* from) {
  if (from == nullptr || from->size() * sizeof(T) != bytes) {
    return false;
  }
  std::memcpy(&area[offset], from->data(), bytes);
  return true;
}

Result<void> read_xsave(const UserX86XsaveEntry& from, const XsaveLayout& layout,
                        std::vector<std::byte>& area) {
  const std::uint64_t in_use = from.xstate_bv();
  if (const std::uint64_t lacking = in_use & ~(layout.mask() & known_components()); lacking != 0) {
    const auto first = static_cast<unsigned>(__builtin_ctzll(lacking));
    return fail(Fault::unsupported, "xsave", "",
                "it uses " + std::string(component_name(first)) + ", which this CPU does not have");
  }
  for (const Place& place : kPlaces) {
    if ((in_use & bit(place.component)) == 0) {
      continue;
    }
    const XsaveComponent& to = *layout.find(place.component);
    const bool there = place.words != nullptr
                           ? put(area, to.offset, to.bytes, (from.*place.words)())
                           : put(area, to.offset, to.bytes, (from.*place.longs)());
    if (!there) {
      return fail(Fault::corrupt, "xsave", std::string(component_name(place.component)),
                  "it is in use and not as long as it is on every CPU");
    }
  }
  store_at(&area[kLegacyBytes], in_use);
  return {};
}

Result<std::vector<std::byte>> read_fpu(const UserX86FpregsEntry& from, const XsaveLayout& layout) {
  std::vector<std::byte> area(layout.bytes_for(layout.mask()));
  if (!put(area, kSt0Offset, 128, from.st_space()) ||
      !put(area, kXmm0Offset, 256, from.xmm_space())) {
    return fail(Fault::corrupt, "fpregs", "", "x87 or SSE registers are missing");
  }
  if (from.mxcsr_mask() != 0 && (from.mxcsr() & ~from.mxcsr_mask()) != 0) {
    return fail(Fault::corrupt, "fpregs", "mxcsr", hex(from.mxcsr()) + " has reserved bits");
  }
  store_at(&area[0], static_cast<std::uint16_t>(from.cwd()));
  store_at(&area[2], static_cast<std::uint16_t>(from.swd()));
  store_at(&area[4], static_cast<std::uint16_t>(from.twd()));
  store_at(&area[6], static_cast<std::uint16_t>(from.fop()));
  store_at(&area[8], from.rip());
  store_at(&area[16], from.rdp());
  store_at(&area[kMxcsrOffset], from.mxcsr());
  store_at(&area[kMxcsrMaskOffset], from.mxcsr_mask());
  store_at(&area[kLegacyBytes], bit(kX87) | bit(kSse));
  if (from.xsave() != nullptr) {
    IMG_TRY(read_xsave(*from.xsave(), layout, area));
  }
  return area;
}

}  // namespace

std::vector<XstatePart> parts_without_place(const Xstate& xstate) {
  std::vector<XstatePart> out;
  for (const XsaveComponent& one : xstate.layout().components()) {
    const Bytes bytes = xstate.component(one.number);
    if (!bytes.empty() && (bit(one.number) & known_components()) == 0) {
      out.push_back({one.number, {bytes.begin(), bytes.end()}});
    }
  }
  return out;
}

bool put_part(unsigned number, Bytes bytes, const XsaveLayout& layout,
              std::vector<std::byte>& xstate) {
  const XsaveComponent* to = layout.find(number);
  if (to == nullptr || to->bytes != bytes.size() || (bit(number) & known_components()) != 0) {
    return false;
  }
  std::copy(bytes.begin(), bytes.end(), xstate.begin() + to->offset);
  const auto in_use = load<std::uint64_t>(&xstate[kLegacyBytes]);
  store_at(&xstate[kLegacyBytes], in_use | bit(number));
  return true;
}

Offset<schema::ThreadInfoX86> write_thread_info(FlatBufferBuilder& builder,
                                                const Registers& registers, const Xstate& xstate,
                                                std::uint64_t clear_tid_address,
                                                const std::array<TlsSlot, kTlsSlots>& tls) {
  const auto gpregs = write_registers(builder, registers);
  const auto fpregs = write_fpu(builder, xstate);
  std::vector<Offset<schema::UserDescT>> slots;
  for (const TlsSlot& one : tls) {
    slots.push_back(write_tls(builder, one));
  }
  const auto all_slots = builder.CreateVector(slots);
  schema::ThreadInfoX86Builder out(builder);
  out.add_clear_tid_addr(clear_tid_address);
  out.add_gpregs(gpregs);
  out.add_fpregs(fpregs);
  out.add_tls(all_slots);
  return out.Finish();
}

Result<ThreadInfo> read_thread_info(const schema::ThreadInfoX86& record,
                                    const XsaveLayout& layout) {
  ThreadInfo out;
  IMG_ASSIGN(out.registers, read_registers(*record.gpregs()));
  IMG_ASSIGN(out.xstate, read_fpu(*record.fpregs(), layout));
  out.clear_tid_address = record.clear_tid_addr();
  for (std::size_t i = 0; i < kTlsSlots; ++i) {
    out.tls[i].entry_number = kFirstTlsSlot + static_cast<std::uint32_t>(i);
  }
  const std::size_t slots = record.tls() == nullptr ? 0 : record.tls()->size();
  for (std::size_t i = 0; i < slots; ++i) {
    const TlsSlot slot = read_tls(*record.tls()->Get(static_cast<flatbuffers::uoffset_t>(i)));
    const std::uint32_t index = slot.entry_number - kFirstTlsSlot;
    if (index >= kTlsSlots || slots > kTlsSlots) {
      return fail(Fault::corrupt, "tls", "", "a slot that does not exist");
    }
    out.tls[index] = slot;
  }
  return out;
}

}  // namespace img::arch
