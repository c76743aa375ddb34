// SPDX-License-Identifier: MIT
// A page as text for people: aligned columns, trees drawn as trees, bars beside sizes. Everything
// that comes out of an image is escaped here and nowhere else.
#pragma once

#include <functional>

#include "libimg/show/page.h"

namespace img::show {

struct TextStyle {
  bool unicode = false;  // box lines and bars; else ASCII lines and no bars
  bool bold = false;     // titles by escape sequence
};

class TextPage final : public Page {
 public:
  using Sink = std::function<void(std::string_view)>;
  TextPage(Sink sink, TextStyle style) : sink_(std::move(sink)), style_(style) {}
  ~TextPage() override { flush_fields(); }
  TextPage(const TextPage&) = delete;
  TextPage& operator=(const TextPage&) = delete;

  [[nodiscard]] bool is_for_people() const override { return true; }
  void begin(std::string_view key, std::string_view title) override;
  void begin_list(std::string_view key) override;
  void end() override;
  void field(std::string_view key, std::string_view label, const Value& value) override;
  void begin_table(std::string_view key, const std::vector<Column>& columns) override;
  void row(std::vector<Value> cells, Branch branch) override;
  void end_table() override;
  void say(std::string_view line) override;

 private:
  struct Row {
    std::vector<std::string> cells;
    std::vector<std::uint64_t> sizes;  // of columns with bars
    std::vector<bool> says;            // something else than nothing
  };

  void line(std::string_view text);
  void flush_fields();
  void flush_rows();
  void hide_spare_columns();
  void put_title(std::string_view title);
  void put_heading();
  void put_row(const Row& row, const std::vector<std::uint64_t>& largest);
  [[nodiscard]] bool is_shown(std::size_t column) const;
  [[nodiscard]] std::string lines_to(const Branch& branch);
  [[nodiscard]] std::string bar(std::uint64_t size, std::uint64_t largest) const;

  Sink sink_;
  TextStyle style_;
  bool is_first_ = true;      // nothing said yet
  bool after_title_ = false;  // the last line was one
  bool wants_space_ = false;  // a blank line before the next title
  std::vector<std::pair<std::string, std::string>> fields_;
  const std::vector<Column>* columns_ = nullptr;
  bool has_heading_ = false;
  std::vector<std::size_t> widths_;  // in characters
  std::vector<bool> hidden_;         // spare columns that say nothing
  std::vector<Row> rows_;
  std::vector<bool> open_;  // at each depth of the tree: more siblings come
};

/// How a value is written for people, already escaped.
[[nodiscard]] std::string value_text(const Value& value);
/// Characters of a UTF-8 text, each taken as one column wide.
[[nodiscard]] std::size_t width_of(std::string_view text);

}  // namespace img::show
