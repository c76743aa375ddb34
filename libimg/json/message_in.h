// SPDX-License-Identifier: MIT
// A JSON object into a table of a record, by one walk over its layout. Takes every form that
// message_out or crit writes; a member that the schema does not have is an error, not dropped.
#pragma once

#include "libimg/json/parser.h"
#include "libimg/json/presentation.h"
#include "libimg/model/table_builder.h"

namespace img::json {

/// Takes the members of an entry that are no fields of its message.
class MemberReader {
 public:
  virtual ~MemberReader() = default;
  /// Reads the value of `key` from the parser; false: no such member.
  [[nodiscard]] virtual Result<bool> member(std::string_view key) = 0;
};

class MessageIn {
 public:
  /// Starts on a new buffer.
  void begin() { builder_.begin(); }
  /// The object that comes next.
  [[nodiscard]] Result<flatbuffers::uoffset_t> object(Parser& parser,
                                                      const schema::TableLayout& table,
                                                      MemberReader* others = nullptr);
  /// Valid until the next begin().
  [[nodiscard]] Bytes finish(flatbuffers::uoffset_t root) { return builder_.finish(root); }
  [[nodiscard]] flatbuffers::FlatBufferBuilder& buffer() { return builder_.buffer(); }

 private:
  using Field = schema::FieldLayout;

  /// A string that the text could not hold, given exactly in its `_..._base64`.
  struct Exact {
    std::uint16_t slot;
    flatbuffers::uoffset_t string;
  };
  /// A table that is being read.
  struct Open {
    const schema::TableLayout& layout;
    model::TableValues values;
    std::uint64_t seen = 0;  // fields that have had their member
    std::uint64_t exact_seen = 0;
    std::size_t mark = 0;
    std::size_t exact_mark = 0;
    std::size_t next = 0;  // slot of the field that probably comes next
  };

  [[nodiscard]] Result<flatbuffers::uoffset_t> table(const schema::TableLayout& layout,
                                                     MemberReader* others);
  [[nodiscard]] Result<void> member(Open& open, std::string_view key, MemberReader* others);
  [[nodiscard]] Result<void> once(std::uint64_t& seen, const Field& field);
  [[nodiscard]] Result<void> list(const Field& field);
  [[nodiscard]] Result<std::uint64_t> value(const Field& field);
  [[nodiscard]] Result<Bits> scalar(const Field& field);
  [[nodiscard]] Result<void> address(const Field& field);
  [[nodiscard]] Result<flatbuffers::uoffset_t> string();
  [[nodiscard]] Result<flatbuffers::uoffset_t> bytes(const Field& field);
  [[nodiscard]] Result<void> exact(const Field& field);
  [[nodiscard]] Result<void> exact_one(const Field& field);
  [[nodiscard]] Result<void> use_exact(Open& open);
  [[nodiscard]] Result<void> within_limits();
  [[nodiscard]] std::string_view text_at(std::uint64_t string);

  model::TableBuilder builder_;
  Parser* parser_ = nullptr;
  std::vector<Exact> exact_;  // a stack, as the builder's
  unsigned depth_ = 0;
  unsigned tables_ = 0;
  std::string scratch_;
  StringSink decoded_;
};

}  // namespace img::json
