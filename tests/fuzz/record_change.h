// SPDX-License-Identifier: MIT
// Changes of a FlatBuffer in place that leave it one: numbers, bytes of texts, lengths that shrink,
// and fields that are no longer there. Any record of an image can be made strange with them and
// still be read.
#pragma once

#include <flatbuffers/flatbuffers.h>

#include <cstring>
#include <string>

#include "schema/layout.h"

namespace img::fuzz {

struct Change {
  static constexpr std::size_t kBytes = 10;
  std::uint8_t file = 0;
  std::uint8_t record = 0;
  std::uint8_t what = 0;
  std::uint16_t place = 0;  // of all that a table has, counted through
  std::uint32_t value = 0;
  std::uint8_t how = 0;

  static Change from(const std::uint8_t* bytes) {
    Change out{bytes[0], bytes[1], bytes[2], 0, 0, bytes[9]};
    std::memcpy(&out.place, bytes + 3, sizeof out.place);
    std::memcpy(&out.value, bytes + 5, sizeof out.value);
    return out;
  }
};

/// Walks a table and all below it, and changes what it finds at the place that the change names.
class TableChanger {
 public:
  explicit TableChanger(const Change& change) : change_(change) {}

  void table(flatbuffers::Table& from, const schema::TableLayout& layout) {
    for (const schema::FieldLayout& field : layout.fields) {
      std::uint8_t* at = from.GetAddressOf(field.voffset);
      if (at == nullptr) {
        continue;
      }
      if (field.is_scalar() && !field.repeated) {
        scalar(at, field);
      } else if (field.repeated || field.table == nullptr || !field.table->is_struct) {
        reference(at + flatbuffers::ReadScalar<flatbuffers::uoffset_t>(at), field);
      }
    }
  }
  [[nodiscard]] std::size_t places() const { return seen_; }

 private:
  [[nodiscard]] bool is_here() { return seen_++ == change_.place; }

  void scalar(std::uint8_t* at, const schema::FieldLayout& field) {
    if (!is_here()) {
      return;
    }
    static constexpr std::uint64_t kEdges[] = {0,
                                               1,
                                               2,
                                               0x7f,
                                               0x80,
                                               0xff,
                                               4095,
                                               4096,
                                               0x7fffffff,
                                               0x80000000,
                                               0xffffffff,
                                               0x7ffffffff000,
                                               0x8000000000000000,
                                               ~std::uint64_t{0},
                                               1 << 20,
                                               66};
    std::uint64_t now = 0;
    std::memcpy(&now, at, field.width);
    const std::uint64_t values[] = {kEdges[change_.value % std::size(kEdges)], change_.value,
                                    now + change_.value % 16, now - change_.value % 16,
                                    now ^ (std::uint64_t{1} << change_.value % 64)};
    std::uint64_t to = values[change_.how % std::size(values)];
    to = field.type == schema::Type::boolean ? to & 1 : to;
    std::memcpy(at, &to, field.width);
  }

  void bytes(std::uint8_t* at, std::size_t width) {
    const auto length = flatbuffers::ReadScalar<flatbuffers::uoffset_t>(at);
    if (!is_here() || length == 0) {
      return;
    }
    if (change_.how % 4 == 0) {
      return shorten(at, length);
    }
    // A piece of a path, or any bytes.
    static constexpr std::string_view kPieces[] = {"/../../..", "..", "//", "/proc/1/",
                                                   "\x1b[2J\n", "%s", "/",  "\xff\xfe"};
    const std::string_view piece = kPieces[change_.value % std::size(kPieces)];
    const std::size_t size = length * width;
    const std::size_t from = (change_.value >> 8) % size;
    if (change_.how % 4 == 1) {
      at[4 + from] = static_cast<std::uint8_t>(change_.value);
    } else {
      std::memcpy(at + 4 + from, piece.data(), std::min(piece.size(), size - from));
    }
  }
  void shorten(std::uint8_t* at, flatbuffers::uoffset_t length) const {
    flatbuffers::WriteScalar(at, static_cast<flatbuffers::uoffset_t>(change_.value % length));
  }

  void reference(std::uint8_t* at, const schema::FieldLayout& field) {
    using flatbuffers::Table;
    if (!field.repeated && field.type == schema::Type::string) {
      const auto before = flatbuffers::ReadScalar<flatbuffers::uoffset_t>(at);
      bytes(at, 1);
      at[4 + std::min(before, flatbuffers::ReadScalar<flatbuffers::uoffset_t>(at))] = 0;
      return;
    }
    if (!field.repeated && field.type == schema::Type::table) {
      return table(*reinterpret_cast<Table*>(at), *field.table);
    }
    if (field.is_scalar() || field.type == schema::Type::bytes ||
        (field.table != nullptr && field.table->is_struct)) {
      const std::size_t width = field.table != nullptr              ? 16
                                : field.type == schema::Type::bytes ? 1
                                                                    : field.width;
      return bytes(at, width);
    }
    const auto length = flatbuffers::ReadScalar<flatbuffers::uoffset_t>(at);
    if (is_here() && length != 0) {
      return shorten(at, length);
    }
    for (std::size_t i = 0; i < length; ++i) {
      std::uint8_t* element = at + 4 + 4 * i;
      element += flatbuffers::ReadScalar<flatbuffers::uoffset_t>(element);
      if (field.type == schema::Type::string) {
        bytes(element, 1);
      } else {
        table(*reinterpret_cast<Table*>(element), *field.table);
      }
    }
  }

  const Change& change_;
  std::size_t seen_ = 0;
};

inline void change_table(std::string& buffer, const schema::TableLayout& layout, Change change) {
  auto& root = *flatbuffers::GetMutableRoot<flatbuffers::Table>(buffer.data());
  Change none = change;
  none.place = 0xffff;
  TableChanger count(none);
  count.table(root, layout);
  if (count.places() != 0 && count.places() < none.place) {
    change.place = static_cast<std::uint16_t>(change.place % count.places());
    TableChanger(change).table(root, layout);
  }
}

}  // namespace img::fuzz
