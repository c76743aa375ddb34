// SPDX-License-Identifier: MIT
// One table of a FlatBuffer from values that come in any order, whichever format they come from. It
// knows the layout of tables, not the meaning of any.
#pragma once

#include <flatbuffers/flatbuffers.h>

#include <array>
#include <vector>

#include "libimg/base/bytes.h"
#include "schema/layout.h"

namespace img::model {

/// Fields of one table while it is read: scalars as they are, all else as buffer offsets.
struct TableValues {
  static constexpr std::size_t kMaxFields = 64;

  std::uint64_t present = 0;  // one bit for each field
  std::array<std::uint64_t, kMaxFields> value;

  void set(std::uint16_t slot, std::uint64_t to) {
    value[slot] = to;
    present |= std::uint64_t{1} << slot;
  }
  [[nodiscard]] bool has(std::uint16_t slot) const { return (present >> slot & 1U) != 0; }
};

/// Used for many records, one after the other; its memory is kept. Tables are built from the inside
/// out, so values of repeated fields are kept on a stack: those of a table lie above its parents'.
class TableBuilder {
 public:
  TableBuilder() : buffer_(std::size_t{64} << 10) { buffer_.ForceDefaults(true); }

  /// Forgets the buffer made before.
  void begin() {
    buffer_.Clear();
    forget_values();
  }
  /// Values that were left behind when the reading of a table failed.
  void forget_values() { repeated_.clear(); }
  /// Strings and vectors of bytes are made here.
  [[nodiscard]] flatbuffers::FlatBufferBuilder& buffer() { return buffer_; }

  /// Before a table's first value; for build().
  [[nodiscard]] std::size_t mark() const { return repeated_.size(); }
  /// One more value of a repeated field of the table whose mark was taken last.
  void add(std::uint16_t slot, std::uint64_t value) { repeated_.push_back({slot, value}); }
  /// The values of one repeated field, in order.
  struct Repeated {
    std::uint16_t slot;
    std::uint64_t value;
  };
  [[nodiscard]] std::span<Repeated> repeated(std::size_t mark) {
    return std::span(repeated_).subspan(mark);
  }

  /// The finished table. `missing` becomes the first required field that has no value: then the
  /// table is of no use.
  [[nodiscard]] flatbuffers::uoffset_t build(const schema::TableLayout& table, TableValues& values,
                                             std::size_t mark, const schema::FieldLayout*& missing);
  /// Valid until the next begin().
  [[nodiscard]] Bytes finish(flatbuffers::uoffset_t root);

 private:
  void build_vectors(const schema::TableLayout& table, TableValues& values, std::size_t mark);
  flatbuffers::uoffset_t vector(const schema::FieldLayout& field, std::span<const Repeated> values);
  void add_field(const schema::FieldLayout& field, std::uint64_t value);

  flatbuffers::FlatBufferBuilder buffer_;
  std::vector<Repeated> repeated_;
};

}  // namespace img::model
