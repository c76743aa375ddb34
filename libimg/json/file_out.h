// SPDX-License-Identifier: MIT
// The records of one image file as crit's JSON, in one pass: an entry is written while its record
// is there, and nothing of it is kept.
#pragma once

#include "libimg/criu/wire.h"
#include "libimg/json/extra_out.h"
#include "libimg/json/message_out.h"
#include "libimg/model/record.h"
#include "schema/pack_generated.h"

namespace img::json {

struct WriteOptions {
  bool pretty = true;     // as `crit decode --pretty`; else as `crit decode`
  bool payload = true;    // false: how much, not what (`--nopl`); such JSON cannot be read back
  bool new_line = false;  // at the end, as crit has it on stdout and not in a file
  criu::WordOrder order = {};  // of the image; if it is not ours, the inventory says so
};

/// Used for many files, one after the other; its buffers are kept.
///
///   FileOut out;
///   out.start(kind_info(Kind::core), sink, {});
///   IMG_TRY(reader.read({Kind::core, 66}, out));
///   IMG_TRY(out.finish());
class FileOut final : public model::RecordSink {
 public:
  FileOut() : emit_(out_), message_(emit_), extra_(emit_) {}

  /// `kind` must have messages: raw files have no JSON.
  void start(const schema::KindInfo& kind, ByteSink& sink, WriteOptions options);
  [[nodiscard]] Result<void> record(const model::Record& record) override;
  /// What a sink that would not take the text said comes out here at the latest.
  [[nodiscard]] Result<void> finish();

 private:
  void note(schema::FileForm form, const model::Payload& trailing);
  void begin_entries();
  [[nodiscard]] Result<void> chunk(const model::Record& record);

  TextOut out_;
  Emitter emit_;
  MessageOut message_;
  ExtraOut extra_;
  const schema::KindInfo* kind_ = nullptr;
  WriteOptions options_;
  bool noted_ = false;  // what is odd about the file
  bool begun_ = false;  // the list of entries
};

}  // namespace img::json
