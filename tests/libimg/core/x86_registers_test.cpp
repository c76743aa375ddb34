// SPDX-License-Identifier: MIT
#include "libimg/core/x86_registers.h"

#include <gtest/gtest.h>

#include <numeric>

namespace img::core {
namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;
using schema::UserX86FpregsEntry;

std::vector<std::uint32_t> counted(std::size_t size, std::uint32_t from) {
  std::vector<std::uint32_t> numbers(size);
  std::iota(numbers.begin(), numbers.end(), from);
  return numbers;
}

/// What the parts of a test image have; an empty one is left out.
struct Parts {
  std::vector<std::uint32_t> st = std::vector<std::uint32_t>(32);
  std::vector<std::uint32_t> ymm;
  std::vector<std::uint64_t> opmask;
  std::vector<std::uint64_t> zmm_upper;
  std::vector<std::uint64_t> hi16;
  std::vector<std::uint32_t> pkru;
  std::uint64_t in_use = 0;
  std::uint32_t swd = 0;
  std::uint32_t twd = 0;
  bool has_xsave = true;
};

class Built {
 public:
  explicit Built(const Parts& parts) {
    const auto vector = [&](const auto& of) {
      return of.empty() ? 0 : builder_.CreateVector(of).o;
    };
    const auto st = builder_.CreateVector(parts.st);
    const auto xmm = builder_.CreateVector(counted(64, 1000));
    const Offset<flatbuffers::Vector<std::uint32_t>> ymm(vector(parts.ymm));
    const Offset<flatbuffers::Vector<std::uint64_t>> opmask(vector(parts.opmask));
    const Offset<flatbuffers::Vector<std::uint64_t>> upper(vector(parts.zmm_upper));
    const Offset<flatbuffers::Vector<std::uint64_t>> hi16(vector(parts.hi16));
    const Offset<flatbuffers::Vector<std::uint32_t>> pkru(vector(parts.pkru));
    Offset<schema::UserX86XsaveEntry> xsave(0);
    if (parts.has_xsave) {
      xsave = schema::CreateUserX86XsaveEntry(builder_, parts.in_use, ymm, 0, 0, opmask, upper,
                                              hi16, pkru);
    }
    builder_.Finish(schema::CreateUserX86FpregsEntry(builder_, 0x37f, parts.swd, parts.twd, 5, 6, 7,
                                                     0x1f80, 0xffff, st, xmm, 0, xsave));
  }
  [[nodiscard]] const UserX86FpregsEntry& fpregs() const {
    return *flatbuffers::GetRoot<UserX86FpregsEntry>(builder_.GetBufferPointer());
  }

