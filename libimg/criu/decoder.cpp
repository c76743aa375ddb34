// SPDX-License-Identifier: MIT
#include "libimg/criu/decoder.h"

#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <protozero/exception.hpp>
#include <protozero/varint.hpp>
#include <utility>

#include "libimg/base/assert.h"

// Whether a message is canonical is seen while it is read, without encoding it again: field numbers
// ascend, nothing is twice or unknown or packed, every varint is as short as it can be and its
// value survives the field's type. A test holds that to be the same as encoding and comparing.
namespace img::criu {

using schema::FieldLayout;
using schema::TableLayout;
using schema::Type;
using schema::Wire;

namespace {

enum WireType : unsigned {
  kVarint = 0,
  kFixed64 = 1,
  kLength = 2,
  kStartGroup = 3,
  kEndGroup = 4,
  kFixed32 = 5
};

unsigned wire_type_of(Wire wire) {
  switch (wire) {
    case Wire::fixed32: return kFixed32;
    case Wire::fixed64: return kFixed64;
    case Wire::length: return kLength;
    default: return kVarint;
  }
}

/// The value as the field's type keeps it; protobuf cuts what is too long.
std::uint64_t as_type(const FieldLayout& field, std::uint64_t raw) {
  switch (field.type) {
    case Type::boolean: return raw != 0 ? 1 : 0;
    case Type::int32:
    case Type::enumeration:
      if (field.wire == Wire::zigzag) {
        return static_cast<std::uint64_t>(
            static_cast<std::int64_t>(protozero::decode_zigzag32(static_cast<std::uint32_t>(raw))));
      }
      return static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::int32_t>(raw)));
    case Type::int64:
      return field.wire == Wire::zigzag
                 ? static_cast<std::uint64_t>(protozero::decode_zigzag64(raw))
                 : raw;
    case Type::uint32: return static_cast<std::uint32_t>(raw);
    default: return raw;
  }
}

/// What encoding that value would put on the wire.
std::uint64_t on_wire(const FieldLayout& field, std::uint64_t value) {
  if (field.wire != Wire::zigzag) {
    return value;
  }
  return field.type == Type::int32 ? protozero::encode_zigzag32(static_cast<std::int32_t>(value))
                                   : protozero::encode_zigzag64(static_cast<std::int64_t>(value));
}

// Thrown and caught inside this file only: the walk is recursive, and damage is rare.
struct Stop {};

}  // namespace

void Decoder::begin() {
  builder_.begin();
  tables_ = 0;
}

Bytes Decoder::finish(flatbuffers::uoffset_t root) {
  return builder_.finish(root);
}

std::optional<flatbuffers::uoffset_t> Decoder::message(const TableLayout& table, Bytes bytes) {
  canonical_ = true;
  unknown_field_.clear();
  builder_.forget_values();
  path_.clear();
  merged_.clear();
  bytes_ = bytes;
  try {
    return decode(table, bytes, 1);
  } catch (const Stop&) {
    return std::nullopt;
  }
}

flatbuffers::uoffset_t Decoder::decode(const TableLayout& table, Bytes bytes, unsigned depth) {
  IMG_ASSERT(table.fields.size() <= Slots::kMaxFields);
  const char* begin = reinterpret_cast<const char*>(bytes.data());
  Cursor in{begin, begin + bytes.size()};
  if (depth > kMaxDepth) {
    fail(DecodeFailure::Why::too_deep, in.at, fmt::format("nested deeper than {}", kMaxDepth));
  }
  if (++tables_ > kMaxTables) {
    fail(DecodeFailure::Why::too_deep, in.at,
         fmt::format("more than {} messages in one", kMaxTables));
  }
  Slots slots;
  const std::size_t base = builder_.mark();
  std::uint32_t last_number = 0;
  while (in.at != in.end) {
    const std::uint64_t tag = varint(in);
    const std::uint64_t number = tag >> 3U;
    if (number == 0 || number > 0x1fffffffU) {
      fail(DecodeFailure::Why::bad_protobuf, in.at, fmt::format("field number {}", number));
    }
    field(table, in, static_cast<std::uint32_t>(number), static_cast<unsigned>(tag & 7U), slots,
          last_number, depth);
  }
  return build(table, slots, base, depth);
}

