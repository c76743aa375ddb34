// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <vector>

#include "libimg/store/envelope.h"

namespace img::store {
namespace {

std::vector<std::uint64_t> sealed_value(std::uint16_t schema_version, Bytes key) {
  Envelope envelope;
  envelope.schema_version = schema_version;
  std::vector<std::uint64_t> words(envelope_size(envelope, 0) / 8);
  auto* bytes = reinterpret_cast<std::byte*>(words.data());
  encode_envelope(envelope, {}, bytes);
  seal_envelope(key, {bytes, words.size() * 8});
  return words;
}

// An older program would write out such a record without what it does not know of, and never say
// so.
TEST(SchemaVersion, ANewerRecordIsRefusedAndNotTakenForDamage) {
  const Bytes key = as_bytes("12345678");
  const auto known = sealed_value(kSchemaVersion, key);
  EXPECT_TRUE(decode_envelope(key, std::as_bytes(std::span(known))));
  const auto newer = sealed_value(kSchemaVersion + 1, key);
  const auto decoded = decode_envelope(key, std::as_bytes(std::span(newer)));
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().fault, Fault::unsupported);
}

}  // namespace
}  // namespace img::store
