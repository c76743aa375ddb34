// SPDX-License-Identifier: MIT
// The store that an image goes into, made for it if there is none, and the image in it while it is
// written. Until commit() nothing of it is visible under its name.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "libimg/base/staged.h"
#include "libimg/model/store_image.h"
#include "libimg/store/known_pages.h"

namespace img::dump {

struct DestinationOptions {
  std::string store;
  std::string as;  // empty: SERIES-TIME
  std::string series;
  std::uint64_t now_ns = 0;
  bool deduplicate = false;
};

class Destination {
 public:
  [[nodiscard]] static Result<Destination> open(const DestinationOptions& options);

  [[nodiscard]] model::StoreImageWriter& image() { return *image_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  /// Image and store are on stable storage, under their names.
  [[nodiscard]] Result<void> commit();

 private:
  // Destroyed from the last to the first.
  std::optional<StagedDirectory> staged_;
  std::shared_ptr<const store::Store> store_;
  std::unique_ptr<store::KnownPages> known_;
  std::unique_ptr<model::StoreImageWriter> image_;
  std::string name_;
};

}  // namespace img::dump
