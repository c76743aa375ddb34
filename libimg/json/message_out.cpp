// SPDX-License-Identifier: MIT
#include "libimg/json/message_out.h"

#include "libimg/base/text.h"
#include "libimg/json/base64.h"
#include "libimg/json/presentation.h"

namespace img::json {

using schema::FieldLayout;
using schema::Show;
using schema::TableLayout;
using schema::Type;

namespace {

using TableVector = flatbuffers::Vector<flatbuffers::Offset<flatbuffers::Table>>;
using StringVector = flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>>;

std::string_view view(const flatbuffers::String& text) {
  return {text.c_str(), text.size()};
}

Bytes data_of(const flatbuffers::Vector<std::uint8_t>& vector, std::size_t width) {
  return std::as_bytes(std::span(vector.Data(), vector.size() * width));
}

}  // namespace

void put_base64(TextOut& out, Bytes bytes) {
  out.put('"');
  Base64Out base64(out);
  base64.put(bytes);
  base64.finish();
  out.put('"');
}

void MessageOut::members(const flatbuffers::Table& table, const TableLayout& layout, bool hex) {
  for (const FieldLayout& field : layout.fields) {
    if (field.repeated) {
      list(table, field, hex);
    } else {
      one(table, field, hex);
    }
  }
}

void MessageOut::object(const flatbuffers::Table& table, const TableLayout& layout, bool hex) {
  emit_.open('{');
  members(table, layout, hex);
  emit_.close('}');
}

void MessageOut::one(const flatbuffers::Table& table, const FieldLayout& field, bool hex) {
  if (field.is_scalar()) {
    const std::uint8_t* const at = table.GetAddressOf(field.voffset);
    if (at != nullptr || field.required) {
      emit_.key(field.json_name);
      scalar(field, at, hex);
    }
    return;
  }
  const auto* const at = table.GetPointer<const std::uint8_t*>(field.voffset);
  if (at == nullptr) {
    return;
  }
  switch (field.type) {
    case Type::string: text(field, view(*reinterpret_cast<const flatbuffers::String*>(at))); break;
    case Type::bytes:
      bytes(field, data_of(*reinterpret_cast<const flatbuffers::Vector<std::uint8_t>*>(at), 1));
      break;
    default:
      emit_.key(field.json_name);
      object(*reinterpret_cast<const flatbuffers::Table*>(at), *field.table,
             hex || field.show == Show::hex);
  }
}

void MessageOut::list(const flatbuffers::Table& table, const FieldLayout& field, bool hex) {
  const auto* const raw = table.GetPointer<const flatbuffers::Vector<std::uint8_t>*>(field.voffset);
  if (raw == nullptr || raw->size() == 0) {
    return;
  }
  if (field.type == Type::string) {
    texts(field, *reinterpret_cast<const StringVector*>(raw));
    return;
  }
  const bool address = field.show == Show::ipaddr && (raw->size() == 1 || raw->size() == 4);
  if (shown_ && address) {
    addresses(field, data_of(*raw, field.width));
    return;
  }
  emit_.key(field.json_name);
  emit_.open('[');
  for (flatbuffers::uoffset_t i = 0; i < raw->size(); ++i) {
    emit_.item();
    if (field.type == Type::table) {
      object(*reinterpret_cast<const TableVector*>(raw)->Get(i), *field.table,
             hex || field.show == Show::hex);
    } else {
      scalar(field, raw->Data() + std::size_t{i} * field.width, hex);
    }
  }
  emit_.close(']');
}

void MessageOut::scalar(const FieldLayout& field, const std::uint8_t* at, bool hex) {
  const Bits value =
      at == nullptr ? static_cast<Bits>(field.default_value) : load_scalar(field, at);
  if (shown_ || field.type == Type::enumeration) {
    put_pretty(emit_.out(), field, value, hex);
  } else {
    put_plain(emit_.out(), field, value);
  }
}

void MessageOut::addresses(const FieldLayout& field, Bytes words) {
  emit_.key(field.json_name);
  emit_.open('[');
  emit_.item();
  put_string(emit_.out(), address_text(words));
  emit_.close(']');
}

void MessageOut::bytes(const FieldLayout& field, Bytes value) {
  emit_.key(field.json_name);
  if (field.show == Show::quoted_printable) {
    put_string(emit_.out(), quoted_printable(as_text(value)));
  } else {
    put_base64(emit_.out(), value);
  }
}

// What is not UTF-8 is given twice: for people, and exactly.
void MessageOut::text(const FieldLayout& field, std::string_view value) {
  emit_.key(field.json_name);
  if (is_utf8(value)) {
    put_string(emit_.out(), value);
    return;
  }
  put_string(emit_.out(), shown_text(value));
  emit_.key(field.json_name, "_", "_base64");
  put_base64(emit_.out(), as_bytes(value));
}

void MessageOut::texts(const FieldLayout& field, const StringVector& values) {
  bool exact = true;
  emit_.key(field.json_name);
  emit_.open('[');
  for (const flatbuffers::String* value : values) {
    emit_.item();
    const bool utf8 = is_utf8(view(*value));
    exact = exact && utf8;
    put_string(emit_.out(), utf8 ? view(*value) : std::string_view(shown_text(view(*value))));
  }
  emit_.close(']');
  if (exact) {
    return;
  }
  emit_.key(field.json_name, "_", "_base64");
  emit_.open('[');
  for (const flatbuffers::String* value : values) {
    emit_.item();
    put_base64(emit_.out(), as_bytes(view(*value)));
  }
  emit_.close(']');
}

}  // namespace img::json
