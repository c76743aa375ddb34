// SPDX-License-Identifier: MIT
// What a tool says: text for people, or with --json exactly one object, whatever happens
// (cli.md, "JSON"). tools/JSON.md lists every field of every object.
#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <string_view>

#include "libimg/base/error.h"
#include "libimg/base/json_writer.h"
#include "tools/frame/streams.h"

namespace img::frame {

struct ToolInfo {
  std::string_view name;    // img-convert
  std::string_view schema;  // convert, as in "stasis/convert/1"
  std::string_view help;    // fits one screen; ends with "Examples:" and three lines
};

[[nodiscard]] std::string_view version();

/// A member `error` of the object that is open.
void write_error(JsonWriter& json, const Error& error);

class Report {
 public:
  Report(const ToolInfo& tool, Streams& streams, bool json, bool quiet);

  [[nodiscard]] bool is_json() const { return json_.has_value(); }
  /// Inside the object, after schema, tool and version. Only if is_json().
  [[nodiscard]] JsonWriter& json() { return *json_; }
  /// Standard output; nowhere with --json.
  [[nodiscard]] std::ostream& text() { return is_json() ? nowhere_ : *streams_.out; }
  /// One line on stderr that is no error; not with -q.
  void note(std::string_view line);
  void set_quiet(bool quiet) { quiet_ = quiet; }

  /// The last word: the error, if any, and the exit code. Returns it, or what became of it where
  /// standard output could not be written.
  [[nodiscard]] int finish(int exit_code, const Error* error);

 private:
  void print_error(const Error& error);
  [[nodiscard]] int checked_output(int exit_code);

  const ToolInfo& tool_;
  Streams& streams_;
  bool quiet_;
  std::ostream nowhere_{nullptr};
  std::optional<JsonWriter> json_;
};

}  // namespace img::frame
