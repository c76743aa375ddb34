// SPDX-License-Identifier: MIT
#include "libimg/json/file_in.h"

#include <fmt/core.h>

#include "libimg/base/text.h"
#include "libimg/criu/zombie.h"
#include "libimg/json/base64.h"
#include "schema/pagemap_generated.h"
#include "schema/remaps_generated.h"

namespace img::json {

using model::FileKey;
using model::Record;
using schema::FileForm;
using schema::Kind;
using schema::KindInfo;
using schema::Shape;
using schema::TableLayout;

namespace {

const KindInfo* kind_by_magic(std::string_view magic) {
  for (const KindInfo& info : schema::kinds()) {
    if (!info.crit_name.empty() && info.crit_name == magic) {
      return &info;
    }
  }
  return nullptr;
}

Bytes finished(flatbuffers::FlatBufferBuilder& builder) {
  return std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize()));
}

}  // namespace

Result<const KindInfo*> kind_of_text(Bytes text, const std::string& name) {
  Parser parser(as_text(text), name);
  std::string scratch;
  std::string_view key;
  IMG_TRY(parser.begin_object());
  IMG_ASSIGN(bool more, parser.next_key(key));
  while (more) {
    if (key == "magic") {
      IMG_ASSIGN(const std::string_view magic, parser.text(scratch));
      const KindInfo* const kind = kind_by_magic(magic);
      if (kind == nullptr) {
        return parser.refuse("the name of no kind of image file");
      }
      return kind;
    }
    IMG_TRY(parser.skip());
    IMG_ASSIGN(more, parser.next_key(key));
  }
  return parser.refuse("`magic` is not there");
}

Result<void> FileIn::parse(const criu::FileContext& context, FileKey key, const std::string& name,
                           Bytes text, model::RecordSink& sink) {
  context_ = &context;
  kind_ = &schema::kind_info(key.kind);
  if (kind_->is_raw()) {
    return raw_.parse(context, key, name, text, sink);
  }
  key_ = key;
  sink_ = &sink;
  seq_ = entries_ = used_ = 0;
  has_note_ = ghost_chunks_ = false;
  form_ = FileForm::standard;
  order_ = {};
  tail_.clear();
  Parser parser(as_text(text), name);
  return members(parser);
}

Result<void> FileIn::members(Parser& parser) {
  std::optional<Parser> later;  // at the entries, if they came before what they are of
  bool known = false;
  bool read = false;
  std::string scratch;
  std::string_view key;
  IMG_TRY(parser.begin_object());
  IMG_ASSIGN(bool more, parser.next_key(key));
  while (more) {
    if (key == "magic" && !known) {
      IMG_ASSIGN(const std::string_view magic, parser.text(scratch));
      if (magic != kind_->crit_name) {
        return parser.refuse(
            fmt::format("`{}`, where {} is expected", escaped(magic, 64), kind_->crit_name));
      }
      known = true;
    } else if (key == "_file" && !has_note_ && !read) {
      IMG_TRY(note(parser));
    } else if (key == "entries" && !read && !later) {
      read = known;
      if (known) {
        IMG_TRY(entries(parser));
      } else {
        later = parser;
        IMG_TRY(parser.skip());
      }
    } else {
      return parser.refuse("expected `magic`, `_file`, `entries`, each once");
    }
    IMG_ASSIGN(more, parser.next_key(key));
  }
  if (!known || !(read || later)) {
    return parser.refuse(fmt::format("`{}` is not there", known ? "entries" : "magic"));
  }
  IMG_TRY(parser.end());
  return later ? entries(*later) : Result<void>{};
}

Result<void> FileIn::note(Parser& parser) {
  has_note_ = true;
  std::string_view key;
  IMG_TRY(parser.begin_object());
  IMG_ASSIGN(bool more, parser.next_key(key));
  while (more) {
    IMG_TRY(note_member(parser, key));
    IMG_ASSIGN(more, parser.next_key(key));
  }
  // Byte order alone is a note on the image, not on the file.
  has_note_ = form_ != FileForm::standard || tail_.size() != 0;
  return {};
}

Result<void> FileIn::note_member(Parser& parser, std::string_view key) {
  const bool is_tail = key == "tail";
  const bool is_form = key == "form";
  if (!is_tail && !is_form && key != "byte_order") {
    return parser.refuse("expected `form`, `tail` or `byte_order`");
  }
  std::string scratch;
  IMG_ASSIGN(const std::string_view inside, parser.string());
  if (is_tail) {
    if (inside.size() > 2 * criu::kMaxTrailingBytes || !kind_->is_single()) {
      return parser.refuse("more than can follow the messages of this file");
    }
    tail_.clear();
    auto done = decode_base64(inside, tail_);
    return done ? Result<void>{} : parser.refuse(std::move(done).error());
  }
  const std::string_view text = without_escapes(inside, scratch);
  if (is_form) {
    const auto* const forms = schema::table_layout("ImageFile").by_name("form")->enumeration;
    const auto* const form = forms->find(text);
    if (form == nullptr) {
      return parser.refuse("no form that a file can have");
    }
    form_ = static_cast<FileForm>(form->number);
    return {};
  }
  order_.swapped = text == "big";
  return order_.swapped || text == "little" ? Result<void>{}
                                            : parser.refuse("expected `big` or `little`");
}

