// SPDX-License-Identifier: MIT
#include "libimg/show/text_page.h"

#include <algorithm>

#include "libimg/base/assert.h"
#include "libimg/base/text.h"
#include "libimg/base/units.h"

namespace img::show {
namespace {

// Widths are those of so many rows; the next may widen them again.
constexpr std::size_t kRowsAtOnce = 1024;
// A cell wider than this does not push the columns after it aside.
constexpr std::size_t kWidestAligned = 48;
constexpr std::size_t kDrawnDepth = 40;
constexpr std::size_t kBarWidth = 16;
constexpr std::string_view kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};

std::string spaces(std::size_t count) {
  return std::string(count, ' ');
}

std::string padded(const std::string& text, std::size_t width, Align align) {
  const std::size_t size = width_of(text);
  const std::string space = spaces(width > size ? width - size : 0);
  return align == Align::right ? space + text : text + space;
}

std::string list_text(const Value& value) {
  std::string all;
  const auto add = [&all](const std::string& text) { all += (all.empty() ? "" : ", ") + text; };
  for (const std::string& text : value.texts) {
    add(escaped(text));
  }
  for (const std::uint64_t number : value.counts) {
    add(std::to_string(number));
  }
  return all.empty() ? "-" : all;
}

bool says_something(const Value& value) {
  const bool is_number = value.form == Value::Form::size || value.form == Value::Form::count;
  return value.form != Value::Form::none && !(is_number && value.number == 0);
}

}  // namespace

std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::string value_text(const Value& value) {
  switch (value.form) {
    case Value::Form::none: return "-";
    case Value::Form::base64:
    case Value::Form::text: return escaped(value.bytes);
    case Value::Form::count: return std::to_string(value.number);
    case Value::Form::negative: return std::to_string(static_cast<std::int64_t>(value.number));
    case Value::Form::size: return size_text(value.number);
    case Value::Form::hex: return hex(value.number);
    case Value::Form::time: return rfc3339(value.number);
    case Value::Form::duration: return duration_text(value.number * 1000);
    case Value::Form::yes_no: return value.number != 0 ? "yes" : "no";
    case Value::Form::list:
    case Value::Form::numbers: return list_text(value);
  }
  return {};
}

void TextPage::line(std::string_view text) {
  const std::size_t end = text.find_last_not_of(' ');
  sink_(text.substr(0, end == std::string_view::npos ? 0 : end + 1));
  sink_("\n");
  is_first_ = false;
  after_title_ = false;
}

void TextPage::put_title(std::string_view title) {
  if (wants_space_ && !is_first_ && !after_title_) {
    line("");
  }
  wants_space_ = false;
  if (!title.empty()) {
    const std::string text = escaped(title);
    line(style_.bold ? "\033[1m" + text + "\033[0m" : text);
    after_title_ = true;
  }
}

void TextPage::begin(std::string_view /*key*/, std::string_view title) {
  flush_fields();
  if (!title.empty()) {
    wants_space_ = true;
    put_title(title);
  }
}

void TextPage::begin_list(std::string_view /*key*/) {
  flush_fields();
}

void TextPage::end() {
  flush_fields();
  wants_space_ = true;
  after_title_ = false;
}

void TextPage::field(std::string_view /*key*/, std::string_view label, const Value& value) {
  if (!label.empty() && value.form != Value::Form::none) {
    fields_.emplace_back(label, value_text(value));
  }
}

void TextPage::flush_fields() {
  std::size_t width = 0;
  for (const auto& [label, text] : fields_) {
    width = std::max(width, width_of(label));
  }
  for (const auto& [label, text] : fields_) {
    put_title({});
    line("  " + padded(label, width, Align::left) + "  " + text);
  }
  fields_.clear();
}

void TextPage::begin_table(std::string_view /*key*/, const std::vector<Column>& columns) {
  flush_fields();
  columns_ = &columns;
  has_heading_ = false;
  rows_.clear();
  open_.clear();
  widths_.clear();
  for (const Column& column : columns) {
    widths_.push_back(column.title.size());
  }
  hidden_.assign(columns.size(), false);
}

bool TextPage::is_shown(std::size_t column) const {
  return !(*columns_)[column].title.empty() && !hidden_[column];
}

