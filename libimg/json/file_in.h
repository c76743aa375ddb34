// SPDX-License-Identifier: MIT
// crit's JSON of one image file back into its records, one entry at a time. Memory use does not
// grow with the file: an entry is a record's size, and payloads are spooled.
#pragma once

#include "libimg/criu/file_parser.h"
#include "libimg/json/extra_in.h"

namespace img::json {

/// The kind that the text's `magic` names; the first of several (a pagemap of a task, not of
/// shared memory), for text whose file name does not tell.
[[nodiscard]] Result<const schema::KindInfo*> kind_of_text(Bytes text, const std::string& name);

/// Used for many files, one after the other; keeps its memory.
class FileIn final : public criu::AnyParser {
 public:
  /// Large payloads are kept in nameless files of `directory` while their record is out.
  explicit FileIn(const std::string& directory) : extra_(directory), tail_(directory) {}

  /// Sends the records of the file `key`, whose JSON is `text`, to `sink`. `name` is for messages.
  /// Of the context, memory comes from `pages`, as for a CRIU file.
  [[nodiscard]] Result<void> parse(const criu::FileContext& context, model::FileKey key,
                                   const std::string& name, Bytes text,
                                   model::RecordSink& sink) override;
  /// Byte order that the last inventory said its image has.
  [[nodiscard]] criu::WordOrder order() const { return order_; }

 private:
  [[nodiscard]] Result<void> members(Parser& parser);
  [[nodiscard]] Result<void> note(Parser& parser);
  [[nodiscard]] Result<void> note_member(Parser& parser, std::string_view key);
  [[nodiscard]] Result<void> send_note();
  [[nodiscard]] Result<void> entries(Parser& parser);
  [[nodiscard]] Result<void> entry(Parser& parser);
  [[nodiscard]] Result<void> message(Parser& parser, const schema::TableLayout& table);
  [[nodiscard]] Result<void> send(model::Record& record);
  [[nodiscard]] Result<void> chunk_entry(Parser& parser);
  [[nodiscard]] Result<void> send_chunk(Parser& parser);
  [[nodiscard]] Result<Bytes> chunk_memory(Parser& parser);
  /// `original` if the message says what the entry says and is not what encoding gives anyway.
  [[nodiscard]] Result<Bytes> checked_original(Parser& parser, const schema::TableLayout& table,
                                               const flatbuffers::Table& root);

  const criu::FileContext* context_ = nullptr;
  const schema::KindInfo* kind_ = nullptr;
  model::FileKey key_;
  model::RecordSink* sink_ = nullptr;
  std::uint64_t seq_ = 0;      // of the last record
  std::uint64_t entries_ = 0;  // read so far
  bool has_note_ = false;
  schema::FileForm form_ = schema::FileForm::standard;
  criu::WordOrder order_;
  bool ghost_chunks_ = false;  // the head says that its content comes in chunks

  // Of a pagemap.
  std::uint32_t pages_id_ = 0;
  std::uint64_t used_ = 0;         // bytes of the pages file that entries have stood for
  std::uint64_t chunk_bytes_ = 0;  // of the chunk being read
  std::vector<flatbuffers::Offset<schema::PagemapEntry>> chunk_;
  struct Original {
    std::size_t entry;
    std::string bytes;
  };
  std::vector<Original> originals_;  // of the chunk

  MessageIn message_;
  ExtraIn extra_;
  Spool tail_;
  criu::Decoder decoder_;
  criu::Encoder encoder_;
  criu::FileParser raw_;
  flatbuffers::FlatBufferBuilder own_;  // ImageFile and Zombie records
};

}  // namespace img::json
