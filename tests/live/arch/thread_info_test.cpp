// SPDX-License-Identifier: MIT
#include "live/arch/x86_64/thread_info.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

namespace img::arch {
namespace {

using testing::HasSubstr;

// As xsave_test has it, without AMX.
const std::vector<CpuidLeaf> kLeaves = {
    {0xd, 2, 256, 576, 0, 0},   {0xd, 5, 64, 1088, 0, 0}, {0xd, 6, 512, 1152, 0, 0},
    {0xd, 7, 1024, 1664, 0, 0}, {0xd, 9, 8, 2688, 0, 0},
};
const XsaveLayout kLayout = XsaveLayout::from_leaves(kLeaves, 0x2e7);

Registers registers() {
  Registers out;
  std::uint64_t value = 0x1000;
  for (const RegisterName& one : kRegisterNames) {
    out.*one.member = ++value;
  }
  out.cs = 0x33;
  out.ss = 0x2b;
  return out;
}

std::vector<std::byte> area(std::uint64_t in_use) {
  std::vector<std::byte> out(kLayout.bytes_for(kLayout.mask()));
  for (const XsaveComponent& one : kLayout.components()) {
    for (std::uint32_t i = 0; i < one.bytes && (in_use >> one.number & 1) != 0; ++i) {
      out[one.offset + i] = static_cast<std::byte>(one.number * 16 + i);
    }
  }
  store_at(&out[kMxcsrOffset], std::uint32_t{0x1f80});
  store_at(&out[kMxcsrMaskOffset], std::uint32_t{0xffff});
  store_at(&out[kLegacyBytes], in_use);
  return out;
}

std::array<TlsSlot, kTlsSlots> slots() {
  return {TlsSlot{12, 0, 0, TlsSlot::kEmpty}, TlsSlot{13, 0x1234, 0xfffff, 0x51},
          TlsSlot{14, 0, 0, TlsSlot::kEmpty}};
}

class Written {
 public:
  explicit Written(std::uint64_t in_use, const Registers& from = registers()) {
    builder_.ForceDefaults(true);
    const auto state = Xstate::take(area(in_use), kLayout);
    EXPECT_TRUE(state.has_value());
    const auto root = write_thread_info(builder_, from, *state, 0x7000, slots());
    builder_.Finish(root);
    flatbuffers::Verifier verifier(builder_.GetBufferPointer(), builder_.GetSize());
    EXPECT_TRUE(verifier.VerifyBuffer<schema::ThreadInfoX86>(nullptr));
  }
  [[nodiscard]] const schema::ThreadInfoX86& record() const {
    return *flatbuffers::GetRoot<schema::ThreadInfoX86>(builder_.GetBufferPointer());
  }

