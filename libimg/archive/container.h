// SPDX-License-Identifier: MIT
// What an archive says of its container: config.dump and spec.dump, as Podman, CRI-O and containerd
// write them. Reads any image that came from an archive, whatever it is kept as now.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libimg/model/record.h"
#include "schema/archive_generated.h"

namespace img::archive {

struct Mount {
  std::string destination;
  std::string type;
  std::string source;
  std::vector<std::string> options;
};

/// A member that is not a file of the image.
struct Part {
  std::string path;
  schema::MemberType type = schema::MemberType::file;
  std::uint64_t size = 0;
};

struct Container {
  bool is_there = false;  // config.dump or spec.dump
  std::string engine;     // "Podman", "CRI-O", "containerd"; empty: not known
  std::string id;
  std::string name;
  std::string pod;
  std::string name_space;  // of Kubernetes
  std::string image;
  std::string image_id;
  std::string runtime;
  std::string created;
  std::string checkpointed;  // as the archive says
  std::optional<std::uint64_t> checkpointed_ns;
  std::vector<std::string> ips;
  std::vector<std::string> macs;
  std::string hostname;
  std::vector<std::string> command;
  std::vector<Mount> mounts;
  std::vector<std::string> descriptors;  // what 0, 1, 2 were
  std::vector<std::string> deleted_files;
  std::vector<Part> parts;
  std::uint64_t image_bytes = 0;  // of the files of the image, of all levels
  std::uint64_t rootfs_diff_bytes = 0;
  bool has_rootfs_diff = false;
  std::vector<std::pair<std::string, std::string>> annotations;
  std::vector<Error> troubles;  // parts that cannot be read

  /// NAMESPACE_POD_CONTAINER, as far as they are known; "" where none is.
  [[nodiscard]] std::string series() const;
};

[[nodiscard]] Container container_of(model::ImageReader& image);

}  // namespace img::archive
