// SPDX-License-Identifier: MIT
// One table of a record as the members of a JSON object: a single walk over its layout.
#pragma once

#include <flatbuffers/flatbuffers.h>

#include "libimg/json/emitter.h"
#include "schema/layout.h"

namespace img::json {

class MessageOut {
 public:
  explicit MessageOut(Emitter& emit) : emit_(emit) {}

  /// `shown`: as `crit --pretty` (0x1f, "PROT_READ"), not as plain numbers.
  void set_shown(bool shown) { shown_ = shown; }

  /// The members alone, without brackets. The table must have been verified.
  void members(const flatbuffers::Table& table, const schema::TableLayout& layout,
               bool hex = false);
  /// The object.
  void object(const flatbuffers::Table& table, const schema::TableLayout& layout, bool hex = false);

 private:
  using Field = schema::FieldLayout;

  void one(const flatbuffers::Table& table, const Field& field, bool hex);
  void list(const flatbuffers::Table& table, const Field& field, bool hex);
  void scalar(const Field& field, const std::uint8_t* at, bool hex);
  void addresses(const Field& field, Bytes words);
  void bytes(const Field& field, Bytes bytes);
  void text(const Field& field, std::string_view text);
  void texts(const Field& field,
             const flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>>& texts);

  Emitter& emit_;
  bool shown_ = true;
};

/// `bytes` in quotes, base64.
void put_base64(TextOut& out, Bytes bytes);

}  // namespace img::json
