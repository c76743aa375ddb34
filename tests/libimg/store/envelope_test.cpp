// SPDX-License-Identifier: MIT
#include "libimg/store/envelope.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>

#include "libimg/store/key.h"

namespace img::store {
namespace {

const Key kKey = Key::record(7, {schema::Kind::route, 3, 1});

// As LMDB would hold it: at a multiple of 8, and not one byte more.
struct Value {
  explicit Value(std::size_t size) : bytes(new std::byte[size]), length(size) {}
  [[nodiscard]] std::span<std::byte> span() const { return {bytes.get(), length}; }
  std::unique_ptr<std::byte[]> bytes;
  std::size_t length;
};

Value encode(const Envelope& envelope, std::span<const Bytes> payload) {
  std::uint64_t size = 0;
  for (const Bytes part : payload) {
    size += part.size();
  }
  Value value(envelope_size(envelope, size));
  encode_envelope(envelope, payload, value.bytes.get());
  seal_envelope(kKey.bytes(), value.span());
  return value;
}

Value sample() {
  Envelope envelope;
  envelope.kind = 76;
  envelope.flatbuffer = as_bytes("seventeen letters");
  envelope.original = as_bytes("original");
  const Bytes parts[] = {as_bytes("pay"), as_bytes(""), as_bytes("load")};
  return encode(envelope, parts);
}

TEST(Envelope, GivesBackItsParts) {
  const Value value = sample();
  EXPECT_EQ(value.length % 8, 0U);
  const auto decoded = decode_envelope(kKey.bytes(), value.span());
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->kind, 76);
  EXPECT_EQ(decoded->schema_version, kSchemaVersion);
  EXPECT_EQ(as_text(decoded->flatbuffer), "seventeen letters");
  EXPECT_EQ(as_text(decoded->original.value()), "original");
  EXPECT_EQ(as_text(decoded->payload), "payload");
  EXPECT_FALSE(decoded->run);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(decoded->flatbuffer.data()) % 8, 0U);
}

TEST(Envelope, AnOriginalCanBeEmpty) {
  Envelope envelope;
  EXPECT_FALSE(decode_envelope(kKey.bytes(), encode(envelope, {}).span())->original);
  envelope.original = Bytes();
  const Value value = encode(envelope, {});
  EXPECT_TRUE(decode_envelope(kKey.bytes(), value.span())->original);
}

TEST(Envelope, ARunStandsForThePayload) {
  Envelope envelope;
  envelope.run = PackRun{2, 4096, 5'000'000'000};
  const auto decoded = decode_envelope(kKey.bytes(), encode(envelope, {}).span());
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->run->pack, 2U);
  EXPECT_EQ(decoded->run->offset, 4096U);
  EXPECT_EQ(decoded->run->length, 5'000'000'000U);
}

TEST(Envelope, EveryChangedBitIsFound) {
  const Value value = sample();
  for (std::size_t bit = 0; bit < value.length * 8; ++bit) {
    value.bytes[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_FALSE(decode_envelope(kKey.bytes(), value.span())) << "bit " << bit;
    value.bytes[bit / 8] ^= std::byte{1} << (bit % 8);
  }
  EXPECT_TRUE(decode_envelope(kKey.bytes(), value.span()));
}

TEST(Envelope, BelongsToItsKey) {
  const Value value = sample();
  const Key other = Key::record(7, {schema::Kind::route, 3, 2});
  EXPECT_FALSE(decode_envelope(other.bytes(), value.span()));
}

TEST(Envelope, MustBeAligned) {
  const Value value = sample();
  Value moved(value.length + 8);
  std::memcpy(moved.bytes.get() + 4, value.bytes.get(), value.length);
  EXPECT_FALSE(decode_envelope(kKey.bytes(), moved.span().subspan(4, value.length)));
}

TEST(Envelope, RightChecksumsOverWrongSizesAreRefused) {
  const Value original = sample();
  for (const std::size_t offset : {12U, 14U, 16U, 20U, 24U, 28U}) {
    for (const std::uint32_t number : {1U, 8U, 4088U, 0x7fffffffU, 0xffffffffU}) {
      Value value(original.length);
      std::memcpy(value.bytes.get(), original.bytes.get(), original.length);
      if (load<std::uint32_t>(value.bytes.get() + offset) == number) {
        continue;
      }
      store_at(value.bytes.get() + offset, number);
      seal_envelope(kKey.bytes(), value.span());
      const auto decoded = decode_envelope(kKey.bytes(), value.span());
      if (decoded) {  // a few changes still add up; the parts must then be inside
        EXPECT_LE(decoded->flatbuffer.size() + decoded->payload.size(), value.length);
      } else {
        EXPECT_EQ(decoded.error().fault, Fault::corrupt);
      }
    }
  }
  Value cut(16);
  EXPECT_FALSE(decode_envelope(kKey.bytes(), cut.span()));
}

TEST(Key, OrderOfBytesIsOrderOfNumbers) {
  const auto less = [](const Key& a, const Key& b) {
    return std::memcmp(a.bytes().data(), b.bytes().data(), 32) < 0;
  };
  EXPECT_TRUE(less(Key::header(), Key::counter()));
  EXPECT_TRUE(less(Key::usage({~0ULL, ~0ULL}, ~0ULL), Key::record(1, {})));
  EXPECT_TRUE(less(Key::record(1, {schema::Kind::core, 255, 1}),
                   Key::record(1, {schema::Kind::core, 256, 1})));
  EXPECT_TRUE(less(Key::record(1, {schema::Kind::extents, 9, 9}),
                   Key::record(2, {schema::Kind::inventory, 0, 1})));
}

TEST(Key, NamesComeBack) {
  for (const std::string name : {"a", "1234567", "12345678", "123456789"}) {
    const Key key = Key::name(name);
    EXPECT_EQ(key.bytes().size() % 8, 0U);
    EXPECT_EQ(name_in_key(key.bytes()), name);
  }
  EXPECT_EQ(name_in_key(Key::name(std::string(128, 'x')).bytes()), std::string(128, 'x'));
}

}  // namespace
}  // namespace img::store
