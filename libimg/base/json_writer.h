// SPDX-License-Identifier: MIT
// Writes JSON as cli.md wants reports: piece by piece, so a report may be larger than memory.
// Knows nothing of any report. What crit prints is written elsewhere.
//
//   JsonWriter json(sink);
//   json.begin_object();
//   json.text("name", name);
//   json.begin_array("findings");
//   json.begin_object(); ... json.end();
//   json.end_to(0);
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace img {

class JsonWriter {
 public:
  using Sink = std::function<void(std::string_view)>;
  explicit JsonWriter(Sink sink) : sink_(std::move(sink)) {}
  ~JsonWriter() { flush(); }
  JsonWriter(const JsonWriter&) = delete;
  JsonWriter& operator=(const JsonWriter&) = delete;

  // Keys are for members of an object, and are plain ASCII; an empty key is an array's element.
  void begin_object(std::string_view key = {});
  void begin_array(std::string_view key = {});
  void end();
  /// Closes what is open down to this depth: after an error in the middle of a report.
  void end_to(std::size_t depth);
  [[nodiscard]] std::size_t depth() const { return open_.size(); }

  /// Any bytes. Where they are not UTF-8: escaped, and exactly in `<key>_base64`.
  void text(std::string_view key, std::string_view value);
  /// The same for a list: where one of its texts is not UTF-8, `<key>_base64` has all of them.
  void texts(std::string_view key, std::span<const std::string> values);
  /// A count or a size; a hex string past 2^53, which no sane image has.
  void number(std::string_view key, std::uint64_t value);
  void number_signed(std::string_view key, std::int64_t value);
  /// What may pass 2^53 in any image (addresses, inodes, masks): always a hex string.
  void hex(std::string_view key, std::uint64_t value);
  void boolean(std::string_view key, bool value);
  void null(std::string_view key);
  /// Nanoseconds of CLOCK_REALTIME.
  void time(std::string_view key, std::uint64_t realtime_ns);

  void flush();

 private:
  void begin(std::string_view key, char bracket);
  void before_value(std::string_view key);
  void quoted(std::string_view utf8);

  Sink sink_;
  std::string buffer_;
  struct Scope {
    char closing;
    bool empty;
  };
  std::vector<Scope> open_;
};

}  // namespace img
