// SPDX-License-Identifier: MIT
#include "libimg/criu/file_parser.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "libimg/criu/payload.h"
#include "libimg/criu/zombie.h"
#include "libimg/model/pagemap.h"
#include "schema/remaps_generated.h"

namespace img::criu {

using model::FileKey;
using model::Record;
using schema::FileForm;
using schema::Kind;
using schema::PayloadRule;
using schema::Shape;
using schema::TableLayout;

bool has_common_word(const schema::KindInfo& info, unsigned img_version) {
  return info.kind != Kind::inventory && img_version != 1;
}

Result<void> FileParser::parse(const FileContext& context, FileKey key, const std::string& name,
                               Bytes file, model::RecordSink& sink) {
  context_ = &context;
  info_ = &schema::kind_info(key.kind);
  key_ = key;
  name_ = name;
  file_ = file;
  at_ = 0;
  sink_ = &sink;
  entry_ = 0;
  seq_ = 1;
  has_note_ = false;
  form_ = FileForm::standard;
  skipped_.reset();
  if (info_->is_raw()) {
    Record record{{key_, 1}, nullptr, {}, {}, {}};
    if (!file.empty()) {
      record.payload.parts.push_back(file);
    }
    return sink.record(record);
  }
  IMG_ASSIGN(form_, header());
  IMG_TRY(info_->shape == Shape::pagemap ? pagemap() : messages());
  if (skipped_) {
    return fail(*std::move(skipped_));
  }
  return {};
}

Result<FileForm> FileParser::header() {
  const auto word = [this](std::size_t index) {
    return context_->order.get32(file_.data() + index * kWordBytes);
  };
  const std::uint32_t first_word = info_->is_service() ? kServiceMagic : kCommonMagic;
  const bool wants_common = has_common_word(*info_, context_->img_version);
  if (file_.size() < kWordBytes) {
    return damaged(DamageKind::truncated, 0,
                   fmt::format("{} bytes, too short for a magic", file_.size()));
  }
  bool is_common = false;
  if (info_->kind != Kind::inventory && word(0) == first_word) {
    if (file_.size() < 2 * kWordBytes) {
      return damaged(DamageKind::truncated, kWordBytes, "ends inside its magic");
    }
    is_common = true;
  }
  const std::uint32_t magic = word(is_common ? 1 : 0);
  if (magic != info_->magic) {
    return damaged(DamageKind::bad_magic, is_common ? kWordBytes : 0,
                   fmt::format("magic 0x{:08x}, where {} images have 0x{:08x}", magic,
                               info_->crit_name, info_->magic));
  }
  at_ = (is_common ? 2 : 1) * kWordBytes;
  if (is_common == wants_common) {
    return FileForm::standard;
  }
  return is_common ? FileForm::common : FileForm::magic_only;
}

Result<void> FileParser::messages() {
  if (at_ == file_.size()) {
    if (info_->is_single() || info_->shape == Shape::ghost) {
      return damaged(DamageKind::truncated, at_, "ends before its message");
    }
    return send_note({});
  }
  while (at_ != file_.size()) {
    IMG_ASSIGN(const Frame frame, next_frame());
    decoder_.begin();
    auto root = decode(*info_->table, frame);
    if (!root) {
      if (info_->payload != PayloadRule::none || info_->is_single()) {
        return fail(std::move(root).error());
      }
      continue;
    }
    const Bytes buffer = decoder_.finish(*root);
    std::string why;
    const Bytes rest = file_.subspan(at_);
    const auto size =
        payload_size(info_->payload, *flatbuffers::GetRoot<flatbuffers::Table>(buffer.data()), rest,
                     context_->order, why);
    if (!size) {
      return damaged(DamageKind::payload_short, at_, std::move(why));
    }
    at_ += *size;
    const Bytes trailing = info_->is_single() ? file_.subspan(at_) : Bytes{};
    if (!trailing.empty()) {
      if (trailing.size() > kMaxTrailingBytes) {
        return damaged(DamageKind::too_deep, at_,
                       fmt::format("{} bytes after the only message", trailing.size()));
      }
      report(DamageKind::trailing, at_,
             fmt::format("{} bytes after the only message", trailing.size()));
      at_ = file_.size();
    }
    if (seq_ == 1 && !has_note_ && (form_ != FileForm::standard || !trailing.empty())) {
      IMG_TRY(send_note(trailing));
    }
    IMG_TRY(send_message(*info_->table, buffer, decoder_.is_canonical() ? Bytes{} : frame.message,
                         rest.first(*size)));
    if (info_->shape == Shape::ghost && at_ != file_.size()) {
      return ghost_chunks();
    }
  }
  return {};
}

Result<void> FileParser::ghost_chunks() {
  const TableLayout& table = schema::table_layout("GhostChunkEntry");
  while (at_ != file_.size()) {
    IMG_ASSIGN(const Frame frame, next_frame());
    decoder_.begin();
    IMG_ASSIGN(const auto root, decode(table, frame));
    const Bytes buffer = decoder_.finish(root);
    const std::uint64_t length =
        flatbuffers::GetRoot<schema::GhostChunkEntry>(buffer.data())->len();
    if (length > file_.size() - at_) {
      return damaged(DamageKind::payload_short, at_,
                     fmt::format("chunk of {} bytes, {} are left", length, file_.size() - at_));
    }
    const Bytes content = file_.subspan(at_, length);
    at_ += length;
    IMG_TRY(
        send_message(table, buffer, decoder_.is_canonical() ? Bytes{} : frame.message, content));
  }
  return {};
}

Result<void> FileParser::pagemap() {
  if (form_ != FileForm::standard) {
    IMG_TRY(send_note({}));
  }
  if (at_ == file_.size()) {
    return damaged(DamageKind::truncated, at_, "ends before its head");
  }
  IMG_ASSIGN(const Frame frame, next_frame());
  decoder_.begin();
  IMG_ASSIGN(const auto root, decode(*info_->table, frame));
  const Bytes buffer = decoder_.finish(root);
  const std::uint32_t pages_id =
      flatbuffers::GetRoot<schema::PagemapHead>(buffer.data())->pages_id();
  IMG_TRY(
      send_message(*info_->table, buffer, decoder_.is_canonical() ? Bytes{} : frame.message, {}));

  Memory memory{pages_id, 0, {}};
  while (at_ != file_.size()) {
    IMG_TRY(pagemap_chunk(memory));
  }
  if (context_->pages_used) {
    IMG_TRY(context_->pages_used(pages_id, memory.used));
  }
  if (memory.file && memory.used > memory.file->size()) {
    const std::uint64_t have = memory.file->size();
    return damaged(
        DamageKind::pages_short, 0,
        fmt::format("stands for {} bytes of pages-{}.img, which has {}{}", memory.used, pages_id,
                    have, have % context_->page_size == 0 ? "" : ", not whole pages"));
  }
  return {};
}

Result<void> FileParser::pagemap_chunk(Memory& memory) {
  decoder_.begin();
  std::vector<flatbuffers::Offset<schema::PagemapEntry>> entries;
  const std::size_t first_byte = at_;
  std::uint64_t bytes = 0;
  bool is_canonical = true;
  while (at_ != file_.size() && entries.size() < model::kChunkEntries) {
    IMG_ASSIGN(const Frame frame, next_frame());
    IMG_ASSIGN(const auto entry, decode(schema::table_layout("PagemapEntry"), frame));
    is_canonical = is_canonical && decoder_.is_canonical();
    IMG_ASSIGN(const std::uint64_t entry_size, entry_bytes(entry, frame));
    if (bytes + entry_size < bytes || memory.used + bytes + entry_size < memory.used) {
      return damaged(DamageKind::payload_wrong, frame.offset,
                     "stands for more memory than there can be");
    }
    bytes += entry_size;
    entries.emplace_back(entry);
  }
  auto& builder = decoder_.builder();
  const Bytes buffer =
      decoder_.finish(schema::CreatePagemapChunk(builder, builder.CreateVector(entries)).o);
  const Bytes original = is_canonical ? Bytes{} : file_.subspan(first_byte, at_ - first_byte);
  if (bytes != 0 && context_->pages && !memory.file) {
    IMG_ASSIGN(memory.file, context_->pages(memory.pages_id));
  }
  Bytes content;
  if (memory.file) {
    const std::uint64_t begin = std::min<std::uint64_t>(memory.used, memory.file->size());
    content =
        memory.file->subspan(begin, std::min<std::uint64_t>(bytes, memory.file->size() - begin));
  }
  memory.used += bytes;
  if (memory.file && content.size() < bytes) {
    return {};  // the caller says so, once it knows how much is missing
  }
  return send_message(schema::table_layout("PagemapChunk"), buffer, original, content);
}

Result<std::uint64_t> FileParser::entry_bytes(flatbuffers::uoffset_t entry, Frame frame) {
  constexpr std::uint32_t kKnown = model::kPageInParent | model::kPageLazy | model::kPagePresent;
  const model::PageRun run = model::page_run(*flatbuffers::GetTemporaryPointer(
      decoder_.builder(), flatbuffers::Offset<schema::PagemapEntry>(entry)));
  if (!run.is_present()) {
    return 0;
  }
  if (!decoder_.unknown_field().empty() || (run.flags & ~kKnown) != 0) {
    return damaged(
        DamageKind::not_understood, frame.offset,
        fmt::format("present pages in a form that this version does not know ({}); compressed "
                    "pages of a newer CRIU? `crit decompress` makes them plain",
                    decoder_.unknown_field().empty() ? fmt::format("flags 0x{:x}", run.flags)
                                                     : decoder_.unknown_field()));
  }
  if (run.pages > ~std::uint64_t{0} / context_->page_size) {
    return damaged(DamageKind::payload_wrong, frame.offset, fmt::format("{} pages", run.pages));
  }
  return run.pages * context_->page_size;
}

Result<FileParser::Frame> FileParser::next_frame() {
  ++entry_;
  const std::size_t left = file_.size() - at_;
  if (left < kWordBytes) {
    return damaged(DamageKind::truncated, at_,
                   fmt::format("{} bytes left where a size word should be", left));
  }
  const std::uint32_t size = context_->order.get32(file_.data() + at_);
  if (size > left - kWordBytes) {
    // A size that no message has is damage of its own; otherwise the file was cut.
    const bool is_negative = static_cast<std::int32_t>(size) < 0;
    return damaged(is_negative ? DamageKind::bad_length : DamageKind::truncated, at_,
                   fmt::format("message of {} bytes claimed, {} left",
                               static_cast<std::int32_t>(size), left - kWordBytes));
  }
  if (size > kMaxMessageBytes) {
    return damaged(DamageKind::too_deep, at_,
                   fmt::format("message of {} bytes, {} are the limit", size, kMaxMessageBytes));
  }
  const Frame frame{file_.subspan(at_ + kWordBytes, size), at_ + kWordBytes};
  at_ += kWordBytes + size;
  return frame;
}

Result<flatbuffers::uoffset_t> FileParser::decode(const TableLayout& table, Frame frame) {
  const auto root = decoder_.message(table, frame.message);
  if (root) {
    if (!decoder_.unknown_field().empty()) {
      report(DamageKind::unknown_field, frame.offset, "not in the schema of this version",
             decoder_.unknown_field());
    }
    return *root;
  }
  const DecodeFailure& failure = decoder_.failure();
  DamageKind kind = DamageKind::bad_protobuf;
  if (failure.why == DecodeFailure::Why::missing_field) {
    kind = DamageKind::missing_field;
  } else if (failure.why == DecodeFailure::Why::too_deep) {
    kind = DamageKind::too_deep;
  }
  Failure error = damaged(kind, frame.offset + failure.offset, failure.text, failure.field);
  if (!skipped_) {
    skipped_ = error.value();
  }
  return error;
}

Result<void> FileParser::send_message(const TableLayout& table, Bytes buffer, Bytes original,
                                      Bytes payload) {
  if (key_.kind == Kind::core && !has_note_ &&
      is_plain_zombie(*flatbuffers::GetRoot<schema::CoreEntry>(buffer.data()))) {
    return send_zombie(buffer, original);
  }
  Record record{{key_, seq_++}, &table, buffer, original, {}};
  if (!payload.empty()) {
    record.payload.parts.push_back(payload);
  }
  return sink_->record(record);
}

Result<void> FileParser::send_zombie(Bytes buffer, Bytes original) {
  const Bytes zombie = lift_zombie(*flatbuffers::GetRoot<schema::CoreEntry>(buffer.data()), own_);
  const FileKey key{Kind::zombie, key_.id};
  return sink_->record({{key, seq_++}, &schema::table_layout("Zombie"), zombie, original, {}});
}

Result<void> FileParser::send_note(Bytes trailing) {
  has_note_ = true;
  own_.Clear();
  own_.ForceDefaults(true);
  own_.Finish(schema::CreateImageFile(own_, 0, form_));
  const Bytes buffer = std::as_bytes(std::span(own_.GetBufferPointer(), own_.GetSize()));
  Record record{{key_, 0}, &schema::table_layout("ImageFile"), buffer, {}, {}};
  if (!trailing.empty()) {
    record.payload.parts.push_back(trailing);
  }
  return sink_->record(record);
}

Failure FileParser::damaged(DamageKind kind, std::uint64_t offset, std::string text,
                            std::string field) {
  const Damage damage{kind, name_, entry_, offset, std::move(field), std::move(text)};
  if (context_->on_damage) {
    context_->on_damage(damage);
  }
  return fail(damage.error());
}

void FileParser::report(DamageKind kind, std::uint64_t offset, std::string text,
                        std::string field) {
  if (context_->on_damage) {
    context_->on_damage({kind, name_, entry_, offset, std::move(field), std::move(text)});
  }
}

}  // namespace img::criu
