// SPDX-License-Identifier: MIT
#include "libimg/store/value.h"

#include "libimg/store/record_table.h"

namespace img::store {
namespace {

Result<Envelope> decode(const Txn& txn, Bytes key, Bytes bytes, std::string_view what) {
  auto value = decode_envelope(key, bytes);
  if (!value) {
    return fail(value.error().fault, txn.place(), "read " + std::string(what), value.error().what);
  }
  return value;
}

Result<std::uint64_t> number_of(const Txn& txn, const Envelope& value, std::string_view what) {
  if (value.payload.size() != sizeof(std::uint64_t)) {
    return fail(Fault::corrupt, txn.place(), "read " + std::string(what), "is no number");
  }
  return load<std::uint64_t>(value.payload.data());
}

}  // namespace

Result<std::optional<Envelope>> get_value(const Txn& txn, const Key& key, std::string_view what) {
  IMG_ASSIGN(const auto bytes, txn.get(key));
  if (!bytes) {
    return std::optional<Envelope>();
  }
  IMG_ASSIGN(Envelope value, decode(txn, key.bytes(), *bytes, what));
  return std::optional(value);
}

Result<Envelope> entry_value(const Txn& txn, const Entry& entry, std::string_view what) {
  return decode(txn, entry.key, entry.value, what);
}

Result<void> put_value(WriteTxn& txn, const Key& key, const Envelope& value, WriteTxn::Put put) {
  IMG_ASSIGN(const std::span<std::byte> room,
             txn.reserve(key, envelope_size(value, value.payload.size()), put));
  encode_envelope(value, std::span(&value.payload, 1), room.data());
  seal_envelope(key.bytes(), room);
  return {};
}

Result<std::optional<std::uint64_t>> get_number(const Txn& txn, const Key& key,
                                                std::string_view what) {
  IMG_ASSIGN(const auto value, get_value(txn, key, what));
  if (!value) {
    return std::optional<std::uint64_t>();
  }
  IMG_ASSIGN(const std::uint64_t number, number_of(txn, *value, what));
  return std::optional(number);
}

Result<std::uint64_t> entry_number(const Txn& txn, const Entry& entry, std::string_view what) {
  IMG_ASSIGN(const Envelope value, entry_value(txn, entry, what));
  return number_of(txn, value, what);
}

Result<void> put_number(WriteTxn& txn, const Key& key, std::uint64_t number) {
  Envelope value;
  value.payload = std::as_bytes(std::span(&number, 1));
  return put_value(txn, key, value, WriteTxn::Put::replace);
}

Result<void> check_table(const Txn& txn, Bytes flatbuffer, std::string_view table) {
  if (!is_table(flatbuffer, table)) {
    return fail(Fault::corrupt, txn.place(), "read " + std::string(table),
                "its bytes are not a table");
  }
  return {};
}

Result<void> put_table(WriteTxn& txn, const Key& key, Bytes flatbuffer, WriteTxn::Put put) {
  Envelope value;
  value.flatbuffer = flatbuffer;
  return put_value(txn, key, value, put);
}

}  // namespace img::store
