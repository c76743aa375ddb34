// SPDX-License-Identifier: MIT
// An OCI image layout as a folder of blobs: index.json names manifests, a manifest its layers, each
// by its SHA-256. Reads and writes the folder; what a layer means is for others to say.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "libimg/archive/sha256.h"
#include "libimg/base/mapped_file.h"
#include "libimg/base/result.h"
#include "libimg/base/unique_fd.h"

namespace img::archive {

inline constexpr std::string_view kOciManifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kOciConfig = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view kOciLayer = "application/vnd.oci.image.layer.v1.tar";

struct OciBlob {
  std::string media_type;
  std::string digest;
  std::uint64_t size = 0;
};

struct OciImage {
  std::string tag;  // org.opencontainers.image.ref.name; empty: it has none
  OciBlob manifest;
  OciBlob config;
  std::vector<OciBlob> layers;
  std::map<std::string, std::string> annotations;
};

/// Every image of a layout, in the order of its index.
[[nodiscard]] Result<std::vector<OciImage>> read_oci_images(const std::string& path);

/// A blob, once its size and its digest have been found right.
[[nodiscard]] Result<std::shared_ptr<const MappedFile>> open_oci_blob(const std::string& path,
                                                                      const OciBlob& blob);

class OciWriter {
 public:
  /// Into a directory that is empty.
  [[nodiscard]] static Result<OciWriter> create(int directory, std::string place);

  /// A blob while it is written; its name is known at the end.
  class Blob final : public ByteSink {
   public:
    [[nodiscard]] Result<void> write(Bytes bytes) override { return hash_.write(bytes); }

   private:
    friend class OciWriter;
    Blob(UniqueFd fd, std::string name)
        : fd_(std::move(fd)), name_(std::move(name)), out_(fd_.get(), name_), hash_(&out_) {}
    UniqueFd fd_;
    std::string name_;
    FdSink out_;
    Sha256Sink hash_;
  };
  [[nodiscard]] Result<std::unique_ptr<Blob>> begin_blob();
  [[nodiscard]] Result<OciBlob> end_blob(Blob& blob, std::string_view media_type);
  [[nodiscard]] Result<OciBlob> add_blob(Bytes bytes, std::string_view media_type);

  /// Writes manifest and index: the layout is whole then.
  [[nodiscard]] Result<void> finish(OciImage image);

 private:
  OciWriter() = default;
  std::string place_;
  UniqueFd directory_;
  UniqueFd blobs_;
  unsigned begun_ = 0;
};

}  // namespace img::archive
