// SPDX-License-Identifier: MIT
// Where an image goes: what a person gave on the command line, and what that means (cli.md,
// "Destinations"). Makes nothing.
#pragma once

#include <optional>
#include <string>

#include "libimg/base/result.h"
#include "libimg/convert/source.h"

namespace img::convert {

struct Destination {
  Form form = Form::store;
  std::string path;  // "-" is standard output
  bool exists = false;

  [[nodiscard]] bool is_output() const { return path == "-"; }
};

/// `to` is --to. Only a single file can come from a single file.
[[nodiscard]] Result<Destination> choose_destination(const std::string& argument,
                                                     std::optional<Form> to, const Source& source);

}  // namespace img::convert
