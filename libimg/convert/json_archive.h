// SPDX-License-Identifier: MIT
// A checkpoint archive as a directory of JSON: members under their paths, image files as JSON, and
// archive.json, which says what a directory cannot: order, owners, modes, header blocks.
#pragma once

#include <array>
#include <string_view>

#include "libimg/base/unique_fd.h"
#include "libimg/convert/convert.h"
#include "libimg/convert/open_image.h"
#include "libimg/model/record.h"

namespace img::convert {

inline constexpr const char* kArchiveManifest = "archive.json";
// What archive.json says of itself, and its words for schema::MemberType and schema::Compression.
inline constexpr std::string_view kArchiveFormat = "stasis/archive/1";
inline constexpr std::array<std::string_view, 4> kMemberTypes = {"file", "directory",
                                                                 "symbolic link", "hard link"};
inline constexpr std::array<std::string_view, 3> kCompressionNames = {"none", "gzip", "zstd"};

/// Where the levels go, oldest first; empty: the image came in no archive.
[[nodiscard]] Result<std::vector<std::string>> archive_folders(model::ImageReader& newest);

/// `path` and what is above it, below `directory`.
[[nodiscard]] Result<UniqueFd> make_folders(int directory, std::string_view path,
                                            const std::string& place);

/// All but the files of the levels.
[[nodiscard]] Result<void> write_archive_parts(model::ImageReader& newest, int directory,
                                               const std::string& place);

[[nodiscard]] bool is_json_archive(const std::string& path);
[[nodiscard]] Result<std::unique_ptr<model::ImageReader>> open_json_archive(
    const std::string& path, const OpenOptions& options);

}  // namespace img::convert
