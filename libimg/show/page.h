// SPDX-License-Identifier: MIT
// What a view says, before anybody decides how it looks: named values, tables, lists of objects.
// A view is written once, against this; one page makes it text for people, another JSON for
// programs. Knows no image.
//
//   page.begin("zombies");
//   page.begin_table("zombies", {{"pid", "PID", Align::right}, {"comm", "NAME"}});
//   page.row({Value::count(66), Value::text("redis")});
//   page.end_table();
//   page.end();
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libimg/base/bytes.h"

namespace img::show {

/// One value, with what it measures.
struct Value {
  enum class Form : std::uint8_t {
    none,  // not known: absent in JSON, a dash in text
    text,
    count,
    negative,
    size,  // bytes
    hex,
    time,      // nanoseconds of CLOCK_REALTIME
    duration,  // microseconds
    yes_no,
    list,  // of texts
    numbers,
    base64,  // bytes, for programs
  };
  Form form = Form::none;
  std::uint64_t number = 0;
  std::string bytes;  // of a text: any bytes
  std::vector<std::string> texts;
  std::vector<std::uint64_t> counts;

  [[nodiscard]] static Value text(std::string_view text);
  [[nodiscard]] static Value count(std::uint64_t number) {
    return {Form::count, number, {}, {}, {}};
  }
  [[nodiscard]] static Value negative(std::int64_t number);
  [[nodiscard]] static Value size(std::uint64_t bytes) { return {Form::size, bytes, {}, {}, {}}; }
  [[nodiscard]] static Value hex(std::uint64_t number) { return {Form::hex, number, {}, {}, {}}; }
  [[nodiscard]] static Value time(std::uint64_t ns) { return {Form::time, ns, {}, {}, {}}; }
  [[nodiscard]] static Value duration(std::uint64_t us) { return {Form::duration, us, {}, {}, {}}; }
  [[nodiscard]] static Value yes_no(bool yes) { return {Form::yes_no, yes ? 1U : 0U, {}, {}, {}}; }
  [[nodiscard]] static Value list(std::vector<std::string> texts);
  [[nodiscard]] static Value numbers(std::vector<std::uint64_t> counts);
  [[nodiscard]] static Value base64(Bytes bytes);
  [[nodiscard]] static Value none() { return {}; }
};

/// A value, or none where there is no number.
template <class Number>
[[nodiscard]] Value size_if(const std::optional<Number>& bytes) {
  return bytes ? Value::size(*bytes) : Value::none();
}

enum class Align : std::uint8_t { left, right };

struct Column {
  std::string_view key;    // in JSON; empty: only for people
  std::string_view title;  // in text; empty: only for programs
  Align align = Align::left;
  bool bar = false;   // sizes: a bar beside them, where there is room
  bool tree = false;  // drawn as a tree, by the rows' branches
  bool spare = false;  // for people only where a row has something else than nothing in it
};

/// Where a row hangs in a tree.
struct Branch {
  std::size_t depth = 0;
  bool is_last = true;  // of its siblings
};

class Page {
 public:
  virtual ~Page() = default;
  /// False: what is only drawn need not be collected.
  [[nodiscard]] virtual bool is_for_people() const = 0;

  /// An object, and its title for people; an empty key inside of a list.
  virtual void begin(std::string_view key, std::string_view title = {}) = 0;
  virtual void begin_list(std::string_view key) = 0;
  virtual void end() = 0;

  /// `label` empty: only for programs; `key` empty: only for people.
  virtual void field(std::string_view key, std::string_view label, const Value& value) = 0;

  /// Rows come one by one and need not fit into memory. `columns` must outlive end_table().
  virtual void begin_table(std::string_view key, const std::vector<Column>& columns) = 0;
  virtual void row(std::vector<Value> cells, Branch branch = {}) = 0;
  virtual void end_table() = 0;

  /// A line for people. It may hold text from an image.
  virtual void say(std::string_view line) = 0;
};

}  // namespace img::show
