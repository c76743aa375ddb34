// SPDX-License-Identifier: MIT
#include "libimg/convert/oci.h"

#include "libimg/archive/container.h"
#include "libimg/archive/oci_layout.h"
#include "libimg/base/image_name.h"
#include "libimg/base/json_writer.h"
#include "libimg/base/staged.h"
#include "libimg/convert/archive_out.h"
#include "libimg/convert/store_naming.h"

namespace img::convert {
namespace {

using archive::Compression;
using archive::Container;
using archive::OciImage;
using archive::OciWriter;
using model::ImageReader;

std::string layer_type(Compression how) {
  switch (how) {
    case Compression::gzip: return std::string(archive::kOciLayer) + "+gzip";
    case Compression::zstd: return std::string(archive::kOciLayer) + "+zstd";
    case Compression::none: break;
  }
  return std::string(archive::kOciLayer);
}

// What the runtimes call things in the annotations that they look for.
std::map<std::string, std::string> annotations_of(const Container& container,
                                                  const std::string& series) {
  const std::string& name = container.name.empty() ? series : container.name;
  std::map<std::string, std::string> all = {
      {"org.criu.checkpoint.container.name", name},
      {"org.criu.checkpoint.engine.name", container.engine},
      {"org.criu.checkpoint.pod.name", container.pod},
      {"org.criu.checkpoint.pod.namespace", container.name_space},
      {"org.criu.checkpoint.rootfsImageName", container.image},
      {"org.criu.checkpoint.rootfsImageID", container.image_id},
      {"org.criu.checkpoint.runtime.name", container.runtime},
      {"io.kubernetes.cri-o.annotations.checkpoint.name", name},
      {"io.podman.annotations.checkpoint.name", name},
      {"io.podman.annotations.checkpoint.rootfsImageName", container.image},
      {"io.podman.annotations.checkpoint.rootfsImageID", container.image_id},
      {"io.podman.annotations.checkpoint.runtime.name", container.runtime}};
  std::erase_if(all, [](const auto& one) { return one.second.empty(); });
  return all;
}

std::string config_text(const std::string& diff_id) {
  std::string text;
  JsonWriter json([&text](std::string_view piece) { text += piece; });
  json.begin_object();
  json.text("architecture", "amd64");
  json.text("os", "linux");
  json.begin_object("config");
  json.end();
  json.begin_object("rootfs");
  json.text("type", "layers");
  const std::vector<std::string> ids = {diff_id};
  json.texts("diff_ids", ids);
  json.end_to(0);
  json.flush();
  return text;
}

// The archive as a blob, and the digest of it before it was compressed.
Result<archive::OciBlob> write_layer(const std::vector<ImageReader*>& levels, Compression how,
                                     OciWriter& layout, std::string& diff_id,
                                     const Options& options) {
  IMG_ASSIGN(const std::unique_ptr<OciWriter::Blob> blob, layout.begin_blob());
  const std::unique_ptr<archive::Deflater> deflater = archive::make_deflater(how, *blob);
  archive::Sha256Sink plain(deflater.get());
  IMG_TRY(write_tar(levels, plain, options));
  IMG_TRY(deflater->finish());
  diff_id = plain.digest();
  return layout.end_blob(*blob, layer_type(how));
}

}  // namespace

Result<Outcome> write_oci(const std::vector<ImageReader*>& levels, const Destination& destination,
                          const Options& options) {
  ImageReader& newest = *levels.back();
  const Container container = archive::container_of(newest);
  IMG_ASSIGN(StagedDirectory staged, StagedDirectory::create(destination.path));
  IMG_ASSIGN(OciWriter layout, OciWriter::create(staged.fd(), destination.path));
  Compression how = compression_for(destination.path, newest);
  how = container.is_there || how != Compression::none ? how : Compression::zstd;
  Copied own;
  Options counted = options;
  counted.copied = options.copied == nullptr ? &own : options.copied;
  OciImage image;
  std::string diff_id;
  IMG_ASSIGN(archive::OciBlob layer, write_layer(levels, how, layout, diff_id, counted));
  image.layers.push_back(std::move(layer));
  IMG_ASSIGN(image.config, layout.add_blob(as_bytes(config_text(diff_id)), archive::kOciConfig));
  const std::string series = options.series.empty() ? series_of(newest) : options.series;
  image.annotations = annotations_of(container, series);
  image.tag = options.as.empty() ? series : options.as;
  Made made;
  made.name = image.tag;
  made.place = destination.path + "::" + image.tag;
  made.files = counted.copied->files;
  made.bytes = counted.copied->bytes;
  IMG_TRY(layout.finish(std::move(image)));
  IMG_TRY(staged.commit());
  Outcome outcome;
  outcome.levels.push_back(std::move(made));
  return outcome;
}

}  // namespace img::convert
