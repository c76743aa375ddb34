// SPDX-License-Identifier: MIT
// The punctuation of JSON as Python's json.dump sets it, on one line or indented by four.
#pragma once

#include "libimg/json/text_out.h"

namespace img::json {

class Emitter {
 public:
  explicit Emitter(TextOut& out) : out_(out) {}

  void start(bool pretty) {
    pretty_ = pretty;
    depth_ = 0;
    first_ = true;
  }

  void open(char bracket) {
    out_.put(bracket);
    ++depth_;
    first_ = true;
  }
  void close(char bracket) {
    --depth_;
    if (!first_) {
      new_line();
    }
    out_.put(bracket);
    first_ = false;
  }
  /// Before each member of a list.
  void item() {
    if (!first_) {
      out_.put(pretty_ ? std::string_view(",") : std::string_view(", "));
    }
    first_ = false;
    new_line();
  }
  /// Before each value of an object; `prefix` and `suffix` are part of the name. All three must be
  /// characters that need no escape.
  void key(std::string_view name, std::string_view prefix = {}, std::string_view suffix = {}) {
    item();
    out_.put('"');
    out_.put(prefix);
    out_.put(name);
    out_.put(suffix);
    out_.put(std::string_view("\": "));
  }

  [[nodiscard]] TextOut& out() { return out_; }

 private:
  void new_line();

  TextOut& out_;
  bool pretty_ = true;
  bool first_ = true;  // nothing in the innermost bracket yet
  unsigned depth_ = 0;
};

}  // namespace img::json
