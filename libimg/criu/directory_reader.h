// SPDX-License-Identifier: MIT
// A CRIU image directory as it lies on disk. Files are opened one at a time, never through a link,
// and never anything but regular files; parents are found only inside the directory that holds the
// first image, so that an image cannot make us read what its owner could not.
#pragma once

#include <memory>
#include <string>

#include "libimg/base/result.h"
#include "libimg/criu/file_parser.h"
#include "libimg/criu/image_folder.h"
#include "libimg/model/record.h"

namespace img::criu {

struct DirectoryOptions {
  /// Told of every damage met while reading. Called by the thread that reads.
  DamageSink on_damage;
  const DirectoryForm* form = &criu_form();
};

class DirectoryReader : public model::ImageReader {
 public:
  [[nodiscard]] static Result<std::unique_ptr<DirectoryReader>> open(const std::string& path,
                                                                     DirectoryOptions options = {});
  [[nodiscard]] static Result<std::unique_ptr<DirectoryReader>> open(
      std::unique_ptr<ImageFolder> folder, DirectoryOptions options = {});
  ~DirectoryReader() override;

  [[nodiscard]] const schema::ImageHeader& header() const override;
  [[nodiscard]] const std::string& place() const override;
  [[nodiscard]] Result<ImageReader*> parent() override;
  [[nodiscard]] Result<std::vector<model::FileKey>> files() override;
  [[nodiscard]] Result<void> read(model::FileKey file, model::RecordSink& sink) override;
  [[nodiscard]] Result<void> read_held(model::FileKey pagemap, model::RecordSink& sink,
                                       std::shared_ptr<const void>& hold) override;
  [[nodiscard]] std::string file_name(model::FileKey file) const override;

  /// From now on the hash of every file that is read is kept for digest(). Call it before reading.
  void keep_digests();
  /// XXH3-128 of this level: what ImageHeader.provenance.digest is made of. Reads every file whose
  /// hash was not kept.
  [[nodiscard]] Result<schema::Id128> digest();

 private:
  struct State;
  explicit DirectoryReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace img::criu
