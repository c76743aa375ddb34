// SPDX-License-Identifier: MIT
// Where the files of one image lie: a directory of a file system, or a folder of something else
// that holds files. Whoever reads the image knows only this; nothing here follows a link to a file.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "libimg/criu/directory_listing.h"
#include "libimg/criu/image_file.h"

namespace img::criu {

class ImageFolder {
 public:
  virtual ~ImageFolder() = default;

  /// As a person would write it.
  [[nodiscard]] virtual const std::string& path() const = 0;
  [[nodiscard]] virtual Result<DirectoryListing> list(const DirectoryForm& form) const = 0;
  /// All bytes of a regular file, valid as long as `into` opens no other. What is no such file is
  /// the damage of `into`.
  [[nodiscard]] virtual Result<Bytes> open(const std::string& name, ImageFileBytes& into) const = 0;
  /// Of a regular file.
  [[nodiscard]] virtual std::optional<std::uint64_t> size_of(const std::string& name) const = 0;
  /// Where a `parent` link with this text leads.
  [[nodiscard]] virtual Result<std::unique_ptr<ImageFolder>> follow(
      const std::string& link) const = 0;
};

/// The image directory that a user named; its parents are found as ChainPlace says.
[[nodiscard]] Result<std::unique_ptr<ImageFolder>> open_folder(const std::string& path);

}  // namespace img::criu