Result<void> FileIn::send_note() {
  own_.Clear();
  own_.ForceDefaults(true);
  own_.Finish(schema::CreateImageFile(own_, 0, form_));
  Record record{{key_, 0}, &schema::table_layout("ImageFile"), finished(own_), {}, {}};
  if (tail_.size() != 0) {
    IMG_ASSIGN(const Bytes tail, tail_.bytes());
    record.payload.parts.push_back(tail);
  }
  return sink_->record(record);
}

Result<void> FileIn::entries(Parser& parser) {
  if (has_note_) {
    IMG_TRY(send_note());
  }
  message_.begin();
  chunk_.clear();
  originals_.clear();
  chunk_bytes_ = 0;
  IMG_TRY(parser.begin_array());
  IMG_ASSIGN(bool more, parser.next_item());
  for (; more; ++entries_) {
    IMG_TRY(entry(parser));
    IMG_ASSIGN(more, parser.next_item());
  }
  if (kind_->shape == Shape::pagemap && entries_ != 0) {
    if (!chunk_.empty()) {
      IMG_TRY(send_chunk(parser));
    }
    return context_->pages_used ? context_->pages_used(pages_id_, used_) : Result<void>{};
  }
  if (entries_ == 0) {
    if (kind_->is_single() || kind_->shape == Shape::ghost || kind_->shape == Shape::pagemap) {
      return parser.refuse("an entry is required, and there is none");
    }
    if (!has_note_) {
      return send_note();  // that there is such a file, without messages
    }
  }
  return {};
}

Result<void> FileIn::entry(Parser& parser) {
  if (kind_->is_single() && entries_ != 0) {
    return parser.refuse(fmt::format("a second entry, where {} has one", kind_->crit_name));
  }
  if (kind_->shape == Shape::pagemap && entries_ != 0) {
    return chunk_entry(parser);
  }
  if (kind_->shape == Shape::ghost && entries_ != 0) {
    if (!ghost_chunks_) {
      return parser.refuse("a chunk, where the first entry does not say `chunks`");
    }
    return message(parser, schema::table_layout("GhostChunkEntry"));
  }
  return message(parser, *kind_->table);
}

Result<void> FileIn::message(Parser& parser, const TableLayout& table) {
  message_.begin();
  extra_.begin(parser, *kind_, context_->order);
  IMG_ASSIGN(const auto offset, message_.object(parser, table, &extra_));
  Record record{{key_, ++seq_}, &table, message_.finish(offset), {}, {}};
  if (kind_->shape == Shape::ghost && seq_ == 1) {
    ghost_chunks_ = record.as<schema::GhostFileEntry>()->chunks().value_or(false);
  } else if (kind_->shape == Shape::pagemap) {
    pages_id_ = record.as<schema::PagemapHead>()->pages_id();
  }
  IMG_TRY(extra_.give(record));
  IMG_ASSIGN(record.original, checked_original(parser, table, *record.as<flatbuffers::Table>()));
  IMG_TRY(send(record));
  message_.begin();
  return {};
}

Result<void> FileIn::send(Record& record) {
  if (key_.kind == Kind::core && !has_note_) {
    const auto& core = *record.as<schema::CoreEntry>();
    if (criu::is_plain_zombie(core)) {
      record.key.file.kind = Kind::zombie;
      record.table = &schema::table_layout("Zombie");
      record.flatbuffer = criu::lift_zombie(core, own_);
    }
  }
  return sink_->record(record);
}

Result<Bytes> FileIn::checked_original(Parser& parser, const TableLayout& table,
                                       const flatbuffers::Table& root) {
  const Bytes original = extra_.original();
  if (original.empty()) {
    return original;
  }
  const std::string ours(as_text(encoder_.encode(table, root)));
  if (ours == as_text(original)) {
    return Bytes{};
  }
  decoder_.begin();
  const auto decoded = decoder_.message(table, original);
  if (decoded) {
    const Bytes buffer = decoder_.finish(*decoded);
    const auto& same = *flatbuffers::GetRoot<flatbuffers::Table>(buffer.data());
    if (as_text(encoder_.encode(table, same)) == ours) {
      return original;
    }
  }
  return parser.refuse("`_original` is not what the entry says",
                       "remove `_original` to use the entry as it was edited");
}

}  // namespace img::json