 private:
  flatbuffers::FlatBufferBuilder builder_;
};

TEST(ThreadInfo, ComesBackAsItWas) {
  for (const std::uint64_t in_use : {0x3UL, 0x7UL, 0xe7UL, 0x2e7UL, 0x203UL}) {
    const Written written(in_use);
    const auto read = read_thread_info(written.record(), kLayout);
    ASSERT_TRUE(read.has_value()) << read.error().line();
    EXPECT_EQ(read->registers, registers());
    EXPECT_TRUE(read->xstate == area(in_use)) << std::hex << in_use;
    EXPECT_EQ(read->clear_tid_address, 0x7000U);
    EXPECT_EQ(read->tls, slots());
  }
}

TEST(ThreadInfo, HasRoomForWhatTheCpuHas) {
  const Written written(3);
  const auto& xsave = *written.record().fpregs()->xsave();
  EXPECT_EQ(xsave.xstate_bv(), 3U);
  EXPECT_EQ(xsave.ymmh_space()->size(), 64U);
  EXPECT_EQ(xsave.opmask_reg()->size(), 8U);
  EXPECT_EQ(xsave.zmm_upper()->size(), 64U);
  EXPECT_EQ(xsave.hi16_zmm()->size(), 128U);
  EXPECT_EQ(xsave.pkru()->size(), 2U);
  EXPECT_EQ(xsave.bndreg_state(), nullptr);
}

TEST(ThreadInfo, AnotherCpuMayLackAComponent) {
  const XsaveLayout without = XsaveLayout::from_leaves(kLeaves, 7);
  EXPECT_TRUE(read_thread_info(Written(7).record(), without).has_value());
  const auto read = read_thread_info(Written(0xe7).record(), without);
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().fault, Fault::unsupported);
  EXPECT_THAT(read.error().line(), HasSubstr("opmask"));
}

// A core has no place for them, and says nothing of them: they go another way.
TEST(ThreadInfo, TilesInUseAreKeptBesideIt) {
  const XsaveLayout amx = XsaveLayout::from_leaves({{0xd, 17, 64, 2752, 2, 0}}, 0x20003);
  std::vector<std::byte> bytes(amx.bytes_for(amx.mask()));
  store_at(&bytes[kLegacyBytes], std::uint64_t{0x20003});
  bytes[2752] = std::byte{7};
  const Xstate state = *Xstate::take(bytes, amx);
  flatbuffers::FlatBufferBuilder builder;
  builder.ForceDefaults(true);
  builder.Finish(write_thread_info(builder, registers(), state, 0, slots()));
  const auto& record = *flatbuffers::GetRoot<schema::ThreadInfoX86>(builder.GetBufferPointer());
  EXPECT_EQ(record.fpregs()->xsave()->xstate_bv(), 3U);
  const std::vector<XstatePart> parts = parts_without_place(state);
  ASSERT_EQ(parts.size(), 1U);
  EXPECT_EQ(parts[0].number, unsigned{kTileConfig});
  auto read = read_thread_info(record, amx);
  ASSERT_TRUE(read.has_value()) << read.error().line();
  ASSERT_TRUE(put_part(parts[0].number, parts[0].bytes, amx, read->xstate));
  EXPECT_EQ(read->xstate[2752], std::byte{7});
  EXPECT_EQ(load<std::uint64_t>(&read->xstate[kLegacyBytes]), 0x20003U);
  EXPECT_FALSE(put_part(kTileConfig, Bytes(parts[0].bytes).first(8), amx, read->xstate));
  EXPECT_FALSE(put_part(kTileData, parts[0].bytes, amx, read->xstate));
  EXPECT_FALSE(put_part(kSse, parts[0].bytes, amx, read->xstate));
}

TEST(ThreadInfo, SegmentsOfNoTaskAreRefused) {
  const std::function<void(Registers&)> faults[] = {
      [](Registers& r) { r.cs = 0x10; }, [](Registers& r) { r.ss = 0x33; },
      [](Registers& r) { r.gs = 0x1'0000; }, [](Registers& r) { r.fs_base = 1UL << 63; },
      [](Registers& r) { r.gs_base = 1UL << 47; }};
  for (const auto& fault : faults) {
    Registers bad = registers();
    fault(bad);
    EXPECT_EQ(read_thread_info(Written(3, bad).record(), kLayout).error().fault, Fault::corrupt);
  }
}

// A record of a stranger: arrays of the wrong length, reserved bits, slots that do not exist.
schema::ThreadInfoX86* broken(flatbuffers::FlatBufferBuilder& builder, std::size_t ymmh,
                              std::size_t st, std::uint32_t mxcsr, std::uint32_t slot) {
  const std::vector<std::uint32_t> words(64);
  const auto xsave =
      schema::CreateUserX86XsaveEntry(builder, 7, builder.CreateVector(words.data(), ymmh));
  const auto st_space = builder.CreateVector(words.data(), st);
  const auto xmm_space = builder.CreateVector(words);
  const auto fpregs = schema::CreateUserX86FpregsEntry(builder, 0, 0, 0, 0, 0, 0, mxcsr, 0xffff,
                                                       st_space, xmm_space, 0, xsave);
  schema::UserX86RegsEntryBuilder regs(builder);
  regs.add_cs(0x33);
  regs.add_ss(0x2b);
  const auto gpregs = regs.Finish();
  const auto desc = schema::CreateUserDescT(builder, slot);
  const auto tls = builder.CreateVector(&desc, 1);
  builder.Finish(schema::CreateThreadInfoX86(builder, 0, gpregs, fpregs, tls));
  return flatbuffers::GetMutableRoot<schema::ThreadInfoX86>(builder.GetBufferPointer());
}

TEST(ThreadInfo, HostileRecordsAreRefused) {
  const auto fault = [](std::size_t ymmh, std::size_t st, std::uint32_t mxcsr, std::uint32_t slot) {
    flatbuffers::FlatBufferBuilder builder;
    const auto read = read_thread_info(*broken(builder, ymmh, st, mxcsr, slot), kLayout);
    return read ? std::string("none") : read.error().line();
  };
  EXPECT_EQ(fault(64, 32, 0x1f80, 12), "none");
  EXPECT_THAT(fault(63, 32, 0x1f80, 12), HasSubstr("avx"));
  EXPECT_THAT(fault(0, 32, 0x1f80, 12), HasSubstr("avx"));
  EXPECT_THAT(fault(64, 31, 0x1f80, 12), HasSubstr("missing"));
  EXPECT_THAT(fault(64, 32, 0x11f80, 12), HasSubstr("reserved"));
  EXPECT_THAT(fault(64, 32, 0x1f80, 11), HasSubstr("slot"));
  EXPECT_THAT(fault(64, 32, 0x1f80, 15), HasSubstr("slot"));
}

}  // namespace
}  // namespace img::arch
