// SPDX-License-Identifier: MIT
#include "libimg/convert/open_image.h"

#include "libimg/archive/reader.h"
#include "libimg/convert/json_archive.h"
#include "libimg/convert/oci.h"
#include "libimg/json/directory.h"
#include "libimg/model/store_image.h"
#include "libimg/store/catalogue.h"

namespace img::convert {

namespace {

Result<std::unique_ptr<model::ImageReader>> open_directory(const Source& source,
                                                           const OpenOptions& options) {
  if (!source.image.empty()) {
    return fail(Fault::usage, source.place(), "only images in a store have names");
  }
  if (source.form == Form::json && is_json_archive(source.path)) {
    return open_json_archive(source.path, options);
  }
  IMG_ASSIGN(std::unique_ptr<criu::DirectoryReader> reader,
             source.form == Form::json
                 ? json::open_directory(source.path, {options.on_damage})
                 : criu::DirectoryReader::open(source.path, {options.on_damage}));
  return std::unique_ptr<model::ImageReader>(std::move(reader));
}

Result<std::unique_ptr<model::ImageReader>> open_archive(const Source& source,
                                                         const OpenOptions& options) {
  if (!source.image.empty()) {
    return fail(Fault::usage, source.place(), "only images in a store have names");
  }
  const std::string name = source.path == "-" ? "standard input" : source.path;
  IMG_ASSIGN(std::unique_ptr<archive::ArchiveReader> reader,
             archive::ArchiveReader::open(source.bytes, name, {options.stop, options.on_damage}));
  return std::unique_ptr<model::ImageReader>(std::move(reader));
}

}  // namespace

Failure not_in_this_version(const std::string& thing, Form form) {
  return fail(Fault::unsupported, thing, "not in this version",
              "a " + std::string(form_name(form)) + " can be neither read nor written yet");
}

Result<std::unique_ptr<model::ImageReader>> open_image(const Source& source,
                                                       const OpenOptions& options) {
  switch (source.form) {
    case Form::criu:
    case Form::json: return open_directory(source, options);
    case Form::archive: return open_archive(source, options);
    case Form::oci: return open_oci(source, options);
    case Form::store: {
      IMG_ASSIGN(std::shared_ptr<const store::Store> store, store::Store::open(source.path));
      IMG_ASSIGN(std::unique_ptr<model::StoreImageReader> reader,
                 model::StoreImageReader::open(std::move(store), source.image));
      return std::unique_ptr<model::ImageReader>(std::move(reader));
    }
    case Form::collection:
      if (const std::optional<Source> top = chain_top(source)) {
        return open_image(*top, options);
      }
      return fail(Fault::usage, source.path, "a collection of images, not one", {},
                  "name one of its members");
    default: return not_in_this_version(source.path, source.form);
  }
}

Result<std::vector<Source>> images_of(const Source& source) {
  std::vector<Source> images;
  if (source.form == Form::oci && source.image.empty()) {
    return images_of_oci(source);
  }
  if (source.form == Form::store && source.image.empty()) {
    IMG_ASSIGN(const std::shared_ptr<const store::Store> store, store::Store::open(source.path));
    IMG_ASSIGN(const store::Snapshot now, store->snapshot());
    IMG_ASSIGN(const std::vector<store::ImageRow> rows, store::list_images(*now));
    for (const store::ImageRow& row : rows) {
      if (row.has_name) {
        images.push_back({Form::store, source.path, std::string(row.name()), {}, {}});
      }
    }
    return images;
  }
  if (source.form != Form::collection || chain_top(source)) {
    images.push_back(source);
    return images;
  }
  for (const Source& member : source.members) {
    IMG_ASSIGN(const std::vector<Source> more, images_of(member));
    images.insert(images.end(), more.begin(), more.end());
  }
  return images;
}

}  // namespace img::convert
