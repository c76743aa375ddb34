// SPDX-License-Identifier: MIT
#include "libimg/json/parser.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "libimg/base/assert.h"
#include "libimg/base/text.h"

namespace img::json {
namespace {

constexpr std::size_t kShown = 64;  // bytes of foreign text in an error

// What needs a look inside a string: the end, an escape, a control character, anything not ASCII.
constexpr auto kSpecial = [] {
  std::array<bool, 256> table{};
  for (unsigned c = 0; c < 256; ++c) {
    table[c] = c < 0x20 || c >= 0x80 || c == '"' || c == '\\';
  }
  return table;
}();

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

std::uint32_t hex_unit(const char* digits) {
  std::uint32_t code = 0;
  const auto [end, error] = std::from_chars(digits, digits + 4, code, 16);
  return error == std::errc{} && end == digits + 4 ? code : UINT32_MAX;
}

bool is_high(std::uint32_t unit) {
  return unit >= 0xd800 && unit < 0xdc00;
}
bool is_low(std::uint32_t unit) {
  return unit >= 0xdc00 && unit < 0xe000;
}

void append_utf8(std::string& to, std::uint32_t code) {
  const auto tail = [&](unsigned shift) { to += static_cast<char>(0x80 | (code >> shift & 0x3f)); };
  if (code < 0x80) {
    to += static_cast<char>(code);
    return;
  }
  if (code < 0x800) {
    to += static_cast<char>(0xc0 | code >> 6);
  } else if (code < 0x10000) {
    to += static_cast<char>(0xe0 | code >> 12);
    tail(6);
  } else {
    to += static_cast<char>(0xf0 | code >> 18);
    tail(12);
    tail(6);
  }
  tail(0);
}

char escaped_letter(char letter) {
  switch (letter) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'b': return '\b';
    case 'f': return '\f';
    default: return letter;
  }
}

}  // namespace

std::string_view without_escapes(std::string_view inside, std::string& scratch) {
  if (inside.find('\\') == std::string_view::npos) {
    return inside;
  }
  scratch.clear();
  while (!inside.empty()) {
    const std::size_t plain = std::min(inside.find('\\'), inside.size());
    scratch.append(inside.substr(0, plain));
    inside.remove_prefix(plain);
    if (inside.empty()) {
      break;
    }
    if (inside[1] != 'u') {
      scratch += escaped_letter(inside[1]);
      inside.remove_prefix(2);
      continue;
    }
    std::uint32_t code = hex_unit(inside.data() + 2);
    inside.remove_prefix(6);
    if (is_high(code)) {
      code = 0x10000 + ((code - 0xd800) << 10) + (hex_unit(inside.data() + 2) - 0xdc00);
      inside.remove_prefix(6);
    }
    append_utf8(scratch, code);
  }
  return scratch;
}

void Parser::skip_space() {
  while (at_ < text_.size() && is_space(text_[at_])) {
    ++at_;
  }
}

Result<ValueType> Parser::peek() {
  skip_space();
  value_at_ = at_;
  switch (at_ < text_.size() ? text_[at_] : '\0') {
    case '{': return ValueType::object;
    case '[': return ValueType::array;
    case '"': return ValueType::string;
    case 't':
    case 'f': return ValueType::boolean;
    case 'n': return ValueType::null;
    default:
      if (at_ < text_.size() && (is_digit(text_[at_]) || text_[at_] == '-')) {
        return ValueType::number;
      }
      return unexpected("a value");
  }
}

Result<void> Parser::expect(char bracket) {
  skip_space();
  value_at_ = at_;
  if (at_ == text_.size() || text_[at_] != bracket) {
    return unexpected(std::string{'`', bracket, '`'});
  }
  ++at_;
  return {};
}

Result<void> Parser::descend(char bracket, bool is_array) {
  IMG_TRY(expect(bracket));
  if (levels_.size() == kMaxDepth) {
    return refuse(
        make_error(Fault::limit, {}, {}, fmt::format("nested deeper than {}", kMaxDepth)));
  }
  levels_.push_back({is_array, true, 0, {}});
  return {};
}

