// SPDX-License-Identifier: MIT
// One image file to JSON and back, without the image that it is part of.
#pragma once

#include "libimg/base/byte_sink.h"
#include "libimg/convert/source.h"
#include "libimg/criu/file_parser.h"
#include "libimg/json/file_out.h"

namespace img::convert {

/// Which file it is: from its name, and its magic where the name says nothing.
struct SingleFile {
  model::FileKey key;
  criu::FileContext context;
  std::string name;
};

[[nodiscard]] Result<SingleFile> identify(const Source& source);

/// The records of a Form::criu_file.
[[nodiscard]] Result<void> read_single(const Source& source, model::RecordSink& sink);

/// One file of an image as crit shows it.
[[nodiscard]] Result<void> show_records(model::ImageReader& image, model::FileKey file,
                                        const json::WriteOptions& options, ByteSink& out);
/// The same of a Form::criu_file.
[[nodiscard]] Result<void> show_single(const Source& source, json::WriteOptions options,
                                       ByteSink& out);

/// A Form::criu_file as crit's JSON, or a Form::json_file as an image file.
[[nodiscard]] Result<void> convert_single(const Source& source, Form to, ByteSink& out);

}  // namespace img::convert
