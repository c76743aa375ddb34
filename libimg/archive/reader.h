// SPDX-License-Identifier: MIT
// A checkpoint archive as an image: the files of its folder are read as those of a directory are,
// and what else is in it are the records of Kind::archive and Kind::archive_member. Parents are
// found only inside of the archive.
#pragma once

#include <memory>

#include "libimg/archive/container.h"
#include "libimg/archive/contents.h"
#include "libimg/criu/directory_form.h"
#include "libimg/criu/directory_reader.h"
#include "libimg/model/record.h"

namespace img::archive {

/// An ArchiveMember.
void build_member(flatbuffers::FlatBufferBuilder& builder, const Member& member,
                  std::uint32_t level, Bytes head);

/// The header of an image that has these parts around it. Lives in `builder`.
void build_header(flatbuffers::FlatBufferBuilder& builder, const schema::ImageHeader& image,
                  const Container& container);

class ArchiveReader final : public model::ImageReader {
 public:
  /// `place` is how a person calls the archive.
  [[nodiscard]] static Result<std::unique_ptr<ArchiveReader>> open(
      std::shared_ptr<const MappedFile> archive, std::string place, ReadOptions options = {});

  [[nodiscard]] const schema::ImageHeader& header() const override;
  [[nodiscard]] const std::string& place() const override { return contents_->name(); }
  [[nodiscard]] Result<ImageReader*> parent() override { return image_->parent(); }
  [[nodiscard]] Result<std::vector<model::FileKey>> files() override;
  [[nodiscard]] Result<void> read(model::FileKey file, model::RecordSink& sink) override;
  [[nodiscard]] std::string file_name(model::FileKey file) const override;

  [[nodiscard]] const Contents& contents() const { return *contents_; }

 private:
  ArchiveReader(std::shared_ptr<const Contents> contents,
                std::unique_ptr<criu::DirectoryReader> image)
      : contents_(std::move(contents)), image_(std::move(image)) {}
  [[nodiscard]] Result<void> read_archive(model::RecordSink& sink) const;
  [[nodiscard]] Result<void> read_members(model::RecordSink& sink) const;

  std::shared_ptr<const Contents> contents_;
  std::unique_ptr<criu::DirectoryReader> image_;
  flatbuffers::FlatBufferBuilder header_;
};

}  // namespace img::archive
