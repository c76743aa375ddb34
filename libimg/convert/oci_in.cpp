// SPDX-License-Identifier: MIT
#include "libimg/archive/oci_layout.h"
#include "libimg/archive/reader.h"
#include "libimg/convert/oci.h"

namespace img::convert {
namespace {

using archive::OciImage;
using model::ImageReader;

Failure not_a_checkpoint(const Source& source) {
  return fail(Fault::unsupported, source.place(), "is no checkpoint",
              "an OCI image of one layer, which is a checkpoint archive, is wanted");
}

}  // namespace

Result<std::unique_ptr<ImageReader>> open_oci(const Source& source, const OpenOptions& options) {
  IMG_ASSIGN(const std::vector<OciImage> images, archive::read_oci_images(source.path));
  const OciImage* found = nullptr;
  for (const OciImage& image : images) {
    if (source.image.empty() || image.tag == source.image) {
      found = &image;
    }
  }
  if (found == nullptr) {
    return fail(Fault::missing, source.place(), "no such image in the layout");
  }
  if (found->layers.size() != 1 ||
      !found->layers.front().media_type.starts_with(archive::kOciLayer)) {
    return not_a_checkpoint(source);
  }
  IMG_ASSIGN(std::shared_ptr<const MappedFile> layer,
             archive::open_oci_blob(source.path, found->layers.front()));
  const std::string place = found->tag.empty() ? source.path : source.path + "::" + found->tag;
  IMG_ASSIGN(
      std::unique_ptr<archive::ArchiveReader> reader,
      archive::ArchiveReader::open(std::move(layer), place, {options.stop, options.on_damage}));
  return std::unique_ptr<ImageReader>(std::move(reader));
}

Result<std::vector<Source>> images_of_oci(const Source& source) {
  IMG_ASSIGN(const std::vector<OciImage> images, archive::read_oci_images(source.path));
  std::vector<Source> all;
  for (const OciImage& image : images) {
    if (!image.tag.empty()) {
      all.push_back({Form::oci, source.path, image.tag, {}, {}});
    }
  }
  if (all.empty()) {
    all.push_back(source);
  }
  return all;
}

}  // namespace img::convert
