// SPDX-License-Identifier: MIT
// A chain as one image without a parent: everything is the newest level's, but that its page maps
// have all their memory.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "libimg/model/record.h"

namespace img::merge {

class FlatReader final : public model::ImageReader {
 public:
  /// Opens all levels.
  [[nodiscard]] static Result<std::unique_ptr<FlatReader>> open(
      std::unique_ptr<model::ImageReader> newest);

  /// The newest's, without id, parent and packs.
  [[nodiscard]] const schema::ImageHeader& header() const override;
  [[nodiscard]] const std::string& place() const override { return newest().place(); }
  [[nodiscard]] Result<model::ImageReader*> parent() override {
    return static_cast<model::ImageReader*>(nullptr);
  }
  /// Without pages files that a page map names: what they are is the page map's to say.
  [[nodiscard]] Result<std::vector<model::FileKey>> files() override;
  [[nodiscard]] Result<void> read(model::FileKey file, model::RecordSink& sink) override;
  [[nodiscard]] std::string file_name(model::FileKey file) const override {
    return newest().file_name(file);
  }

  /// Newest first.
  [[nodiscard]] const std::vector<model::ImageReader*>& levels() const { return levels_; }

 private:
  explicit FlatReader(std::unique_ptr<model::ImageReader> newest) : newest_(std::move(newest)) {}
  [[nodiscard]] model::ImageReader& newest() const { return *newest_; }
  void make_header();

  std::unique_ptr<model::ImageReader> newest_;
  std::vector<model::ImageReader*> levels_;
  flatbuffers::FlatBufferBuilder header_;
};

}  // namespace img::merge
