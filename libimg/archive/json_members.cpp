// SPDX-License-Identifier: MIT
#include "libimg/archive/json_members.h"

#include <charconv>

namespace img::archive {

using json::ValueType;

Result<void> each_member(json::Parser& json, const UseMember& use) {
  IMG_ASSIGN(const ValueType type, json.peek());
  if (type != ValueType::object) {
    return json.skip();
  }
  IMG_TRY(json.begin_object());
  for (std::string_view key;;) {
    IMG_ASSIGN(const bool more, json.next_key(key));
    if (!more) {
      return {};
    }
    IMG_TRY(use(key));
  }
}

Result<void> each_item(json::Parser& json, const std::function<Result<void>()>& use) {
  IMG_ASSIGN(const ValueType type, json.peek());
  if (type != ValueType::array) {
    return json.skip();
  }
  IMG_TRY(json.begin_array());
  for (;;) {
    IMG_ASSIGN(const bool more, json.next_item());
    if (!more) {
      return {};
    }
    IMG_TRY(use());
  }
}

Result<void> take_text(json::Parser& json, std::string& to) {
  IMG_ASSIGN(const ValueType type, json.peek());
  if (type != ValueType::string) {
    return json.skip();
  }
  std::string scratch;
  IMG_ASSIGN(const std::string_view text, json.text(scratch));
  to = text;
  return {};
}

Result<void> take_number(json::Parser& json, std::uint64_t& to) {
  IMG_ASSIGN(const ValueType type, json.peek());
  if (type != ValueType::number) {
    return json.skip();
  }
  IMG_ASSIGN(const std::string_view digits, json.number());
  std::from_chars(digits.data(), digits.data() + digits.size(), to);
  return {};
}

Result<void> take_texts(json::Parser& json, std::vector<std::string>& to) {
  return each_item(json, [&] { return take_text(json, to.emplace_back()); });
}

}  // namespace img::archive