 private:
  FlatBufferBuilder builder_;
};

template <class T>
T at(const Packer& packer, std::size_t offset) {
  return load<T>(packer.bytes().subspan(offset, sizeof(T)).data());
}

TEST(X86Registers, FxsaveHasEveryFieldInItsPlace) {
  Parts parts;
  parts.st = counted(32, 100);
  Packer to;
  put_fxsave(to, Built(parts).fpregs());
  ASSERT_EQ(to.size(), 512U);
  EXPECT_EQ(at<std::uint16_t>(to, 0), 0x37f);
  EXPECT_EQ(at<std::uint16_t>(to, 6), 5);
  EXPECT_EQ(at<std::uint64_t>(to, 8), 6U);
  EXPECT_EQ(at<std::uint32_t>(to, 24), 0x1f80U);
  EXPECT_EQ(at<std::uint32_t>(to, 28), 0xffffU);
  EXPECT_EQ(at<std::uint32_t>(to, 32), 100U);
  EXPECT_EQ(at<std::uint32_t>(to, 160), 1000U);
  EXPECT_EQ(at<std::uint32_t>(to, 160 + 63 * 4), 1063U);
}

TEST(X86Registers, XsaveSaysWhatItHolds) {
  Parts parts;
  parts.ymm = counted(64, 7);
  parts.in_use = ~std::uint64_t{0};
  Packer avx;
  put_xsave(avx, Built(parts).fpregs());
  ASSERT_EQ(avx.size(), 832U);  // by which gdb knows the layout
  EXPECT_EQ(at<std::uint64_t>(avx, 464), 7U);
  EXPECT_EQ(at<std::uint64_t>(avx, 512), 7U) << "in use, and there";
  EXPECT_EQ(at<std::uint64_t>(avx, 520), 0U) << "not compacted";
  EXPECT_EQ(at<std::uint32_t>(avx, 576), 7U);
  EXPECT_EQ(at<std::uint32_t>(avx, 576 + 252), 70U);

  parts.opmask.assign(8, 11);
  parts.zmm_upper.assign(64, 12);
  parts.hi16.assign(128, 13);
  Packer avx512;
  put_xsave(avx512, Built(parts).fpregs());
  ASSERT_EQ(avx512.size(), 2688U);
  EXPECT_EQ(at<std::uint64_t>(avx512, 464), 0xe7U);
  EXPECT_EQ(at<std::uint64_t>(avx512, 1088), 11U);
  EXPECT_EQ(at<std::uint64_t>(avx512, 1152), 12U);
  EXPECT_EQ(at<std::uint64_t>(avx512, 1664), 13U);
  EXPECT_EQ(at<std::uint64_t>(avx512, 2680), 13U);

  parts.pkru.assign(2, 14);
  Packer keys;
  put_xsave(keys, Built(parts).fpregs());
  ASSERT_EQ(keys.size(), 2696U);
  EXPECT_EQ(at<std::uint32_t>(keys, 2688), 14U);
}

TEST(X86Registers, NoXsaveWithoutParts) {
  Packer to;
  put_xsave(to, Built(Parts{}).fpregs());
  EXPECT_EQ(to.size(), 0U);
  Parts none;
  none.has_xsave = false;
  put_xsave(to, Built(none).fpregs());
  EXPECT_EQ(to.size(), 0U);
}

TEST(X86Registers, ArraysOfAWrongLengthDoNoHarm) {
  Parts parts;
  parts.st = {1};
  parts.ymm = counted(1000, 1);
  Packer to;
  put_xsave(to, Built(parts).fpregs());
  ASSERT_EQ(to.size(), 832U);
  EXPECT_EQ(at<std::uint32_t>(to, 32), 1U);
  EXPECT_EQ(at<std::uint32_t>(to, 36), 0U);
}

// FSAVE wants two bits for each register where FXSAVE has one, by physical register.
TEST(X86Registers, TagsOfFsave) {
  Parts parts;
  parts.swd = 6U << 11;  // top: st0 is physical register 6, st1 is 7, st2 is 0
  parts.twd = 1U << 6 | 1U << 7 | 1U << 0;
  parts.st[0 * 4 + 1] = 0x80000000U;  // 1.0
  parts.st[0 * 4 + 2] = 0x3fff;
  parts.st[2 * 4 + 2] = 0x7fff;  // infinity; st1 is zero
  Packer to;
  put_fsave(to, Built(parts).fpregs());
  ASSERT_EQ(to.size(), 108U);
  EXPECT_EQ(at<std::uint32_t>(to, 8), 0xffff0000U | 2U << 0 | 0x3ffU << 2 | 0U << 12 | 1U << 14);
  EXPECT_EQ(at<std::uint32_t>(to, 28 + 4), 0x80000000U);
  EXPECT_EQ(at<std::uint16_t>(to, 28 + 8), 0x3fff);
}

TEST(X86Registers, SixtyFourAndThirtyTwoBits) {
  FlatBufferBuilder builder;
  schema::UserX86RegsEntryBuilder regs(builder);
  regs.add_r15(15);
  regs.add_bx(0xfffffffff00000bbU);
  regs.add_ip(0x1234);
  regs.add_sp(0x5678);
  regs.add_ss(0x2b);
  regs.add_gs(0x99);
  builder.Finish(regs.Finish());
  const auto& entry = *flatbuffers::GetRoot<schema::UserX86RegsEntry>(builder.GetBufferPointer());
  Packer wide;
  put_general_registers(wide, Width::bits64, entry);
  ASSERT_EQ(wide.size(), 27U * 8);
  EXPECT_EQ(at<std::uint64_t>(wide, 0), 15U);
  EXPECT_EQ(at<std::uint64_t>(wide, 16 * 8), 0x1234U);
  EXPECT_EQ(at<std::uint64_t>(wide, 26 * 8), 0x99U);
  Packer narrow;
  put_general_registers(narrow, Width::bits32, entry);
  ASSERT_EQ(narrow.size(), 17U * 4);
  EXPECT_EQ(at<std::uint32_t>(narrow, 0), 0xf00000bbU);
  EXPECT_EQ(at<std::uint32_t>(narrow, 12 * 4), 0x1234U);
  EXPECT_EQ(at<std::uint32_t>(narrow, 16 * 4), 0x2bU);
}

}  // namespace
}  // namespace img::core