void Decoder::field(const TableLayout& table, Cursor& in, std::uint32_t number, unsigned wire,
                    Slots& slots, std::uint32_t& last_number, unsigned depth) {
  const FieldLayout* found = table.by_number(number);
  const bool is_packed =
      found != nullptr && wire == kLength && found->repeated && found->is_scalar();
  if (found == nullptr || (wire != wire_type_of(found->wire) && !is_packed)) {
    unknown(table, in, number, wire, depth);
    return;
  }
  if (number < last_number || (number == last_number && !found->repeated)) {
    canonical_ = false;
  }
  last_number = number;
  if (wire != kLength) {
    scalar(*found, read_scalar(found->wire, in), slots);
    return;
  }
  path_.push_back(found);
  const Bytes bytes = take(in, varint(in));
  if (is_packed) {
    packed(*found, bytes, slots);
  } else {
    length_delimited(*found, bytes, slots, depth);
  }
  path_.pop_back();
}

void Decoder::scalar(const FieldLayout& field, std::uint64_t raw, Slots& slots) {
  const std::uint64_t value = as_type(field, raw);
  if (field.wire == Wire::varint || field.wire == Wire::zigzag) {
    canonical_ = canonical_ && on_wire(field, value) == raw;
  }
  if (field.enumeration != nullptr &&
      field.enumeration->name_of(static_cast<std::int64_t>(value)).empty()) {
    path_.push_back(&field);
    note_unknown(fmt::format("{} = {}", path(), static_cast<std::int64_t>(value)));
    path_.pop_back();
  }
  if (field.repeated) {
    if (builder_.mark() >= kMaxElements) {
      fail(DecodeFailure::Why::too_deep, nullptr,
           fmt::format("more than {} elements", kMaxElements));
    }
    builder_.add(field.slot, value);
  } else {
    slots.values.set(field.slot, value);
  }
}

void Decoder::length_delimited(const FieldLayout& field, Bytes bytes, Slots& slots,
                               unsigned depth) {
  flatbuffers::uoffset_t offset = 0;
  if (field.type == Type::table && !field.repeated) {
    lone_message(field, bytes, slots);
    return;
  }
  if (field.type == Type::table) {
    offset = decode(*field.table, bytes, depth + 1);
  } else if (field.type == Type::string) {
    offset = builder().CreateString(reinterpret_cast<const char*>(bytes.data()), bytes.size()).o;
  } else {
    offset =
        builder().CreateVector(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()).o;
  }
  if (field.repeated) {
    builder_.add(field.slot, offset);
  } else {
    slots.values.set(field.slot, offset);
  }
}

/// Protobuf merges a message that comes in pieces, which is what decoding them in a row does.
void Decoder::lone_message(const FieldLayout& field, Bytes bytes, Slots& slots) {
  std::string*& merged = slots.merged[field.slot];
  if (!slots.values.has(field.slot)) {
    merged = nullptr;
    slots.bytes[field.slot] = bytes;
    slots.values.set(field.slot, 0);  // the table is made by build()
    return;
  }
  if (merged == nullptr) {
    merged = &merged_.emplace_back(as_text(slots.bytes[field.slot]));
  }
  *merged += as_text(bytes);
  slots.bytes[field.slot] = as_bytes(*merged);
}

void Decoder::packed(const FieldLayout& field, Bytes bytes, Slots& slots) {
  canonical_ = false;
  const char* begin = reinterpret_cast<const char*>(bytes.data());
  Cursor in{begin, begin + bytes.size()};
  while (in.at != in.end) {
    scalar(field, read_scalar(field.wire, in), slots);
  }
}

void Decoder::unknown(const TableLayout& table, Cursor& in, std::uint32_t number, unsigned wire,
                      unsigned depth) {
  canonical_ = false;
  const FieldLayout* wrong_type = table.by_number(number);
  if (unknown_field_.empty()) {
    const std::string at = path();
    note_unknown(fmt::format("{}{}#{}{}", at, at.empty() ? "" : ".", number,
                             wrong_type != nullptr ? " (of another type)"
                             : wire == kStartGroup ? " (a group)"
                                                   : ""));
  }
  switch (wire) {
    case kVarint: varint(in); break;
    case kFixed64: take(in, 8); break;
    case kLength: take(in, varint(in)); break;
    case kStartGroup: skip_group(in, number, depth); break;
    case kFixed32: take(in, 4); break;
    default:
      fail(DecodeFailure::Why::bad_protobuf, in.at,
           fmt::format("wire type {}, field number {}", wire, number));
  }
}