Result<void> Parser::begin_object() {
  return descend('{', false);
}
Result<void> Parser::begin_array() {
  return descend('[', true);
}

Result<bool> Parser::next_member(char closing) {
  Level& level = levels_.back();
  skip_space();
  const char c = at_ < text_.size() ? text_[at_] : '\0';
  if (c == closing) {
    value_at_ = at_++;
    levels_.pop_back();
    return false;
  }
  if (!level.first) {
    if (c != ',') {
      value_at_ = at_;
      return unexpected(std::string("`,` or `") + closing + "`");
    }
    ++at_;
    ++level.index;
    skip_space();
  }
  level.first = false;
  return true;
}

Result<bool> Parser::next_key(std::string_view& key) {
  IMG_ASSERT(!levels_.empty() && !levels_.back().is_array);
  IMG_ASSIGN(const bool more, next_member('}'));
  if (!more) {
    return false;
  }
  levels_.back().key = {};
  value_at_ = at_;
  if (at_ == text_.size() || text_[at_] != '"') {
    return unexpected("the name of a member");
  }
  IMG_ASSIGN(const std::string_view inside, quoted());
  if (inside.size() > kMaxKey) {
    return refuse(
        make_error(Fault::limit, {}, {}, fmt::format("a name of more than {} bytes", kMaxKey)));
  }
  levels_.back().key = inside;
  key = without_escapes(inside, key_);
  const std::size_t key_at = value_at_;
  IMG_TRY(expect(':'));
  value_at_ = key_at;
  return true;
}

Result<bool> Parser::next_item() {
  IMG_ASSERT(!levels_.empty() && levels_.back().is_array);
  return next_member(']');
}

Result<std::string_view> Parser::string() {
  skip_space();
  value_at_ = at_;
  if (at_ == text_.size() || text_[at_] != '"') {
    return unexpected("a string");
  }
  return quoted();
}

Result<std::string_view> Parser::text(std::string& scratch) {
  IMG_ASSIGN(const std::string_view inside, string());
  return without_escapes(inside, scratch);
}

// From the opening quote to behind the closing one.
Result<std::string_view> Parser::quoted() {
  const std::size_t begin = ++at_;
  while (at_ < text_.size()) {
    const auto c = static_cast<unsigned char>(text_[at_]);
    if (!kSpecial[c]) {
      ++at_;
    } else if (c == '"') {
      ++at_;
      return text_.substr(begin, at_ - 1 - begin);
    } else if (c == '\\') {
      IMG_TRY(escape());
    } else {
      const std::size_t bytes = c < 0x20 ? 0 : first_character(text_.substr(at_)).bytes;
      if (bytes == 0) {
        value_at_ = at_;
        return refuse(c < 0x20 ? "a control character inside a string"
                               : "bytes that are not UTF-8");
      }
      at_ += bytes;
    }
  }
  return refuse("a string without an end");
}

bool Parser::unit(std::uint32_t& code) {
  if (text_.size() - at_ < 6 || text_[at_] != '\\' || text_[at_ + 1] != 'u') {
    return false;
  }
  code = hex_unit(text_.data() + at_ + 2);
  at_ += 6;
  return code != UINT32_MAX;
}

Result<void> Parser::escape() {
  constexpr std::string_view kLetters = "\"\\/bfnrt";
  const std::size_t begin = at_;
  if (text_.size() - at_ >= 2 && kLetters.find(text_[at_ + 1]) != std::string_view::npos) {
    at_ += 2;
    return {};
  }
  std::uint32_t code = 0;
  std::uint32_t second = 0;
  if (!unit(code)) {
    value_at_ = begin;
    return refuse("an escape that JSON has not");
  }
  if (is_low(code) || (is_high(code) && !(unit(second) && is_low(second)))) {
    value_at_ = begin;
    return refuse("half of a surrogate pair");
  }
  return {};
}

