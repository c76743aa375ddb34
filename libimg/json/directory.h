// SPDX-License-Identifier: MIT
// A directory of JSON: one FILE.json for each image file that has messages (core-66.img.json,
// stats-dump.json), raw and unknown files and the `parent` link as they are. All else about such a
// directory is as in CRIU's, and done by the same reader and writer.
#pragma once

#include "libimg/criu/directory_reader.h"
#include "libimg/criu/directory_writer.h"
#include "libimg/json/file_out.h"

namespace img::json {

/// For criu::DirectoryReader and criu::DirectoryWriter. Large payloads of what is read are kept in
/// nameless files of temporary_directory().
[[nodiscard]] const criu::DirectoryForm& json_form();

[[nodiscard]] Result<std::unique_ptr<criu::DirectoryReader>> open_directory(
    const std::string& path, criu::DirectoryOptions options = {});

/// Several of them may fill one directory, each from a thread of its own; see DirectoryWriter.
[[nodiscard]] std::unique_ptr<criu::DirectoryWriter> make_writer(int directory, std::string place,
                                                                 criu::WriterOptions options = {});

/// For one file that is shown: with crit's choices, and without an image around it.
[[nodiscard]] std::unique_ptr<criu::AnyComposer> make_composer(const WriteOptions& options);

/// The image file that this JSON is of, and the file key that goes with it: by the text's magic,
/// and by the file's name ("core-66.img.json") where that fits it.
[[nodiscard]] Result<model::FileKey> identify_text(Bytes text, const std::string& file_name);

}  // namespace img::json
