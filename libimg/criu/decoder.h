// SPDX-License-Identifier: MIT
// Protobuf messages into FlatBuffers, by one walk over the schema; no code knows a message.
#pragma once

#include <flatbuffers/flatbuffers.h>

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "libimg/base/bytes.h"
#include "libimg/model/table_builder.h"
#include "schema/layout.h"

namespace img::criu {

/// FORMAT.md, "Limits".
inline constexpr unsigned kMaxDepth = 64;
inline constexpr unsigned kMaxTables = 1'000'000;
/// Elements of repeated fields in one message; no list of tasks can be longer (PID_MAX_LIMIT).
inline constexpr std::size_t kMaxElements = 4'194'304;
/// Bytes of one message.
inline constexpr std::uint64_t kMaxMessageBytes = 256U << 20U;
/// Bytes after the only message of a file.
inline constexpr std::uint64_t kMaxTrailingBytes = 16U << 20U;

/// Why a message could not be decoded, and where in it.
struct DecodeFailure {
  enum class Why : std::uint8_t { bad_protobuf, missing_field, too_deep };
  Why why = Why::bad_protobuf;
  std::size_t offset = 0;  // in the message
  std::string field;       // "tc.timers"
  std::string text;
};

/// A decoder is used for many messages, one after the other; its memory is kept.
///
///   decoder.begin();
///   auto root = decoder.message(table_layout("CoreEntry"), bytes);
///   if (root) { Bytes buffer = decoder.finish(*root); }
class Decoder {
 public:
  /// Forgets the buffer made before.
  void begin();
  /// Adds one message to the buffer; nothing, and failure(), if it is none of `table`.
  [[nodiscard]] std::optional<flatbuffers::uoffset_t> message(const schema::TableLayout& table,
                                                              Bytes bytes);
  /// Whether encoding the last message would give back the very bytes it came in.
  [[nodiscard]] bool is_canonical() const { return canonical_; }
  /// A field that the schema does not have, in the last message ("tc.#99"), or a number that its
  /// enum does not have; empty: there is none.
  [[nodiscard]] const std::string& unknown_field() const { return unknown_field_; }
  [[nodiscard]] const DecodeFailure& failure() const { return failure_; }

  /// Valid until the next begin().
  [[nodiscard]] Bytes finish(flatbuffers::uoffset_t root);
  [[nodiscard]] flatbuffers::FlatBufferBuilder& builder() { return builder_.buffer(); }

 private:
  struct Cursor {
    const char* at;
    const char* end;
  };
  /// One message while it is read.
  struct Slots {
    static constexpr std::size_t kMaxFields = model::TableValues::kMaxFields;
    model::TableValues values;
    std::array<Bytes, kMaxFields> bytes;  // of a lone sub-message, which may come in pieces:
    std::array<std::string*, kMaxFields> merged;  // then they are gathered there
  };

  flatbuffers::uoffset_t decode(const schema::TableLayout& table, Bytes bytes, unsigned depth);
  void field(const schema::TableLayout& table, Cursor& in, std::uint32_t number, unsigned wire,
             Slots& slots, std::uint32_t& last_number, unsigned depth);
  void scalar(const schema::FieldLayout& field, std::uint64_t raw, Slots& slots);
  void length_delimited(const schema::FieldLayout& field, Bytes bytes, Slots& slots,
                        unsigned depth);
  void lone_message(const schema::FieldLayout& field, Bytes bytes, Slots& slots);
  void packed(const schema::FieldLayout& field, Bytes bytes, Slots& slots);
  void unknown(const schema::TableLayout& table, Cursor& in, std::uint32_t number, unsigned wire,
               unsigned depth);
  void skip_group(Cursor& in, std::uint32_t number, unsigned depth);
  std::uint64_t read_scalar(schema::Wire wire, Cursor& in);
  std::uint64_t varint(Cursor& in);
  Bytes take(Cursor& in, std::uint64_t size);
  flatbuffers::uoffset_t build(const schema::TableLayout& table, Slots& slots, std::size_t base,
                               unsigned depth);
  [[noreturn]] void fail(DecodeFailure::Why why, const char* at, std::string text);
  void note_unknown(const std::string& name);
  [[nodiscard]] std::string path() const;

  model::TableBuilder builder_;
  std::vector<const schema::FieldLayout*> path_;
  std::deque<std::string> merged_;  // bytes of sub-messages that came in several pieces
  unsigned tables_ = 0;
  bool canonical_ = true;
  std::string unknown_field_;
  DecodeFailure failure_;
  Bytes bytes_;  // the message
};

}  // namespace img::criu