void TextPage::row(std::vector<Value> cells, Branch branch) {
  IMG_ASSERT(columns_ != nullptr && cells.size() == columns_->size());
  Row row;
  row.says.reserve(cells.size());
  for (std::size_t index = 0; index < cells.size(); ++index) {
    row.says.push_back(says_something(cells[index]));
    if (!is_shown(index)) {
      row.cells.emplace_back();
      row.sizes.push_back(0);
      continue;
    }
    const Column& column = (*columns_)[index];
    row.cells.push_back((column.tree ? lines_to(branch) : std::string()) +
                        value_text(cells[index]));
    row.sizes.push_back(cells[index].form == Value::Form::size ? cells[index].number : 0);
    const std::size_t width = width_of(row.cells.back());
    if (width <= kWidestAligned) {
      widths_[index] = std::max(widths_[index], width);
    }
  }
  rows_.push_back(std::move(row));
  if (rows_.size() == kRowsAtOnce) {
    flush_rows();
  }
}

std::string TextPage::lines_to(const Branch& branch) {
  open_.resize(branch.depth + 1);
  open_[branch.depth] = !branch.is_last;
  if (branch.depth == 0) {
    return {};
  }
  std::string lines;
  const std::size_t first = branch.depth > kDrawnDepth ? branch.depth - kDrawnDepth : 0;
  if (first > 0) {
    lines = "... ";
  }
  for (std::size_t depth = first + 1; depth < branch.depth; ++depth) {
    lines += !open_[depth] ? "   " : style_.unicode ? "│  " : "|  ";
  }
  if (style_.unicode) {
    lines += branch.is_last ? "└─ " : "├─ ";
  } else {
    lines += branch.is_last ? "`- " : "|- ";
  }
  return lines;
}

void TextPage::flush_rows() {
  std::vector<std::uint64_t> largest(columns_->size(), 0);
  for (const Row& row : rows_) {
    for (std::size_t index = 0; index < row.sizes.size(); ++index) {
      largest[index] = std::max(largest[index], row.sizes[index]);
    }
  }
  if (!rows_.empty() && !has_heading_) {
    put_title({});
    put_heading();
  }
  for (const Row& row : rows_) {
    put_row(row, largest);
  }
  rows_.clear();
}

void TextPage::put_heading() {
  std::string text;
  for (std::size_t index = 0; index < columns_->size(); ++index) {
    if (is_shown(index)) {
      const Column& column = (*columns_)[index];
      text += "  " + padded(std::string(column.title), widths_[index], column.align);
      text += column.bar && style_.unicode ? spaces(kBarWidth + 1) : "";
    }
  }
  line(text);
  has_heading_ = true;
}

void TextPage::put_row(const Row& row, const std::vector<std::uint64_t>& largest) {
  std::string text;
  for (std::size_t index = 0; index < row.cells.size(); ++index) {
    if (!is_shown(index)) {
      continue;
    }
    const Column& column = (*columns_)[index];
    text += "  " + padded(row.cells[index], widths_[index], column.align);
    if (column.bar && style_.unicode) {
      text += " " + bar(row.sizes[index], largest[index]);
    }
  }
  line(text);
}

std::string TextPage::bar(std::uint64_t size, std::uint64_t largest) const {
  const double share = largest == 0 ? 0 : static_cast<double>(size) / static_cast<double>(largest);
  auto eighths = static_cast<std::size_t>(share * kBarWidth * 8);
  eighths = size > 0 ? std::max<std::size_t>(eighths, 1) : 0;
  std::string text;
  for (std::size_t full = 0; full < eighths / 8; ++full) {
    text += "█";
  }
  text += kEighths[eighths % 8];
  return padded(text, kBarWidth, Align::left);
}

// Only of a table that is all here: in a longer one a later row might say something.
void TextPage::hide_spare_columns() {
  for (std::size_t index = 0; !has_heading_ && index < columns_->size(); ++index) {
    hidden_[index] = (*columns_)[index].spare &&
                     std::ranges::none_of(rows_, [&](const Row& row) { return row.says[index]; });
  }
}

void TextPage::end_table() {
  hide_spare_columns();
  flush_rows();
  columns_ = nullptr;
  wants_space_ = wants_space_ || has_heading_;
}

void TextPage::say(std::string_view text) {
  flush_fields();
  put_title({});
  line("  " + escaped(text));
}

}  // namespace img::show
