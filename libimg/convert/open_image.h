// SPDX-License-Identifier: MIT
// The image that a source stands for, whatever it is kept as.
#pragma once

#include <memory>

#include "libimg/convert/source.h"
#include "libimg/criu/directory_reader.h"
#include "libimg/model/record.h"

namespace img::convert {

struct OpenOptions {
  /// Of a foreign image: told of all damage met, the harmless too.
  criu::DamageSink on_damage = {};
  const std::atomic<int>* stop = nullptr;  // not 0: give up reading an archive
};

/// Of a store without a name: its newest image. A chain (a collection as chain_top() knows it) is
/// its newest level. Not for single files and OCI layouts.
[[nodiscard]] Result<std::unique_ptr<model::ImageReader>> open_image(
    const Source& source, const OpenOptions& options = {});

/// Every image that a source stands for where all are meant: each name of a store, each member of a
/// collection (but a chain is its newest level); else the source itself.
[[nodiscard]] Result<std::vector<Source>> images_of(const Source& source);

/// `thing: what` for a form that this version knows and does not handle.
[[nodiscard]] Failure not_in_this_version(const std::string& thing, Form form);

}  // namespace img::convert
