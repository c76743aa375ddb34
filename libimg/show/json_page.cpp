// SPDX-License-Identifier: MIT
#include "libimg/show/json_page.h"

#include "libimg/base/assert.h"

namespace img::show {

void JsonPage::begin(std::string_view key, std::string_view /*title*/) {
  json_.begin_object(key);
}

void JsonPage::begin_list(std::string_view key) {
  json_.begin_array(key);
}

void JsonPage::end() {
  json_.end();
}

void JsonPage::field(std::string_view key, std::string_view /*label*/, const Value& value) {
  if (key.empty()) {
    return;
  }
  switch (value.form) {
    case Value::Form::none: break;
    case Value::Form::base64:
    case Value::Form::text: json_.text(key, value.bytes); break;
    case Value::Form::count:
    case Value::Form::size:
    case Value::Form::duration: json_.number(key, value.number); break;
    case Value::Form::negative:
      json_.number_signed(key, static_cast<std::int64_t>(value.number));
      break;
    case Value::Form::hex: json_.hex(key, value.number); break;
    case Value::Form::time: json_.time(key, value.number); break;
    case Value::Form::yes_no: json_.boolean(key, value.number != 0); break;
    case Value::Form::list: json_.texts(key, value.texts); break;
    case Value::Form::numbers:
      json_.begin_array(key);
      for (const std::uint64_t number : value.counts) {
        json_.number({}, number);
      }
      json_.end();
      break;
  }
}

void JsonPage::begin_table(std::string_view key, const std::vector<Column>& columns) {
  columns_ = &columns;
  json_.begin_array(key);
}

void JsonPage::row(std::vector<Value> cells, Branch /*branch*/) {
  IMG_ASSERT(columns_ != nullptr && cells.size() == columns_->size());
  json_.begin_object();
  for (std::size_t index = 0; index < cells.size(); ++index) {
    field((*columns_)[index].key, {}, cells[index]);
  }
  json_.end();
}

void JsonPage::end_table() {
  json_.end();
  columns_ = nullptr;
}

}  // namespace img::show
