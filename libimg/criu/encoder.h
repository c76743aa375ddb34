// SPDX-License-Identifier: MIT
// FlatBuffers into protobuf messages, by one walk over the schema: fields in the order of their
// numbers, repeated scalars unpacked, every varint as short as it can be. That is what protobuf-c,
// and so CRIU, writes.
#pragma once

#include <flatbuffers/flatbuffers.h>

#include <string>

#include "libimg/base/bytes.h"
#include "schema/layout.h"

namespace img::criu {

/// Written from the end to the start, so that the length of a sub-message is known when it is
/// needed; an Encoder is used for many messages and keeps its memory.
class Encoder {
 public:
  /// `root` must lie in a verified buffer. The bytes are valid until the next call.
  [[nodiscard]] Bytes encode(const schema::TableLayout& table, const flatbuffers::Table& root);

 private:
  void table(const schema::TableLayout& layout, const flatbuffers::Table& from);
  void repeated(const schema::FieldLayout& field, const flatbuffers::Table& from);
  void scalar(const schema::FieldLayout& field, const void* at);
  void length_and_tag(const schema::FieldLayout& field, std::size_t size_before);
  void tag(const schema::FieldLayout& field);
  void varint(std::uint64_t value);
  void bytes(const void* from, std::size_t size);
  char* room_for(std::size_t size);
  [[nodiscard]] std::size_t written() const { return buffer_.size() - at_; }

  std::string buffer_;
  std::size_t at_ = 0;  // first written byte
};

}  // namespace img::criu
