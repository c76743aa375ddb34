// SPDX-License-Identifier: MIT
// Where an image comes from: what a person gave on the command line, recognised by its content
// (cli.md, "Sources"). Opens nothing for good and reads no image.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libimg/base/mapped_file.h"
#include "libimg/base/result.h"

namespace img::convert {

/// What images are kept as; also what --from and --to take.
enum class Form {
  store,
  criu,     // a directory of image files
  json,     // a directory of JSON files
  archive,  // a tar, perhaps compressed
  oci,
  core,        // a directory of ELF cores; only a destination
  criu_file,   // one image file
  json_file,   // the JSON of one image file
  collection,  // a folder of sources; only a source
};

[[nodiscard]] std::string_view form_name(Form form);  // "CRIU directory"

/// `store criu archive json core oci`, as --from and --to take them.
[[nodiscard]] Result<Form> parse_form(std::string_view text);
inline constexpr std::string_view kFormList = "store, criu, archive, json, core, oci";

struct Source {
  Form form = Form::criu;
  std::string path;   // "-" is standard input
  std::string image;  // the name asked for; empty: the newest, or all
  /// Of a single file: its bytes.
  std::shared_ptr<const MappedFile> bytes;
  /// Of a collection, by name.
  std::vector<Source> members;

  /// As a person would write it: "web.store::redis".
  [[nodiscard]] std::string place() const;
};

struct SourceOptions {
  std::string image = {};                  // -i
  std::optional<Form> from = {};           // --from: instead of looking
  int input = 0;                           // what "-" reads
  const std::atomic<int>* stop = nullptr;  // not 0: give up reading it
};

/// `PATH`, `PATH::NAME` or `-`.
[[nodiscard]] Result<Source> recognise(const std::string& argument, const SourceOptions& options);

/// Where a collection is a chain as img-convert writes it (1, 2 ... n, each naming the one before
/// as its parent): the newest level.
[[nodiscard]] std::optional<Source> chain_top(const Source& collection);

}  // namespace img::convert
