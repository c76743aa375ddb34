// SPDX-License-Identifier: MIT
// Values as transactions read and write them: envelopes, decoded and sealed. `what` names the value
// in errors ("read image header").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libimg/base/result.h"
#include "libimg/store/envelope.h"
#include "libimg/store/txn.h"

namespace img::store {

/// Nothing where the key is not there.
[[nodiscard]] Result<std::optional<Envelope>> get_value(const Txn& txn, const Key& key,
                                                        std::string_view what);
/// The value of an entry that a cursor found; that of one that is a number, or a table.
[[nodiscard]] Result<Envelope> entry_value(const Txn& txn, const Entry& entry,
                                           std::string_view what);
[[nodiscard]] Result<void> put_value(WriteTxn& txn, const Key& key, const Envelope& value,
                                     WriteTxn::Put put);

/// A value that is one number.
[[nodiscard]] Result<std::optional<std::uint64_t>> get_number(const Txn& txn, const Key& key,
                                                              std::string_view what);
[[nodiscard]] Result<std::uint64_t> entry_number(const Txn& txn, const Entry& entry,
                                                 std::string_view what);
[[nodiscard]] Result<void> put_number(WriteTxn& txn, const Key& key, std::uint64_t number);

/// A value that is one table of the schema, verified. Null where the key is not there.
template <class T>
[[nodiscard]] Result<const T*> get_table(const Txn& txn, const Key& key, std::string_view table);
template <class T>
[[nodiscard]] Result<const T*> entry_table(const Txn& txn, const Entry& entry,
                                           std::string_view table);
/// The same from a value.
[[nodiscard]] Result<void> check_table(const Txn& txn, Bytes flatbuffer, std::string_view table);

[[nodiscard]] Result<void> put_table(WriteTxn& txn, const Key& key, Bytes flatbuffer,
                                     WriteTxn::Put put);

template <class T>
Result<const T*> get_table(const Txn& txn, const Key& key, std::string_view table) {
  IMG_ASSIGN(const auto value, get_value(txn, key, table));
  if (!value) {
    return static_cast<const T*>(nullptr);
  }
  IMG_TRY(check_table(txn, value->flatbuffer, table));
  return flatbuffers::GetRoot<T>(value->flatbuffer.data());
}

template <class T>
Result<const T*> entry_table(const Txn& txn, const Entry& entry, std::string_view table) {
  IMG_ASSIGN(const Envelope value, entry_value(txn, entry, table));
  IMG_TRY(check_table(txn, value.flatbuffer, table));
  return flatbuffers::GetRoot<T>(value.flatbuffer.data());
}

}  // namespace img::store
