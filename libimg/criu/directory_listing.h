// SPDX-License-Identifier: MIT
// The names in an image directory, sorted into what they stand for. Opens no file.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "libimg/base/result.h"
#include "libimg/criu/directory_form.h"
#include "libimg/model/record.h"

namespace img::criu {

struct DirectoryListing {
  std::vector<model::FileKey> known;       // in no order
  std::vector<std::string> unknown_names;  // sorted; FileKey{unknown_file, index}
  std::optional<std::string> parent_link;  // text of `parent`; empty where it is no link
};

/// Sorts one name in. `link` is asked for the text of `parent`. Refuses an encrypted image.
[[nodiscard]] Result<void> add_name(DirectoryListing& listing, const DirectoryForm& form,
                                    std::string_view name, const std::string& path,
                                    const std::function<Result<std::string>()>& link);

/// `path` names the directory in errors. Refuses an encrypted image.
[[nodiscard]] Result<DirectoryListing> list_directory(const DirectoryForm& form, int directory,
                                                      const std::string& path);

/// Whether a directory looks like an image: there is a name in it that CRIU writes.
[[nodiscard]] bool is_image_directory(const std::string& path);

}  // namespace img::criu
