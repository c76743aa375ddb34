// SPDX-License-Identifier: MIT
// JSON text to records that stay, and back.
#pragma once

#include <string>
#include <vector>

#include "libimg/criu/encoder.h"
#include "libimg/json/file_in.h"
#include "libimg/json/file_out.h"

namespace img::json::testing {

/// A record with memory of its own.
struct Kept {
  model::RecordKey key;
  const schema::TableLayout* table = nullptr;
  std::string flatbuffer;
  std::string original;
  std::string payload;

  explicit Kept(const model::Record& record)
      : key(record.key),
        table(record.table),
        flatbuffer(as_text(record.flatbuffer)),
        original(as_text(record.original)) {
    for (const Bytes part : record.payload.parts) {
      payload += as_text(part);
    }
  }

  [[nodiscard]] model::Record record() const {
    model::Record out{key, table, as_bytes(flatbuffer), as_bytes(original), {}};
    if (!payload.empty()) {
      out.payload.parts.push_back(as_bytes(payload));
    }
    return out;
  }
  /// The message, whatever the FlatBuffer looks like.
  [[nodiscard]] std::string encoded() const {
    criu::Encoder encoder;
    return std::string(as_text(encoder.encode(*table, *record().as<flatbuffers::Table>())));
  }
};

class Keeper final : public model::RecordSink {
 public:
  Result<void> record(const model::Record& record) override {
    kept.emplace_back(record);
    return {};
  }
  std::vector<Kept> kept;
};

inline Result<std::string> write_text(schema::Kind kind, const std::vector<Kept>& records,
                                      WriteOptions options = {}) {
  StringSink sink;
  FileOut out;
  out.start(schema::kind_info(kind), sink, options);
  for (const Kept& kept : records) {
    IMG_TRY(out.record(kept.record()));
  }
  IMG_TRY(out.finish());
  return std::move(sink.text);
}

inline Result<std::vector<Kept>> read_text(schema::Kind kind, std::string_view text,
                                           const criu::FileContext& context = {}) {
  Keeper keeper;
  FileIn in(temporary_directory());
  IMG_TRY(in.parse(context, {kind, 7}, "x.json", as_bytes(text), keeper));
  return std::move(keeper.kept);
}

}  // namespace img::json::testing
