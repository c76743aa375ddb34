// SPDX-License-Identifier: MIT
#include "libimg/base/json_writer.h"

#include <fmt/core.h>

#include <algorithm>

#include "libimg/base/assert.h"
#include "libimg/base/base64.h"
#include "libimg/base/text.h"
#include "libimg/base/units.h"

namespace img {
namespace {

constexpr std::size_t kFlushAt = 1 << 16;
constexpr std::uint64_t kExactInADouble = 1ULL << 53;

// Every code that is_control() says is in the basic plane, so one \u each is enough.
void append_character(std::string& out, Character next, std::string_view bytes) {
  switch (next.code) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\n': out += "\\n"; return;
    case '\t': out += "\\t"; return;
    default: break;
  }
  if (is_control(next.code)) {
    out += fmt::format("\\u{:04x}", next.code);
  } else {
    out += bytes;
  }
}

}  // namespace

void JsonWriter::before_value(std::string_view key) {
  if (!open_.empty()) {
    if (!open_.back().empty) {
      buffer_ += ", ";
    }
    open_.back().empty = false;
  }
  if (!key.empty()) {
    quoted(key);
    buffer_ += ": ";
  }
  if (buffer_.size() >= kFlushAt) {
    flush();
  }
}

void JsonWriter::begin(std::string_view key, char bracket) {
  before_value(key);
  buffer_ += bracket;
  open_.push_back({bracket == '{' ? '}' : ']', true});
}

void JsonWriter::begin_object(std::string_view key) {
  begin(key, '{');
}
void JsonWriter::begin_array(std::string_view key) {
  begin(key, '[');
}

void JsonWriter::end() {
  IMG_ASSERT(!open_.empty());
  buffer_ += open_.back().closing;
  open_.pop_back();
}

void JsonWriter::end_to(std::size_t depth) {
  while (open_.size() > depth) {
    end();
  }
}

void JsonWriter::quoted(std::string_view utf8) {
  buffer_ += '"';
  while (!utf8.empty()) {
    const Character next = first_character(utf8);
    append_character(buffer_, next, utf8.substr(0, next.bytes));
    utf8.remove_prefix(next.bytes);
  }
  buffer_ += '"';
}

void JsonWriter::text(std::string_view key, std::string_view value) {
  before_value(key);
  if (is_utf8(value)) {
    quoted(value);
    return;
  }
  quoted(escaped(value));
  if (!key.empty()) {
    before_value(std::string(key) + "_base64");
    quoted(base64(as_bytes(value)));
  }
}

void JsonWriter::texts(std::string_view key, std::span<const std::string> values) {
  begin_array(key);
  for (const std::string& value : values) {
    text({}, value);
  }
  end();
  if (std::ranges::all_of(values, [](const std::string& value) { return is_utf8(value); })) {
    return;
  }
  begin_array(std::string(key) + "_base64");
  for (const std::string& value : values) {
    text({}, base64(as_bytes(value)));
  }
  end();
}

void JsonWriter::number(std::string_view key, std::uint64_t value) {
  if (value > kExactInADouble) {
    hex(key, value);
    return;
  }
  before_value(key);
  buffer_ += std::to_string(value);
}

void JsonWriter::number_signed(std::string_view key, std::int64_t value) {
  before_value(key);
  buffer_ += std::to_string(value);
}

void JsonWriter::hex(std::string_view key, std::uint64_t value) {
  before_value(key);
  quoted(img::hex(value));
}

void JsonWriter::boolean(std::string_view key, bool value) {
  before_value(key);
  buffer_ += value ? "true" : "false";
}

void JsonWriter::null(std::string_view key) {
  before_value(key);
  buffer_ += "null";
}

void JsonWriter::time(std::string_view key, std::uint64_t realtime_ns) {
  before_value(key);
  quoted(rfc3339(realtime_ns));
}

void JsonWriter::flush() {
  if (!buffer_.empty()) {
    sink_(buffer_);
    buffer_.clear();
  }
}

}  // namespace img