Result<std::string_view> Parser::number() {
  skip_space();
  const std::size_t begin = value_at_ = at_;
  const auto here = [&] { return at_ < text_.size() ? text_[at_] : '\0'; };
  const auto digits = [&] {
    const std::size_t first = at_;
    while (is_digit(here())) {
      ++at_;
    }
    return at_ != first;
  };
  at_ += here() == '-' ? 1U : 0U;
  const bool zero = here() == '0';
  const std::size_t whole = at_;
  bool good = digits() && !(zero && at_ - whole > 1);
  if (good && here() == '.') {
    ++at_;
    good = digits();
  }
  if (good && (here() == 'e' || here() == 'E')) {
    ++at_;
    at_ += here() == '+' || here() == '-' ? 1U : 0U;
    good = digits();
  }
  if (!good) {
    at_ = begin;
    return unexpected("a number");
  }
  return text_.substr(begin, at_ - begin);
}

Result<bool> Parser::boolean() {
  skip_space();
  value_at_ = at_;
  for (const std::string_view word : {std::string_view("true"), std::string_view("false")}) {
    if (text_.substr(at_).starts_with(word)) {
      at_ += word.size();
      return word.front() == 't';
    }
  }
  return unexpected("true or false");
}

Result<void> Parser::skip() {
  IMG_ASSIGN(const ValueType type, peek());
  std::string_view key;
  switch (type) {
    case ValueType::object: {
      IMG_TRY(begin_object());
      IMG_ASSIGN(bool more, next_key(key));
      while (more) {
        IMG_TRY(skip());
        IMG_ASSIGN(more, next_key(key));
      }
      return {};
    }
    case ValueType::array: {
      IMG_TRY(begin_array());
      IMG_ASSIGN(bool more, next_item());
      while (more) {
        IMG_TRY(skip());
        IMG_ASSIGN(more, next_item());
      }
      return {};
    }
    case ValueType::string: IMG_TRY(string()); return {};
    case ValueType::number: IMG_TRY(number()); return {};
    case ValueType::boolean: IMG_TRY(boolean()); return {};
    case ValueType::null: break;
  }
  if (!text_.substr(at_).starts_with("null")) {
    return unexpected("a value");
  }
  at_ += 4;
  return {};
}

Result<void> Parser::end() {
  skip_space();
  value_at_ = at_;
  return at_ == text_.size() ? Result<void>{} : unexpected("the end of the text");
}

Failure Parser::unexpected(std::string_view wanted) const {
  if (value_at_ >= text_.size()) {
    return refuse(fmt::format("expected {}, found the end of the text", wanted));
  }
  const std::size_t end = std::min(text_.find_first_of("\n\r\t ,:]}", value_at_ + 1), text_.size());
  const std::string_view found = text_.substr(value_at_, end - value_at_);
  return refuse(
      fmt::format("expected {}, found {}", wanted, escaped(found.substr(0, kShown), kShown)));
}

Failure Parser::refuse(std::string why, std::string hint) const {
  return refuse(make_error(Fault::corrupt, {}, {}, std::move(why), std::move(hint)));
}

Failure Parser::refuse(Error error) const {
  error.thing = thing_;
  error.what = place();
  return fail(std::move(error));
}

std::string Parser::place() const {
  const std::string_view before = text_.substr(0, value_at_);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t column = value_at_ - (before.rfind('\n') + 1) + 1;  // npos + 1 is 0
  const std::string inside = path();
  return fmt::format("line {}, column {}{}{}", line, column, inside.empty() ? "" : ", ", inside);
}

std::string Parser::path() const {
  std::string out;
  for (const Level& level : levels_) {
    if (level.is_array) {
      out += level.first ? "" : fmt::format("[{}]", level.index);
    } else if (!level.key.empty()) {
      out += out.empty() ? "" : ".";
      out += escaped(level.key, kShown);
    }
  }
  return out;
}

}  // namespace img::json
