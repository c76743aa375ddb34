// SPDX-License-Identifier: MIT
// A page as JSON, by the rules of cli.md: nothing is held back, so a page may be of any length.
#pragma once

#include "libimg/base/json_writer.h"
#include "libimg/show/page.h"

namespace img::show {

class JsonPage final : public Page {
 public:
  /// An object must be open in `json`.
  explicit JsonPage(JsonWriter& json) : json_(json) {}

  [[nodiscard]] bool is_for_people() const override { return false; }
  void begin(std::string_view key, std::string_view title) override;
  void begin_list(std::string_view key) override;
  void end() override;
  void field(std::string_view key, std::string_view label, const Value& value) override;
  void begin_table(std::string_view key, const std::vector<Column>& columns) override;
  void row(std::vector<Value> cells, Branch branch) override;
  void end_table() override;
  void say(std::string_view /*line*/) override {}

 private:
  JsonWriter& json_;
  const std::vector<Column>* columns_ = nullptr;
};

}  // namespace img::show
