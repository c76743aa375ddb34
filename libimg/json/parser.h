// SPDX-License-Identifier: MIT
// JSON text, pulled piece by piece by somebody who knows what should come. Strict (RFC 8259, UTF-8,
// no duplicate check), bounded, and without a copy of anything: the text lies in a mapping. It does
// not know what the members mean.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libimg/base/result.h"

namespace img::json {

enum class ValueType : std::uint8_t { object, array, string, number, boolean, null };

///   IMG_TRY(parser.begin_object());
///   std::string_view key;
///   while (true) {
///     IMG_ASSIGN(const bool more, parser.next_key(key));
///     if (!more) break;
///     IMG_ASSIGN(const std::string_view inside, parser.string());  // or skip()
///   }
class Parser {
 public:
  /// Brackets inside each other.
  static constexpr std::size_t kMaxDepth = 160;
  static constexpr std::size_t kMaxKey = 256;

  /// `thing` names the text in errors.
  Parser(std::string_view text, std::string thing) : text_(text), thing_(std::move(thing)) {}

  /// Of the value that comes next.
  [[nodiscard]] Result<ValueType> peek();

  [[nodiscard]] Result<void> begin_object();
  /// False: the object has ended. `key` is valid until the next call.
  [[nodiscard]] Result<bool> next_key(std::string_view& key);
  [[nodiscard]] Result<void> begin_array();
  /// False: the array has ended.
  [[nodiscard]] Result<bool> next_item();

  /// What is between the quotes, checked but with its escapes.
  [[nodiscard]] Result<std::string_view> string();
  /// The same without escapes; in `scratch` where there are any.
  [[nodiscard]] Result<std::string_view> text(std::string& scratch);
  [[nodiscard]] Result<std::string_view> number();
  [[nodiscard]] Result<bool> boolean();
  [[nodiscard]] Result<void> skip();
  /// Nothing but white space may be left.
  [[nodiscard]] Result<void> end();

  /// The text cannot be used, because of the value that was read last.
  [[nodiscard]] Failure refuse(std::string why, std::string hint = {}) const;
  /// The same, for an error that only knows why.
  [[nodiscard]] Failure refuse(Error error) const;
  [[nodiscard]] const std::string& thing() const { return thing_; }

 private:
  struct Level {
    bool is_array = false;
    bool first = true;
    std::uint64_t index = 0;
    std::string_view key;
  };

  void skip_space();
  [[nodiscard]] Result<void> expect(char bracket);
  [[nodiscard]] Result<void> descend(char bracket, bool is_array);
  /// Past the comma, to the next member; false at the closing bracket.
  [[nodiscard]] Result<bool> next_member(char closing);
  [[nodiscard]] Result<std::string_view> quoted();
  [[nodiscard]] Result<void> escape();
  [[nodiscard]] bool unit(std::uint32_t& code);
  [[nodiscard]] Failure unexpected(std::string_view wanted) const;
  [[nodiscard]] std::string place() const;
  [[nodiscard]] std::string path() const;

  std::string_view text_;
  std::string thing_;
  std::size_t at_ = 0;
  std::size_t value_at_ = 0;  // of the last value
  std::vector<Level> levels_;
  std::string key_;  // of a key with escapes
};

/// The text of a JSON string whose inside has been checked.
[[nodiscard]] std::string_view without_escapes(std::string_view inside, std::string& scratch);

}  // namespace img::json
