// SPDX-License-Identifier: MIT
#include "schema/layout.h"

#include <flatbuffers/reflection.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <string>
#include <unordered_map>

#include "schema/binary_schema.h"

namespace img::schema {
namespace {

constexpr std::string_view kNamespace = "img.schema.";
constexpr std::string_view kFlagsNamespace = "img.schema.flags.";

// The binary schema is part of the program: an error in it is one in the .fbs files.
[[noreturn]] void schema_bug(std::string_view what, std::string_view where) {
  std::fprintf(stderr, "schema: %.*s: %.*s\n", static_cast<int>(what.size()), what.data(),
               static_cast<int>(where.size()), where.data());
  std::abort();
}

std::string_view view(const flatbuffers::String* text) {
  return text == nullptr ? std::string_view{} : std::string_view{text->c_str(), text->size()};
}

std::string_view without(std::string_view prefix, std::string_view name) {
  return name.starts_with(prefix) ? name.substr(prefix.size()) : name;
}

using Attributes = flatbuffers::Vector<flatbuffers::Offset<reflection::KeyValue>>;

const reflection::KeyValue* attribute(const Attributes* all, const char* key) {
  return all == nullptr ? nullptr : all->LookupByKey(key);
}

class Builder {
 public:
  Builder() : schema_(*reflection::GetSchema(binary_schema().data())) {
    build_enums();
    build_tables();
    build_kinds();
  }

  std::vector<TableLayout> tables;
  std::unordered_map<std::string_view, const TableLayout*> table_by_name;
  std::vector<KindInfo> kind_list;
  std::vector<const KindInfo*> kind_by_number;

 private:
  void build_enums() {
    for (const reflection::Enum* from : *schema_.enums()) {
      EnumLayout& to = enums_.emplace_back();
      to.name = without(kNamespace, view(from->name()));
      if (const auto* criu = attribute(from->attributes(), "criu")) {
        to.criu_name = view(criu->value());
      }
      for (const reflection::EnumVal* value : *from->values()) {
        to.values.push_back({value->value(), view(value->name())});
      }
      enum_by_name_[view(from->name())] = &to;
    }
  }

  void build_tables() {
    tables.resize(schema_.objects()->size());
    for (flatbuffers::uoffset_t i = 0; i < tables.size(); ++i) {
      const reflection::Object& from = *schema_.objects()->Get(i);
      TableLayout& to = tables[i];
      to.index = static_cast<std::uint16_t>(i);
      to.name = without(kNamespace, view(from.name()));
      table_by_name[to.name] = &to;
      to.is_struct = from.is_struct();
      if (to.is_struct) {
        continue;
      }
      if (const auto* criu = attribute(from.attributes(), "criu")) {
        to.criu_name = view(criu->value());
      }
      for (const reflection::Field* field : *from.fields()) {
        to.fields.push_back(build_field(*field));
      }
      finish(to);
    }
  }

  FieldLayout build_field(const reflection::Field& from) {
    FieldLayout to;
    to.name = to.json_name = view(from.name());
    to.voffset = from.offset();
    to.required = from.required();
    const reflection::Type& type = *from.type();
    reflection::BaseType base = type.base_type();
    if (base == reflection::Vector) {
      to.repeated = true;
      base = type.element();
    }
    to.width = static_cast<std::uint8_t>(flatbuffers::GetTypeSize(base));
    set_type(to, base, type.index());
    if (to.is_scalar() && !to.repeated) {
      to.required = !from.optional();
      to.default_value = from.default_integer();
    }
    set_wire(to, from);
    set_show(to, from);
    return to;
  }

  void set_type(FieldLayout& to, reflection::BaseType base, int index) {
    switch (base) {
      case reflection::Bool: to.type = Type::boolean; break;
      case reflection::UByte:
        // [ubyte] is `bytes`; a lone ubyte is a small enum of our own.
        to.type = to.repeated ? Type::bytes : Type::enumeration;
        to.repeated = false;
        break;
      case reflection::Int: to.type = index >= 0 ? Type::enumeration : Type::int32; break;
      case reflection::Long: to.type = Type::int64; break;
      case reflection::UShort:
      case reflection::UInt: to.type = Type::uint32; break;
      case reflection::ULong: to.type = Type::uint64; break;
      case reflection::String: to.type = Type::string; break;
      case reflection::Obj:
        to.type = Type::table;
        to.table = &tables[static_cast<std::size_t>(index)];
        break;
      default: schema_bug("type that no walker knows", to.name);
    }
    if (to.type == Type::enumeration && index >= 0) {
      to.enumeration = &enums_[static_cast<std::size_t>(index)];
    }
  }

  static void set_wire(FieldLayout& to, const reflection::Field& from) {
    to.wire = to.is_scalar() ? Wire::varint : Wire::length;
    const auto* pb = attribute(from.attributes(), "pb");
    if (pb == nullptr) {
      return;
    }
    const std::string_view text = view(pb->value());
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), to.number);
    if (ec != std::errc{} || to.number == 0) {
      schema_bug("bad pb attribute", to.name);
    }
    const std::string_view wire(end, static_cast<std::size_t>(text.data() + text.size() - end));
    if (wire == " sint32" || wire == " sint64") {
      to.wire = Wire::zigzag;
    } else if (wire == " fixed64") {
      to.wire = Wire::fixed64;
    } else if (wire == " fixed32") {
      to.wire = Wire::fixed32;
    } else if (!wire.empty()) {
      schema_bug("bad pb attribute", to.name);
    }
  }

