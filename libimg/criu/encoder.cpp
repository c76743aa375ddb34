// SPDX-License-Identifier: MIT
#include "libimg/criu/encoder.h"

#include <algorithm>
#include <protozero/varint.hpp>

namespace img::criu {

using schema::FieldLayout;
using schema::TableLayout;
using schema::Type;
using schema::Wire;

namespace {

using Vector = flatbuffers::Vector<std::uint8_t>;

/// The number as it goes over the wire.
std::uint64_t wire_value(const FieldLayout& field, const void* at) {
  switch (field.type) {
    case Type::boolean: return load<std::uint8_t>(at) != 0 ? 1 : 0;
    case Type::uint32: return load<std::uint32_t>(at);
    case Type::int32:
    case Type::enumeration: {
      const auto value = load<std::int32_t>(at);
      return field.wire == Wire::zigzag
                 ? protozero::encode_zigzag32(value)
                 : static_cast<std::uint64_t>(static_cast<std::int64_t>(value));
    }
    case Type::int64: {
      const auto value = load<std::int64_t>(at);
      return field.wire == Wire::zigzag ? protozero::encode_zigzag64(value)
                                        : static_cast<std::uint64_t>(value);
    }
    default: return load<std::uint64_t>(at);
  }
}

}  // namespace

Bytes Encoder::encode(const TableLayout& layout, const flatbuffers::Table& root) {
  at_ = buffer_.size();
  table(layout, root);
  return std::as_bytes(std::span(buffer_.data() + at_, written()));
}

void Encoder::table(const TableLayout& layout, const flatbuffers::Table& from) {
  for (auto field = layout.fields.rbegin(); field != layout.fields.rend(); ++field) {
    if (field->number == 0) {
      continue;
    }
    if (field->repeated) {
      repeated(*field, from);
      continue;
    }
    const std::uint8_t* at = from.GetAddressOf(field->voffset);
    if (at == nullptr) {
      if (field->required && field->is_scalar()) {
        scalar(*field, &field->default_value);  // written by somebody who left defaults out
      }
      continue;
    }
    if (field->is_scalar()) {
      scalar(*field, at);
      continue;
    }
    const std::size_t before = written();
    const std::uint8_t* target = at + load<flatbuffers::uoffset_t>(at);
    if (field->type == Type::table) {
      table(*field->table, *reinterpret_cast<const flatbuffers::Table*>(target));
    } else {
      const auto* content = reinterpret_cast<const Vector*>(target);
      bytes(content->data(), content->size());
    }
    length_and_tag(*field, before);
  }
}

void Encoder::repeated(const FieldLayout& field, const flatbuffers::Table& from) {
  const auto* vector = from.GetPointer<const Vector*>(field.voffset);
  if (vector == nullptr) {
    return;
  }
  for (flatbuffers::uoffset_t i = vector->size(); i-- > 0;) {
    const std::uint8_t* element = vector->Data() + std::size_t{i} * field.width;
    if (field.is_scalar()) {
      scalar(field, element);
      continue;
    }
    const std::size_t before = written();
    const std::uint8_t* target = element + load<flatbuffers::uoffset_t>(element);
    if (field.type == Type::table) {
      table(*field.table, *reinterpret_cast<const flatbuffers::Table*>(target));
    } else {
      const auto* content = reinterpret_cast<const Vector*>(target);
      bytes(content->data(), content->size());
    }
    length_and_tag(field, before);
  }
}

void Encoder::scalar(const FieldLayout& field, const void* at) {
  const std::uint64_t value = wire_value(field, at);
  if (field.wire == Wire::fixed64) {
    bytes(&value, 8);
  } else if (field.wire == Wire::fixed32) {
    bytes(&value, 4);
  } else {
    varint(value);
  }
  tag(field);
}

void Encoder::length_and_tag(const FieldLayout& field, std::size_t size_before) {
  varint(written() - size_before);
  tag(field);
}

void Encoder::tag(const FieldLayout& field) {
  constexpr std::uint32_t kTypes[] = {0, 0, 5, 1, 2};  // varint, zigzag, fixed32, fixed64, length
  varint(field.number << 3U | kTypes[static_cast<std::size_t>(field.wire)]);
}

void Encoder::varint(std::uint64_t value) {
  const auto length = static_cast<std::size_t>(protozero::length_of_varint(value));
  char* out = room_for(length);
  for (std::size_t i = 0; i + 1 < length; ++i, value >>= 7U) {
    *out++ = static_cast<char>((value & 0x7fU) | 0x80U);
  }
  *out = static_cast<char>(value);
}

void Encoder::bytes(const void* from, std::size_t size) {
  if (size != 0) {
    std::memcpy(room_for(size), from, size);
  }
}

char* Encoder::room_for(std::size_t size) {
  if (size > at_) {
    const std::size_t used = written();
    const std::size_t larger = std::max<std::size_t>({buffer_.size() * 2, used + size, 4096});
    std::string grown(larger, '\0');
    std::memcpy(grown.data() + larger - used, buffer_.data() + at_, used);
    buffer_ = std::move(grown);
    at_ = larger - used;
  }
  at_ -= size;
  return buffer_.data() + at_;
}

}  // namespace img::criu
