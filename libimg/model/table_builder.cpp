// SPDX-License-Identifier: MIT
#include "libimg/model/table_builder.h"

#include <algorithm>

namespace img::model {

using flatbuffers::Offset;
using flatbuffers::uoffset_t;
using schema::FieldLayout;

inline void TableBuilder::add_field(const FieldLayout& field, std::uint64_t value) {
  if (!field.is_scalar() || field.repeated) {
    buffer_.AddOffset(field.voffset, Offset<void>(static_cast<uoffset_t>(value)));
  } else if (field.width == 8) {
    buffer_.AddElement<std::uint64_t>(field.voffset, value);
  } else if (field.width == 4) {
    buffer_.AddElement<std::uint32_t>(field.voffset, static_cast<std::uint32_t>(value));
  } else {
    buffer_.AddElement<std::uint8_t>(field.voffset, static_cast<std::uint8_t>(value));
  }
}

uoffset_t TableBuilder::build(const schema::TableLayout& table, TableValues& values,
                              std::size_t mark, const FieldLayout*& missing) {
  if (repeated_.size() != mark) {
    build_vectors(table, values, mark);
  }
  missing = nullptr;
  const uoffset_t start = buffer_.StartTable();
  for (const FieldLayout& field : table.fields) {
    if (values.has(field.slot)) {
      add_field(field, values.value[field.slot]);
    } else if (field.required && missing == nullptr) {
      missing = &field;
    }
  }
  return buffer_.EndTable(start);
}

void TableBuilder::build_vectors(const schema::TableLayout& table, TableValues& values,
                                 std::size_t mark) {
  const std::span<Repeated> all = repeated(mark);
  const auto by_slot = [](const Repeated& a, const Repeated& b) { return a.slot < b.slot; };
  if (!std::is_sorted(all.begin(), all.end(), by_slot)) {
    std::stable_sort(all.begin(), all.end(), by_slot);
  }
  for (std::size_t at = 0; at < all.size();) {
    std::size_t end = at + 1;
    while (end < all.size() && all[end].slot == all[at].slot) {
      ++end;
    }
    values.set(all[at].slot, vector(table.fields[all[at].slot], all.subspan(at, end - at)));
    at = end;
  }
  repeated_.resize(mark);
}

uoffset_t TableBuilder::vector(const FieldLayout& field, std::span<const Repeated> values) {
  if (!field.is_scalar()) {
    buffer_.StartVector(values.size(), sizeof(uoffset_t));
    for (auto value = values.rbegin(); value != values.rend(); ++value) {
      buffer_.PushElement(Offset<void>(static_cast<uoffset_t>(value->value)));
    }
    return buffer_.EndVector(values.size());
  }
  std::uint8_t* out = nullptr;
  const uoffset_t made = buffer_.CreateUninitializedVector(values.size(), field.width, &out);
  for (const Repeated& value : values) {
    std::memcpy(out, &value.value, field.width);  // little-endian, as a FlatBuffer is
    out += field.width;
  }
  return made;
}

Bytes TableBuilder::finish(uoffset_t root) {
  buffer_.Finish(Offset<flatbuffers::Table>(root));
  return std::as_bytes(std::span(buffer_.GetBufferPointer(), buffer_.GetSize()));
}

}  // namespace img::model
