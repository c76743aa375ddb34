// SPDX-License-Identifier: MIT
#include "libimg/json/file_out.h"

#include "libimg/base/assert.h"

namespace img::json {

using model::Record;

void FileOut::start(const schema::KindInfo& kind, ByteSink& sink, WriteOptions options) {
  IMG_ASSERT(!kind.crit_name.empty());
  kind_ = &kind;
  options_ = options;
  noted_ = begun_ = false;
  out_.start(sink);
  emit_.start(options.pretty);
  message_.set_shown(options.pretty);
  emit_.open('{');
  emit_.key("magic");
  put_string(out_, kind.crit_name);
}

Result<void> FileOut::record(const Record& record) {
  if (record.key.seq == 0) {
    note(record.as<schema::ImageFile>()->form(), record.payload);
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
  extra_.put(*kind_, record, {!options_.payload, options_.order.swapped});
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
  if (!noted_) {
    note(schema::FileForm::standard, {});
  }
  if (!begun_) {
    emit_.key("entries");
    emit_.open('[');
    begun_ = true;
  }
}

// Only what is odd; crit, which would not take such a file, has no word for it.
void FileOut::note(schema::FileForm form, const model::Payload& trailing) {
  noted_ = true;
  const bool big = kind_->kind == schema::Kind::inventory && options_.order.swapped;
  const std::uint64_t tail = trailing.size();
  if (form == schema::FileForm::standard && tail == 0 && !big) {
    return;
  }
  emit_.key("_file");
  emit_.open('{');
  if (form != schema::FileForm::standard) {
    emit_.key("form");
    put_string(out_, schema::EnumNameFileForm(form));
  }
  if (big) {
    emit_.key("byte_order");
    put_string(out_, "big");
  }
  if (tail != 0) {
    emit_.key("tail");
    put_base64(out_, trailing);
  }
  emit_.close('}');
}

// One entry for each of the chunk's; the chunk itself is ours, and crit knows nothing of it. If any
// of them is encoded oddly, each shows its own bytes of the file.
Result<void> FileOut::chunk(const Record& record) {
  const schema::TableLayout& layout = schema::table_layout("PagemapEntry");
  Bytes original = record.original;
  for (const schema::PagemapEntry* entry : *record.as<schema::PagemapChunk>()->entries()) {
    emit_.item();
    emit_.open('{');
    message_.members(*reinterpret_cast<const flatbuffers::Table*>(entry), layout);
    if (!record.original.empty()) {
      const std::size_t left = original.size();
      const std::uint32_t size =
          left < criu::kWordBytes ? 0 : options_.order.get32(original.data());
      if (left < criu::kWordBytes || size > left - criu::kWordBytes) {
        return fail(Fault::corrupt, std::string(kind_->name), "original bytes of a chunk",
                    "fewer messages than it has entries");
      }
      emit_.key("_original");
      put_base64(out_, original.subspan(criu::kWordBytes, size));
      original = original.subspan(criu::kWordBytes + size);
    }
    emit_.close('}');
  }
  return {};
}

}  // namespace img::json
