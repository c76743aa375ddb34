// SPDX-License-Identifier: MIT
// Records into the files of a CRIU image directory. Files are 0600 and are made new: one that is
// there already is an error. The caller gives a directory of its own and shows it when all is done.
#pragma once

#include <memory>
#include <string>

#include "libimg/base/byte_sink.h"
#include "libimg/criu/directory_form.h"
#include "libimg/criu/encoder.h"
#include "libimg/criu/wire.h"
#include "libimg/model/record.h"
#include "schema/pack_generated.h"

namespace img::criu {

/// The records of one image file as its bytes. Used for many files, one after the other.
class FileComposer : public AnyComposer {
 public:
  explicit FileComposer(WriterOptions options) : options_(options) {}

  void begin(model::FileKey file, ByteSink& out) override;
  void set_memory(ByteSink& memory) override { memory_ = &memory; }
  [[nodiscard]] Result<void> record(const model::Record& record) override;
  [[nodiscard]] Result<void> finish() override;

 private:
  [[nodiscard]] Result<void> header();
  [[nodiscard]] Result<void> note(const model::Record& record);
  [[nodiscard]] Result<void> chunk(const model::Record& record);
  [[nodiscard]] Result<void> message(Bytes bytes);
  [[nodiscard]] Result<void> zombie(const model::Record& record);

  WriterOptions options_;
  model::FileKey file_;
  ByteSink* out_ = nullptr;
  ByteSink* memory_ = nullptr;
  bool has_header_ = false;
  schema::FileForm form_ = schema::FileForm::standard;
  std::string trailing_;  // bytes after the only message, at most kMaxTrailingBytes
  Encoder encoder_;
  flatbuffers::FlatBufferBuilder own_;
};

/// Not for several threads at once; two writers may fill one directory with different files, as
/// long as a file of Kind::pages (the tail of one) comes after all pagemaps are committed.
class DirectoryWriter : public model::ImageWriter {
 public:
  /// Borrows `directory`; `place` names it in messages.
  DirectoryWriter(int directory, std::string place, WriterOptions options = {},
                  const DirectoryForm& form = criu_form());
  ~DirectoryWriter() override;

  [[nodiscard]] Result<void> record(const model::Record& record) override;
  /// Finishes the last file. Does not sync.
  [[nodiscard]] Result<void> commit() override;
  /// The link to the level below.
  [[nodiscard]] Result<void> link_parent(const std::string& text);

 private:
  struct OpenFile;
  class PagesFile;
  [[nodiscard]] Result<std::unique_ptr<OpenFile>> create(const std::string& name);
  [[nodiscard]] Result<void> begin(const model::Record& first);
  [[nodiscard]] Result<void> end();

  int directory_;
  std::string place_;
  const DirectoryForm& form_;
  std::unique_ptr<AnyComposer> composer_;
  model::FileKey file_;
  std::unique_ptr<OpenFile> out_;
  std::unique_ptr<PagesFile> memory_;
};

}  // namespace img::criu
