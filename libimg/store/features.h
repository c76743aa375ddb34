// SPDX-License-Identifier: MIT
// The first value of a store: which format it has, and what a program must know to use it. Feature
// bits are as ext4 has them, so that an old program knows what it may still do with a newer store.
#pragma once

#include <cstdint>

#include "libimg/base/result.h"
#include "libimg/store/id.h"
#include "libimg/store/txn.h"

namespace img::store {

inline constexpr std::uint32_t kFormat = 1;

/// As it is in the store; part of the format.
struct FormatHeader {
  std::array<char, 8> magic{'s', 't', 'a', 's', 'i', 's', '\0', '\0'};
  std::uint32_t format = kFormat;
  std::uint32_t block_bytes = 4096;   // of packs
  std::uint64_t compatible = 0;       // unknown bits: use it
  std::uint64_t read_compatible = 0;  // unknown bits: read it, do not write
  std::uint64_t incompatible = 0;     // unknown bits: leave it
  std::uint64_t id_hi = 0;            // of the store
  std::uint64_t id_lo = 0;
  std::uint64_t created_ns = 0;  // CLOCK_REALTIME
};
static_assert(sizeof(FormatHeader) == 64);

/// The bits this program knows; none is in use yet.
inline constexpr std::uint64_t kKnownReadCompatible = 0;
inline constexpr std::uint64_t kKnownIncompatible = 0;

/// Header and binary schema of a new store.
[[nodiscard]] Result<void> put_format(WriteTxn& txn);
/// Fault::unsupported if this program must not read the store.
[[nodiscard]] Result<FormatHeader> get_format(const Txn& txn);
/// Fault::unsupported if it may be read, but not written.
[[nodiscard]] Result<void> check_may_write(const Txn& txn, const FormatHeader& format);
/// The binary schema (.bfbs) the store was made with, unverified.
[[nodiscard]] Result<Bytes> get_stored_schema(const Txn& txn);

}  // namespace img::store
