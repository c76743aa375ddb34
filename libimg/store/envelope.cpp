// SPDX-License-Identifier: MIT
#include "libimg/store/envelope.h"

#include "libimg/base/digest.h"

namespace img::store {
namespace {

enum Flag : std::uint16_t {
  has_original = 1,
  payload_in_pack = 2,
  known_flags = has_original | payload_in_pack,
};

// The beginning of each value. What follows, each padded with zeros to a multiple of 8: the
// FlatBuffer; the original; the payload, or a PackRun.
struct Head {
  std::uint64_t checksum;
  std::uint16_t kind;
  std::uint16_t schema_version;
  std::uint16_t flags;
  std::uint16_t zero;
  std::uint32_t flatbuffer_size;
  std::uint32_t original_size;
  std::uint64_t payload_size;  // also of one in a pack
};
static_assert(sizeof(Head) == 32 && sizeof(PackRun) == 24);

std::uint64_t padded(std::uint64_t size) {
  return round_up(size, 8);
}

std::uint64_t checksum(Bytes key, Bytes value) {
  return hash64(value.subspan(sizeof(Head::checksum)), hash64(key));
}

std::byte* put(std::byte* to, Bytes bytes) {
  if (!bytes.empty()) {
    std::memcpy(to, bytes.data(), bytes.size());
  }
  return to + bytes.size();
}

std::byte* pad(std::byte* to, std::uint64_t size) {
  const std::uint64_t zeros = padded(size) - size;
  std::memset(to, 0, zeros);
  return to + zeros;
}

Failure bad(const char* why) {
  return fail(Fault::corrupt, {}, why);
}

}  // namespace

std::uint64_t envelope_size(const Envelope& envelope, std::uint64_t payload_size) {
  return sizeof(Head) + padded(envelope.flatbuffer.size()) +
         (envelope.original ? padded(envelope.original->size()) : 0) +
         (envelope.run ? sizeof(PackRun) : padded(payload_size));
}

void encode_envelope(const Envelope& envelope, std::span<const Bytes> payload, std::byte* to) {
  Head head{};
  head.kind = envelope.kind;
  head.schema_version = envelope.schema_version;
  head.flags = static_cast<std::uint16_t>((envelope.original ? has_original : 0) |
                                          (envelope.run ? payload_in_pack : 0));
  head.flatbuffer_size = static_cast<std::uint32_t>(envelope.flatbuffer.size());
  if (envelope.original) {
    head.original_size = static_cast<std::uint32_t>(envelope.original->size());
  }
  for (const Bytes part : payload) {
    head.payload_size += part.size();
  }
  if (envelope.run) {
    head.payload_size = envelope.run->length;
  }
  std::byte* at = to + sizeof head;
  at = pad(put(at, envelope.flatbuffer), envelope.flatbuffer.size());
  if (envelope.original) {
    at = pad(put(at, *envelope.original), envelope.original->size());
  }
  if (envelope.run) {
    std::memcpy(at, &*envelope.run, sizeof(PackRun));
  } else {
    for (const Bytes part : payload) {
      at = put(at, part);
    }
    pad(at, head.payload_size);
  }
  std::memcpy(to, &head, sizeof head);
}

void seal_envelope(Bytes key, std::span<std::byte> value) {
  store_at(value.data(), checksum(key, value));
}

Result<Envelope> decode_envelope(Bytes key, Bytes value) {
  if (value.size() < sizeof(Head) || value.size() % 8 != 0) {
    return bad("too short for a value");
  }
  // LMDB does not promise this; our lengths do. A FlatBuffer elsewhere would be undefined
  // behaviour.
  if (reinterpret_cast<std::uintptr_t>(value.data()) % 8 != 0) {
    return bad("not at a multiple of 8 bytes");
  }
  const Head head = load<Head>(value.data());
  if (head.checksum != checksum(key, value)) {
    return bad("checksum does not match");
  }
  // It could hold fields that we would lose without noticing.
  if (head.schema_version > kSchemaVersion) {
    return fail(Fault::unsupported, {}, "uses what a newer version of Stasis has added");
  }
  if ((head.flags & ~known_flags) != 0 || head.zero != 0) {
    return bad("flags that no version has");
  }
  // Right checksums do not make a value right: whoever made it computed them too.
  const bool in_pack = (head.flags & payload_in_pack) != 0;
  const std::uint64_t fixed = sizeof(Head) + padded(head.flatbuffer_size) +
                              padded(head.original_size) + (in_pack ? sizeof(PackRun) : 0);
  if (((head.flags & has_original) == 0 && head.original_size != 0) ||
      (!in_pack && head.payload_size > kMaxInlinePayload) ||
      fixed + (in_pack ? 0 : padded(head.payload_size)) != value.size()) {
    return bad("sizes do not add up");
  }
  Envelope envelope;
  envelope.kind = head.kind;
  envelope.schema_version = head.schema_version;
  const std::byte* at = value.data() + sizeof head;
  envelope.flatbuffer = {at, head.flatbuffer_size};
  at += padded(head.flatbuffer_size);
  if ((head.flags & has_original) != 0) {
    envelope.original = Bytes(at, head.original_size);
    at += padded(head.original_size);
  }
  if (in_pack) {
    envelope.run = load<PackRun>(at);
    if (envelope.run->length != head.payload_size) {
      return bad("sizes do not add up");
    }
  } else {
    envelope.payload = {at, head.payload_size};
  }
  return envelope;
}

}  // namespace img::store
