// SPDX-License-Identifier: MIT
#include "libimg/show/page.h"

#include "libimg/base/base64.h"

namespace img::show {

Value Value::text(std::string_view text) {
  return {Form::text, 0, std::string(text), {}, {}};
}

Value Value::negative(std::int64_t number) {
  return {Form::negative, static_cast<std::uint64_t>(number), {}, {}, {}};
}

Value Value::list(std::vector<std::string> texts) {
  return {Form::list, 0, {}, std::move(texts), {}};
}

Value Value::numbers(std::vector<std::uint64_t> counts) {
  return {Form::numbers, 0, {}, {}, std::move(counts)};
}

Value Value::base64(Bytes bytes) {
  return {Form::base64, 0, img::base64(bytes), {}, {}};
}

}  // namespace img::show
