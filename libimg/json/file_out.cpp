// SPDX-License-Identifier: MIT
#include "libimg/json/file_out.h"

#include "libimg/base/assert.h"
#include "libimg/json/base64.h"
#include "schema/pack_generated.h"

namespace img::json {

using model::Record;

void FileOut::start(const schema::KindInfo& kind, ByteSink& sink, WriteOptions options) {
  IMG_ASSERT(!kind.crit_name.empty());
  kind_ = &kind;
  options_ = options;
  begun_ = false;
  out_.start(sink);
  emit_.start(options.pretty);
  message_.set_shown(options.pretty);
  emit_.open('{');
  emit_.key("magic");
  put_string(out_, kind.crit_name);
}

Result<void> FileOut::record(const Record& record) {
  if (record.key.seq == 0) {
    note(record);
    return {};
  }
  if (record.table == nullptr) {
    return fail(Fault::usage, std::string(kind_->name), "JSON", "a record without a message");
  }
  begin_entries();
  if (record.table->name == "PagemapChunk") {
    return chunk(record);
  }
  emit_.item();
  emit_.open('{');
  message_.members(*flatbuffers::GetRoot<flatbuffers::Table>(record.flatbuffer.data()),
                   *record.table);
  extra_.put(*kind_, record, !options_.payload);
  if (!record.original.empty()) {
    emit_.key("_original");
    put_base64(out_, record.original);
  }
  emit_.close('}');
  return {};
}

Result<void> FileOut::finish() {
  begin_entries();
  emit_.close(']');
  emit_.close('}');
  if (options_.new_line) {
    out_.put('\n');
  }
  return out_.flush();
}

void FileOut::begin_entries() {
  if (!begun_) {
    emit_.key("entries");
    emit_.open('[');
    begun_ = true;
  }
}

// Only what is odd about the file; crit, which would not take the file, has no word for it.
void FileOut::note(const Record& record) {
  const auto* const file = record.as<schema::ImageFile>();
  const std::uint64_t tail = record.payload.size();
  if (file->form() == schema::FileForm::standard && tail == 0) {
    return;
  }
  emit_.key("_file");
  emit_.open('{');
  if (file->form() != schema::FileForm::standard) {
    emit_.key("form");
    put_string(out_, schema::EnumNameFileForm(file->form()));
  }
  if (tail != 0) {
    emit_.key("tail");
    out_.put('"');
    Base64Out base64(out_);
    for (const Bytes part : record.payload.parts) {
      base64.put(part);
    }
    base64.finish();
    out_.put('"');
  }
  emit_.close('}');
}

// One entry for each of the chunk's; the chunk itself is ours, and crit knows nothing of it. If any
// of them is encoded oddly, each shows its own bytes of the file.
Result<void> FileOut::chunk(const Record& record) {
  const schema::TableLayout& layout = schema::table_layout("PagemapEntry");
  const auto* const entries = record.as<schema::PagemapChunk>()->entries();
  Bytes original = record.original;
  for (const schema::PagemapEntry* entry : *entries) {
    emit_.item();
    emit_.open('{');
    message_.members(*reinterpret_cast<const flatbuffers::Table*>(entry), layout);
    if (!record.original.empty()) {
      const bool whole =
          original.size() >= 4 && load<std::uint32_t>(original.data()) <= original.size() - 4;
      if (!whole) {
        return fail(Fault::corrupt, "pagemap", "original bytes of a chunk",
                    "fewer entries than the chunk");
      }
      const Bytes own = original.subspan(4, load<std::uint32_t>(original.data()));
      original = original.subspan(4 + own.size());
      emit_.key("_original");
      put_base64(out_, own);
    }
    emit_.close('}');
  }
  return {};
}

}  // namespace img::json
