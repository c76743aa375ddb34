// SPDX-License-Identifier: MIT
#include "live/dump/record_buffer.h"

#include "schema/layout.h"

namespace img::dump {

RecordBuffer::~RecordBuffer() {
  for (const std::function<void()>& undo : undo_) {
    undo();
  }
}

void RecordBuffer::keep(Kind kind, std::uint64_t id, std::vector<Bytes> payload) {
  const Bytes made = std::as_bytes(std::span(builder_.GetBufferPointer(), builder_.GetSize()));
  bytes_ += made.size();
  files_[{kind, id}].push_back({{made.begin(), made.end()}, std::move(payload)});
}

Result<void> RecordBuffer::write(model::RecordSink& sink) {
  for (auto& [file, messages] : files_) {
    const schema::TableLayout* first = schema::kind_info(file.kind).table;
    model::Record record;
    record.key.file = file;
    for (Message& message : messages) {
      ++record.key.seq;
      record.table = file.kind == Kind::ghost_file && record.key.seq > 1
                         ? &schema::table_layout("GhostChunkEntry")
                         : first;
      record.flatbuffer = message.flatbuffer;
      record.payload.parts = std::move(message.payload);
      IMG_TRY(sink.record(record));
    }
  }
  undo_.clear();
  files_.clear();
  bytes_ = 0;
  return {};
}

}  // namespace img::dump
