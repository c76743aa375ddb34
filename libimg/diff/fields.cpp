// SPDX-License-Identifier: MIT
#include "libimg/diff/fields.h"

#include <fmt/core.h>

#include <optional>

#include "libimg/base/text.h"
#include "libimg/json/presentation.h"

namespace img::diff {
namespace {

using flatbuffers::Table;
using schema::FieldLayout;
using schema::TableLayout;
using schema::Type;
using Vector = flatbuffers::Vector<std::uint8_t>;
using Tables = flatbuffers::Vector<flatbuffers::Offset<Table>>;
using Strings = flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>>;

constexpr std::size_t kMostText = 60;

bool is_of_the_dump(std::string_view table, std::string_view field) {
  return table == "InventoryEntry" && (field == "dump_uptime" || field == "dump_criu_run_id");
}

std::string number_text(const FieldLayout& field, json::Bits value, bool hex) {
  if (field.type == Type::boolean) {
    return value != 0 ? "true" : "false";
  }
  if (field.type == Type::enumeration && field.enumeration != nullptr) {
    const auto name = field.enumeration->name_of(static_cast<std::int64_t>(value));
    if (!name.empty()) {
      return std::string(name);
    }
  }
  if (hex || field.show == schema::Show::hex || field.show == schema::Show::flags) {
    return fmt::format("{:#x}", value);
  }
  return json::is_signed(field) ? std::to_string(static_cast<std::int64_t>(value))
                                : std::to_string(value);
}

class Walk {
 public:
  explicit Walk(Item& item) : item_(item) {}

  void table(const TableLayout& layout, const Table& a, const Table& b, const std::string& path,
             bool hex) {
    for (const FieldLayout& field : layout.fields) {
      if (is_of_the_dump(layout.name, field.name)) {
        continue;
      }
      const std::string here =
          path.empty() ? std::string(field.name) : path + "." + std::string(field.name);
      const bool all_hex = hex || field.show == schema::Show::hex;
      if (field.repeated) {
        list(field, a, b, here, all_hex);
      } else if (field.is_scalar()) {
        scalar(field, a, b, here, hex);
      } else {
        one(field, a, b, here, all_hex);
      }
    }
  }

 private:
  void add(std::string field, std::string before, std::string after) {
    if (item_.fields.size() < kMostFields) {
      item_.fields.push_back({std::move(field), std::move(before), std::move(after)});
    } else {
      ++item_.more_fields;
    }
  }

  void scalar(const FieldLayout& field, const Table& a, const Table& b, const std::string& path,
              bool hex) {
    const auto value = [&](const Table& table) -> std::optional<json::Bits> {
      const std::uint8_t* at = table.GetAddressOf(field.voffset);
      if (at == nullptr) {
        return field.required ? std::optional(static_cast<json::Bits>(field.default_value))
                              : std::nullopt;
      }
      return json::load_scalar(field, at);
    };
    const auto before = value(a);
    const auto after = value(b);
    if (before != after) {
      add(path, before ? number_text(field, *before, hex) : "",
          after ? number_text(field, *after, hex) : "");
    }
  }

  void one(const FieldLayout& field, const Table& a, const Table& b, const std::string& path,
           bool hex) {
    const auto* before = a.GetPointer<const std::uint8_t*>(field.voffset);
    const auto* after = b.GetPointer<const std::uint8_t*>(field.voffset);
    if (before == nullptr || after == nullptr) {
      if (before != after) {
        add(path, before == nullptr ? "" : "there", after == nullptr ? "" : "there");
      }
      return;
    }
    if (field.type == Type::table) {
      table(*field.table, *reinterpret_cast<const Table*>(before),
            *reinterpret_cast<const Table*>(after), path, hex);
      return;
    }
    // A string is a vector of bytes with one zero more.
    const auto text = [](const std::uint8_t* at) {
      const auto& bytes = *reinterpret_cast<const Vector*>(at);
      return std::string_view(reinterpret_cast<const char*>(bytes.Data()), bytes.size());
    };
    if (text(before) != text(after)) {
      add(path, escaped(text(before), kMostText), escaped(text(after), kMostText));
    }
  }

  void list(const FieldLayout& field, const Table& a, const Table& b, const std::string& path,
            bool hex) {
    const auto* before = a.GetPointer<const Vector*>(field.voffset);
    const auto* after = b.GetPointer<const Vector*>(field.voffset);
    const std::uint32_t size_before = before == nullptr ? 0 : before->size();
    const std::uint32_t size_after = after == nullptr ? 0 : after->size();
    if (size_before != size_after) {
      add(path, fmt::format("{} elements", size_before), fmt::format("{} elements", size_after));
      if (field.type == Type::table) {
        return;  // one came or went somewhere, and those after it stand beside others
      }
    }
    for (std::uint32_t i = 0; i < std::min(size_before, size_after); ++i) {
      element(field, *before, *after, i, path, hex);
    }
  }

  void element(const FieldLayout& field, const Vector& a, const Vector& b, std::uint32_t i,
               const std::string& path, bool hex) {
    const auto here = [&] { return fmt::format("{}[{}]", path, i); };
    if (field.type == Type::table) {
      table(*field.table, *reinterpret_cast<const Tables&>(a).Get(i),
            *reinterpret_cast<const Tables&>(b).Get(i), here(), hex);
      return;
    }
    if (field.type == Type::string) {
      const auto text = [i](const Vector& vector) {
        return reinterpret_cast<const Strings&>(vector).Get(i)->string_view();
      };
      if (text(a) != text(b)) {
        add(here(), escaped(text(a), kMostText), escaped(text(b), kMostText));
      }
      return;
    }
    const std::size_t offset = std::size_t{i} * field.width;
    const json::Bits before = json::load_scalar(field, a.Data() + offset);
    const json::Bits after = json::load_scalar(field, b.Data() + offset);
    if (before != after) {
      add(here(), number_text(field, before, hex), number_text(field, after, hex));
    }
  }

  Item& item_;
};

}  // namespace

void compare_tables(const TableLayout& layout, Bytes before, Bytes after, Item& item) {
  Walk(item).table(layout, *flatbuffers::GetRoot<Table>(before.data()),
                   *flatbuffers::GetRoot<Table>(after.data()), {}, false);
}

}  // namespace img::diff
