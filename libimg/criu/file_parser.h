// SPDX-License-Identifier: MIT
// The bytes of one image file into records: header words, messages, payloads. Knows nothing of
// directories; memory comes from whoever calls.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "libimg/base/bytes.h"
#include "libimg/base/result.h"
#include "libimg/criu/damage.h"
#include "libimg/criu/decoder.h"
#include "libimg/criu/directory_form.h"
#include "libimg/criu/wire.h"
#include "libimg/model/record.h"
#include "schema/pack_generated.h"

namespace img::criu {

using DamageSink = std::function<void(const Damage&)>;

/// What a file's bytes alone do not say.
struct FileContext {
  WordOrder order;
  unsigned img_version = 2;
  std::uint32_t page_size = 4096;
  /// Told of every damage, also of the harmless kinds. May be empty.
  DamageSink on_damage;
  /// All bytes of pages-ID.img, valid while the parser runs; asked for once a pagemap has present
  /// pages. Empty: the pagemap stands alone (a single file), and its chunks have no payload.
  std::function<Result<Bytes>(std::uint32_t pages_id)> pages;
  /// Told at the end of a pagemap how many bytes of that file it stands for. May be empty.
  std::function<Result<void>(std::uint32_t pages_id, std::uint64_t bytes)> pages_used;
};

/// Used for many files, one after the other; keeps its memory.
class FileParser : public AnyParser {
 public:
  /// Sends the file's records to `sink`. Damage that stops the reading is the error; damage to one
  /// message, where the next can still be found, is reported, skipped, and the error at the end.
  [[nodiscard]] Result<void> parse(const FileContext& context, model::FileKey key,
                                   const std::string& name, Bytes file,
                                   model::RecordSink& sink) override;

 private:
  struct Frame {
    Bytes message;
    std::uint64_t offset = 0;  // of the message in the file
  };

  /// Of a pagemap: what its entries have stood for so far.
  struct Memory {
    std::uint32_t pages_id = 0;
    std::uint64_t used = 0;  // bytes
    std::optional<Bytes> file;
  };

  [[nodiscard]] Result<schema::FileForm> header();
  [[nodiscard]] Result<void> messages();
  [[nodiscard]] Result<void> pagemap();
  [[nodiscard]] Result<void> pagemap_chunk(Memory& memory);
  [[nodiscard]] Result<std::uint64_t> entry_bytes(flatbuffers::uoffset_t entry, Frame frame);
  [[nodiscard]] Result<void> ghost_chunks();
  [[nodiscard]] Result<Frame> next_frame();
  [[nodiscard]] Result<flatbuffers::uoffset_t> decode(const schema::TableLayout& table,
                                                      Frame frame);
  [[nodiscard]] Result<void> send_message(const schema::TableLayout& table, Bytes buffer,
                                          Bytes original, Bytes payload);
  [[nodiscard]] Result<void> send_note(Bytes trailing);
  [[nodiscard]] Result<void> send_zombie(Bytes buffer, Bytes original);
  [[nodiscard]] Failure damaged(DamageKind kind, std::uint64_t offset, std::string text,
                                std::string field = {});
  void report(DamageKind kind, std::uint64_t offset, std::string text, std::string field = {});

  const FileContext* context_ = nullptr;
  const schema::KindInfo* info_ = nullptr;
  model::FileKey key_;
  std::string name_;
  Bytes file_;
  std::size_t at_ = 0;
  model::RecordSink* sink_ = nullptr;
  std::uint64_t entry_ = 0;  // number of the message being read, from 1
  std::uint64_t seq_ = 1;    // of the next record
  bool has_note_ = false;    // an ImageFile record was sent
  schema::FileForm form_ = schema::FileForm::standard;
  std::optional<Error> skipped_;

  Decoder decoder_;
  flatbuffers::FlatBufferBuilder own_;  // ImageFile and Zombie records
};

/// Header words and form that a file of this kind has in an image of that version.
[[nodiscard]] bool has_common_word(const schema::KindInfo& info, unsigned img_version);

}  // namespace img::criu
