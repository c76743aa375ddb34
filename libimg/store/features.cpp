// SPDX-License-Identifier: MIT
#include "libimg/store/features.h"

#include <chrono>

#include "libimg/store/value.h"
#include "schema/binary_schema.h"

namespace img::store {

Result<void> put_format(WriteTxn& txn) {
  const Id id = Id::random();
  FormatHeader header;
  header.id_hi = id.hi;
  header.id_lo = id.lo;
  header.created_ns = static_cast<std::uint64_t>(
      std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count());
  Envelope value;
  value.payload = std::as_bytes(std::span(&header, 1));
  IMG_TRY(put_value(txn, Key::header(), value, WriteTxn::Put::add));
  IMG_TRY(
      put_table(txn, Key::schema(), std::as_bytes(schema::binary_schema()), WriteTxn::Put::add));
  return put_number(txn, Key::counter(), 1);
}

Result<FormatHeader> get_format(const Txn& txn) {
  IMG_ASSIGN(const auto value, get_value(txn, Key::header(), "the store's header"));
  if (!value || value->payload.size() < sizeof(FormatHeader)) {
    return fail(Fault::corrupt, txn.place(), "open store", "the database is no store's");
  }
  const auto header = load<FormatHeader>(value->payload.data());
  if (header.magic != FormatHeader().magic) {
    return fail(Fault::corrupt, txn.place(), "open store", "the database is no store's");
  }
  if (header.format != kFormat || (header.incompatible & ~kKnownIncompatible) != 0 ||
      header.block_bytes != FormatHeader().block_bytes) {
    return fail(Fault::unsupported, txn.place(), "open store",
                "was written by a newer version of Stasis, in a way that this one cannot read",
                "use the version that wrote it");
  }
  return header;
}

Result<void> check_may_write(const Txn& txn, const FormatHeader& format) {
  if ((format.read_compatible & ~kKnownReadCompatible) != 0) {
    return fail(Fault::unsupported, txn.place(), "write",
                "a newer version of Stasis has written it; this one can only read it",
                "use the version that wrote it");
  }
  return {};
}

Result<Bytes> get_stored_schema(const Txn& txn) {
  IMG_ASSIGN(const auto value, get_value(txn, Key::schema(), "the store's schema"));
  if (!value) {
    return fail(Fault::corrupt, txn.place(), "read the store's schema", "is not there");
  }
  return value->flatbuffer;
}

}  // namespace img::store
