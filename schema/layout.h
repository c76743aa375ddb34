// SPDX-License-Identifier: MIT
// The binary schema, laid out for walking: what every transcoder, printer and checker of records
// goes by. Made once, at the first use, from binary_schema(); immutable and shared by all threads.
//
//   const TableLayout& core = table_layout("CoreEntry");
//   for (const FieldLayout& field : core.fields) { ... }   // in the order of protobuf numbers
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace img::schema {

/// The kinds of kinds.inc. Numbers are those of the store's keys.
enum class Kind : std::uint16_t {
  none = 0,
#define IMG_KIND(number, name, ...) name = number,
#define IMG_OWN_KIND(number, name, table) name = number,
#include "schema/kinds.inc"
};

enum class Shape : std::uint8_t { one, many, pagemap, ghost, service_one, service_many, raw, own };

/// What follows each message in the file; the message says how much.
enum class PayloadRule : std::uint8_t {
  none,
  pipe_bytes,    // `bytes`
  packet_bytes,  // `length`
  tcp_queues,    // `inq_len`, then `outq_len`
  map_bytes,     // `keys_bytes`, then `values_bytes`
  semaphores,    // `nsems` 16-bit numbers, zeros up to a multiple of 8
  messages,      // `qnum` x { u32 size, IpcMsg, `msize` bytes up to a multiple of 8 }
  segment,       // `size` bytes up to a multiple of 4; none where `in_pagemaps`
  ghost,         // head: all the rest of the file, unless `chunks`; chunk: `len`
};

/// How a value goes over the wire.
enum class Wire : std::uint8_t { varint, zigzag, fixed32, fixed64, length };

enum class Type : std::uint8_t { boolean, int32, int64, uint32, uint64, enumeration, string, bytes, table };

/// How a value is shown.
enum class Show : std::uint8_t { plain, hex, dev, odev, ipaddr, flags, dict, quoted_printable };

struct EnumLayout {
  std::string_view name;       // FdTypes
  std::string_view criu_name;  // fd_types; empty for our own and for flags.fbs
  /// Ascending by value.
  struct Value {
    std::int64_t number;
    std::string_view name;
  };
  std::vector<Value> values;

  [[nodiscard]] std::string_view name_of(std::int64_t number) const;  // empty: no such value
  [[nodiscard]] const Value* find(std::string_view name) const;
};

struct TableLayout;

struct FieldLayout {
  std::string_view name;
  std::string_view json_name;       // crit's; mostly the same
  std::uint32_t number = 0;         // protobuf field number; 0: a field of our own, not on the wire
  std::uint16_t voffset = 0;        // FlatBuffers vtable offset
  std::uint16_t slot = 0;           // position in TableLayout::fields
  Type type = Type::uint32;
  Wire wire = Wire::varint;
  Show show = Show::plain;
  bool repeated = false;
  bool required = false;            // must be on the wire
  std::int64_t default_value = 0;   // of a required scalar, where the vtable has no entry
  std::uint8_t width = 4;           // bytes of one scalar in a FlatBuffer: 1, 2, 4 or 8
  const TableLayout* table = nullptr;        // Type::table (element type where repeated)
  const EnumLayout* enumeration = nullptr;   // Type::enumeration
  const EnumLayout* names = nullptr;         // Show::flags and Show::dict

  [[nodiscard]] bool is_scalar() const { return type < Type::string; }};

struct TableLayout {
  std::string_view name;       // CoreEntry
  std::string_view criu_name;  // core_entry; empty for our own
  std::uint16_t index = 0;     // position in table_layouts()
  bool is_struct = false;      // fixed layout, no fields listed here; only in our own tables
  std::vector<FieldLayout> fields;          // ascending by number, our own fields last
  std::vector<std::int16_t> slot_by_number; // -1: no such field; numbers past its end likewise
  std::uint32_t required_count = 0;

  [[nodiscard]] const FieldLayout* by_number(std::uint32_t number) const {
    if (number >= slot_by_number.size() || slot_by_number[number] < 0) {
      return nullptr;
    }
    return &fields[static_cast<std::size_t>(slot_by_number[number])];
  }
  [[nodiscard]] const FieldLayout* by_name(std::string_view field) const;
};

struct KindInfo {
  Kind kind = Kind::none;
  std::string_view name;        // core
  std::string_view crit_name;   // CORE; empty for raw files and our own
  std::uint32_t magic = 0;
  std::string_view file_name;   // core-%d.img: %d decimal, %x hexadecimal id
  Shape shape = Shape::own;
  PayloadRule payload = PayloadRule::none;
  const TableLayout* table = nullptr;  // of the first message; null for raw

  [[nodiscard]] bool is_raw() const { return shape == Shape::raw; }
  [[nodiscard]] bool is_service() const { return shape == Shape::service_one || shape == Shape::service_many; }
  /// At most one message.
  [[nodiscard]] bool is_single() const { return shape == Shape::one || shape == Shape::service_one; }
  [[nodiscard]] bool has_id() const { return file_name.find('%') != std::string_view::npos; }
};

[[nodiscard]] std::span<const TableLayout> table_layouts();
/// The table must exist: names in code are checked by a test that walks kinds.inc.
[[nodiscard]] const TableLayout& table_layout(std::string_view name);
[[nodiscard]] const TableLayout* find_table_layout(std::string_view name);

[[nodiscard]] std::span<const KindInfo> kinds();
/// Null for a number that no kind has (a record written by a newer version).
[[nodiscard]] const KindInfo* find_kind(Kind kind);
[[nodiscard]] const KindInfo& kind_info(Kind kind);

}  // namespace img::schema
