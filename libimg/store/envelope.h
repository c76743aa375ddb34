// SPDX-License-Identifier: MIT
// The value of a key: a FlatBuffer with what belongs to it, and a checksum over key and value.
// FORMAT.md has the layout. Decoding trusts nothing; what it returns are views into the value, and
// a FlatBuffer in it is still unverified (record_table.h).
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "libimg/base/bytes.h"
#include "libimg/base/result.h"

namespace img::store {

/// FORMAT.md, "Limits".
inline constexpr std::uint64_t kMaxRecordBytes = 64ULL << 20;  // FlatBuffer and original together
inline constexpr std::uint64_t kMaxInlinePayload = 4080;
/// The first release whose schema has all that a record uses.
inline constexpr std::uint16_t kSchemaVersion = 1;

/// A payload that is in a pack.
struct PackRun {
  std::uint64_t pack = 0;  // index into ImageHeader.packs
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

struct Envelope {
  std::uint16_t kind = 0;  // 0: no record, a value of the store's own
  std::uint16_t schema_version = kSchemaVersion;
  Bytes flatbuffer;               // empty: none
  std::optional<Bytes> original;  // the protobuf message, if it was not canonical
  std::optional<PackRun> run;     // the payload is here, not inline
  Bytes payload;                  // inline
};

/// Bytes of the encoded value, a multiple of 8. `payload_size` is that of the inline payload.
[[nodiscard]] std::uint64_t envelope_size(const Envelope& envelope, std::uint64_t payload_size);

/// Writes all but the checksum to `to`, which has envelope_size() bytes at a multiple of 8. The
/// inline payload may be in parts; then `envelope.payload` is not looked at.
void encode_envelope(const Envelope& envelope, std::span<const Bytes> payload, std::byte* to);

/// The checksum, once key and value are known.
void seal_envelope(Bytes key, std::span<std::byte> value);

/// Fault::corrupt, or Fault::unsupported for one of a newer schema, with what is wrong, but without
/// a `thing`: the caller knows what this is.
[[nodiscard]] Result<Envelope> decode_envelope(Bytes key, Bytes value);

}  // namespace img::store