  void set_show(FieldLayout& to, const reflection::Field& from) {
    const Attributes* all = from.attributes();
    if (const auto* json = attribute(all, "json")) {
      to.json_name = view(json->value());
    }
    if (attribute(all, "hex") != nullptr) {
      to.show = Show::hex;
    } else if (attribute(all, "odev") != nullptr) {
      to.show = Show::odev;
    } else if (attribute(all, "dev") != nullptr) {
      to.show = Show::dev;
    } else if (attribute(all, "ipaddr") != nullptr) {
      to.show = Show::ipaddr;
    } else if (attribute(all, "quoted_printable") != nullptr) {
      to.show = Show::quoted_printable;
    }
    for (const auto& [key, show] : {std::pair{"flags", Show::flags}, std::pair{"dict", Show::dict}}) {
      if (const auto* names = attribute(all, key)) {
        const std::string full = std::string(kFlagsNamespace) + names->value()->str();
        const auto found = enum_by_name_.find(full);
        if (found == enum_by_name_.end()) {
          schema_bug("no such enum in flags.fbs", full);
        }
        to.show = show;
        to.names = found->second;
      }
    }
  }

  static void finish(TableLayout& table) {
    std::stable_sort(table.fields.begin(), table.fields.end(),
                     [](const FieldLayout& a, const FieldLayout& b) {
                       return a.number - 1 < b.number - 1;  // 0, our own, sorts last
                     });
    for (std::size_t i = 0; i < table.fields.size(); ++i) {
      FieldLayout& field = table.fields[i];
      field.slot = static_cast<std::uint16_t>(i);
      if (field.number == 0) {
        continue;
      }
      if (field.number >= table.slot_by_number.size()) {
        table.slot_by_number.resize(field.number + 1, -1);
      }
      table.slot_by_number[field.number] = static_cast<std::int16_t>(i);
      table.required_count += field.required ? 1U : 0U;
    }
  }

  void build_kinds() {
    const auto table = [this](std::string_view name) -> const TableLayout* {
      if (name.empty()) {
        return nullptr;
      }
      const auto found = table_by_name.find(name);
      if (found == table_by_name.end()) {
        schema_bug("kinds.inc names a table that no .fbs has", name);
      }
      return found->second;
    };
#define IMG_KIND(number, name, crit_name, magic, file_name, shape, table_name, payload)          \
  kind_list.push_back({Kind::name, #name, crit_name, magic, file_name, Shape::shape,           \
                       PayloadRule::payload, table(table_name)});
#define IMG_OWN_KIND(number, name, table_name) \
  kind_list.push_back({Kind::name, #name, "", 0, "", Shape::own, PayloadRule::none, table(table_name)});
#include "schema/kinds.inc"
    for (const KindInfo& info : kind_list) {
      const auto number = static_cast<std::size_t>(info.kind);
      if (number >= kind_by_number.size()) {
        kind_by_number.resize(number + 1, nullptr);
      }
      kind_by_number[number] = &info;
    }
  }

  const reflection::Schema& schema_;
  std::deque<EnumLayout> enums_;
  std::unordered_map<std::string_view, const EnumLayout*> enum_by_name_;
};

const Builder& built() {
  static const Builder builder;
  return builder;
}

}  // namespace

std::string_view EnumLayout::name_of(std::int64_t number) const {
  const auto found = std::lower_bound(values.begin(), values.end(), number,
                                      [](const Value& v, std::int64_t n) { return v.number < n; });
  return found != values.end() && found->number == number ? found->name : std::string_view{};
}

const EnumLayout::Value* EnumLayout::find(std::string_view wanted) const {
  const auto found = std::find_if(values.begin(), values.end(),
                                  [&](const Value& value) { return value.name == wanted; });
  return found == values.end() ? nullptr : &*found;
}

const FieldLayout* TableLayout::by_name(std::string_view field) const {
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const FieldLayout& f) {
    return f.name == field || f.json_name == field;
  });
  return found == fields.end() ? nullptr : &*found;
}

std::span<const TableLayout> table_layouts() { return built().tables; }

const TableLayout* find_table_layout(std::string_view name) {
  const auto found = built().table_by_name.find(name);
  return found == built().table_by_name.end() ? nullptr : found->second;
}

const TableLayout& table_layout(std::string_view name) {
  const TableLayout* found = find_table_layout(name);
  if (found == nullptr) {
    schema_bug("no such table", name);
  }
  return *found;
}

std::span<const KindInfo> kinds() { return built().kind_list; }

const KindInfo* find_kind(Kind kind) {
  const auto number = static_cast<std::size_t>(kind);
  return number < built().kind_by_number.size() ? built().kind_by_number[number] : nullptr;
}

const KindInfo& kind_info(Kind kind) {
  const KindInfo* info = find_kind(kind);
  if (info == nullptr) {
    schema_bug("no such kind", std::to_string(static_cast<unsigned>(kind)));
  }
  return *info;
}

}  // namespace img::schema