void Decoder::skip_group(Cursor& in, std::uint32_t number, unsigned depth) {
  std::vector<std::uint32_t> open{number};
  while (!open.empty()) {
    if (open.size() + depth > kMaxDepth) {
      fail(DecodeFailure::Why::too_deep, in.at,
           fmt::format("groups nested deeper than {}", kMaxDepth));
    }
    const std::uint64_t tag = varint(in);
    const std::uint64_t inner = tag >> 3U;
    switch (static_cast<unsigned>(tag & 7U)) {
      case kVarint: varint(in); break;
      case kFixed64: take(in, 8); break;
      case kLength: take(in, varint(in)); break;
      case kFixed32: take(in, 4); break;
      case kStartGroup: open.push_back(static_cast<std::uint32_t>(inner)); break;
      case kEndGroup:
        if (inner != open.back()) {
          fail(DecodeFailure::Why::bad_protobuf, in.at, "a group ends that was not begun");
        }
        open.pop_back();
        break;
      default: fail(DecodeFailure::Why::bad_protobuf, in.at, fmt::format("wire type {}", tag & 7U));
    }
  }
}

std::uint64_t Decoder::read_scalar(Wire wire, Cursor& in) {
  switch (wire) {
    case Wire::fixed32: return load<std::uint32_t>(take(in, 4).data());
    case Wire::fixed64: return load<std::uint64_t>(take(in, 8).data());
    default: return varint(in);
  }
}

std::uint64_t Decoder::varint(Cursor& in) {
  const char* from = in.at;
  try {
    const std::uint64_t value = protozero::decode_varint(&in.at, in.end);
    const auto length = static_cast<std::size_t>(in.at - from);
    // A last byte of zero adds nothing; the tenth byte may hold one bit.
    if (length > 1 && (in.at[-1] == 0 || (length == 10 && in.at[-1] != 1))) {
      canonical_ = false;
    }
    return value;
  } catch (const protozero::end_of_buffer_exception&) {
    fail(DecodeFailure::Why::bad_protobuf, from, "the message ends inside a number");
  } catch (const protozero::varint_too_long_exception&) {
    fail(DecodeFailure::Why::bad_protobuf, from, "a number of more than ten bytes");
  }
}

Bytes Decoder::take(Cursor& in, std::uint64_t size) {
  if (size > static_cast<std::uint64_t>(in.end - in.at)) {
    fail(DecodeFailure::Why::bad_protobuf, in.at,
         fmt::format("{} bytes claimed, {} left", size, in.end - in.at));
  }
  const Bytes taken(reinterpret_cast<const std::byte*>(in.at), size);
  in.at += size;
  return taken;
}

flatbuffers::uoffset_t Decoder::build(const TableLayout& table, Slots& slots, std::size_t base,
                                      unsigned depth) {
  for (const FieldLayout& field : table.fields) {
    if (field.type == Type::table && !field.repeated && slots.values.has(field.slot)) {
      path_.push_back(&field);
      slots.values.set(field.slot, decode(*field.table, slots.bytes[field.slot], depth + 1));
      path_.pop_back();
    }
  }
  const FieldLayout* missing = nullptr;
  const flatbuffers::uoffset_t made = builder_.build(table, slots.values, base, missing);
  if (missing != nullptr) {
    path_.push_back(missing);
    fail(DecodeFailure::Why::missing_field, nullptr, "required, and not there");
  }
  return made;
}

void Decoder::fail(DecodeFailure::Why why, const char* at, std::string text) {
  // A message that came in pieces is read from a copy, which is no place in the file.
  const char* begin = reinterpret_cast<const char*>(bytes_.data());
  const bool inside = !std::less<>()(at, begin) && !std::less<>()(begin + bytes_.size(), at);
  failure_ = {why, inside ? static_cast<std::size_t>(at - begin) : 0, path(), std::move(text)};
  throw Stop{};
}

void Decoder::note_unknown(const std::string& name) {
  if (unknown_field_.empty()) {
    unknown_field_ = name;
  }
}

std::string Decoder::path() const {
  std::string out;
  for (const FieldLayout* field : path_) {
    if (!out.empty()) {
      out += '.';
    }
    out += field->json_name;
  }
  return out;
}

}  // namespace img::criu
