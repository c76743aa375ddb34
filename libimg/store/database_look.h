// SPDX-License-Identifier: MIT
// A first look at data.mdb before LMDB maps it: LMDB believes its file, and divides by, maps and
// follows whatever the first two pages say.
#pragma once

#include <string>

#include "libimg/base/result.h"

namespace img::store {

/// Fault::corrupt or Fault::unsupported if the two meta pages cannot be those of a whole database;
/// Fault::missing if the file is empty.
[[nodiscard]] Result<void> look_at_database(int fd, const std::string& thing);

/// Name of the file system if LMDB must not be used on it (its locks and shared mappings do not
/// work there), else null. `type` is statfs's f_type.
[[nodiscard]] const char* refused_file_system(unsigned long type);

}  // namespace img::store
