// SPDX-License-Identifier: MIT
#include "tests/schema/compatibility.h"

#include <algorithm>
#include <map>

namespace img::schema {
namespace {

using Attributes = flatbuffers::Vector<flatbuffers::Offset<reflection::KeyValue>>;

// flatc's own marks; what they mean is compared as what they do to the field.
constexpr std::string_view kOfTheCompiler[] = {"id", "required", "key", "deprecated"};

/// Attributes that mean something to a walker.
std::map<std::string, std::string> marks(const Attributes* all) {
  std::map<std::string, std::string> found;
  for (flatbuffers::uoffset_t i = 0; all != nullptr && i < all->size(); ++i) {
    const reflection::KeyValue& one = *all->Get(i);
    const std::string key = one.key()->str();
    if (std::find(std::begin(kOfTheCompiler), std::end(kOfTheCompiler), key) ==
        std::end(kOfTheCompiler)) {
      found[key] = one.value() == nullptr ? "" : one.value()->str();
    }
  }
  return found;
}

const reflection::Field* field_with_id(const reflection::Object& table, std::uint16_t id) {
  for (const reflection::Field* field : *table.fields()) {
    if (field->id() == id) {
      return field;
    }
  }
  return nullptr;
}

class Comparison {
 public:
  Comparison(const reflection::Schema& older, const reflection::Schema& newer)
      : older_(older), newer_(newer) {}

  std::vector<std::string> run() {
    for (const reflection::Object* from : *older_.objects()) {
      const reflection::Object* to = newer_.objects()->LookupByKey(from->name()->c_str());
      if (to == nullptr) {
        say(from->name()->str(), "removed");
        continue;
      }
      compare_objects(*from, *to);
    }
    for (const reflection::Enum* from : *older_.enums()) {
      const reflection::Enum* to = newer_.enums()->LookupByKey(from->name()->c_str());
      if (to == nullptr) {
        say(from->name()->str(), "removed");
        continue;
      }
      compare_enums(*from, *to);
    }
    return std::move(found_);
  }

 private:
  void say(const std::string& where, const std::string& what) {
    found_.push_back(where + ": " + what);
  }

  void compare_marks(const std::string& where, const Attributes* from, const Attributes* to) {
    const auto old_marks = marks(from);
    const auto new_marks = marks(to);
    for (const auto& [key, value] : old_marks) {
      const auto now = new_marks.find(key);
      if (now == new_marks.end()) {
        say(where, "attribute " + key + " removed");
      } else if (now->second != value) {
        say(where, "attribute " + key + " changed from " + value + " to " + now->second);
      }
    }
    for (const auto& [key, value] : new_marks) {
      if (!old_marks.contains(key)) {
        say(where, "attribute " + key + " added");
      }
    }
  }

  void compare_objects(const reflection::Object& from, const reflection::Object& to) {
    const std::string name = from.name()->str();
    if (from.is_struct() != to.is_struct()) {
      say(name, "table made a struct or struct made a table");
      return;
    }
    compare_marks(name, from.attributes(), to.attributes());
    if (from.is_struct() && (from.bytesize() != to.bytesize() || from.minalign() != to.minalign() ||
                             from.fields()->size() != to.fields()->size())) {
      say(name, "struct changed its size, alignment or number of fields");
    }
    for (const reflection::Field* field : *from.fields()) {
      compare_field(name, *field, to);
    }
    for (const reflection::Field* field : *to.fields()) {
      if (field_with_id(from, field->id()) == nullptr) {
        check_new_field(*field, to);
      }
    }
  }

  void compare_field(const std::string& table, const reflection::Field& from,
                     const reflection::Object& in) {
    const std::string where = table + "." + from.name()->str();
    const reflection::Field* to = field_with_id(in, from.id());
    const reflection::Field* same_name = in.fields()->LookupByKey(from.name()->c_str());
    if (same_name != nullptr && same_name->id() != from.id()) {
      say(where, "moved from position " + std::to_string(from.id()) + " to " +
                     std::to_string(same_name->id()));
      return;
    }
    if (to == nullptr || to->deprecated()) {
      say(where, "removed");
      return;
    }
    if (from.name()->str() != to->name()->str()) {
      const bool same_number = marks(from.attributes())["pb"] == marks(to->attributes())["pb"];
      say(where, same_number ? "renamed to " + to->name()->str()
                             : "removed, " + to->name()->str() + " put in its place");
    }
    compare_marks(where, from.attributes(), to->attributes());
    compare_storage(where, from, *to);
  }

  void compare_storage(const std::string& where, const reflection::Field& from,
                       const reflection::Field& to) {
    if (from.offset() != to.offset()) {
      say(where, "offset changed");
    }
    const std::string was = type_name(older_, *from.type());
    const std::string now = type_name(newer_, *to.type());
    if (was != now) {
      say(where, "type changed from " + was + " to " + now);
    }
    if (from.required() != to.required()) {
      say(where, to.required() ? "made required" : "no longer required");
    }
    if (from.optional() != to.optional() && from.required() == to.required()) {
      say(where, to.optional() ? "made optional" : "made always present");
    }
    if (from.default_integer() != to.default_integer() ||
        from.default_real() != to.default_real()) {
      say(where, "default changed");
    }
  }

  // Older records do not have it, so it must be able to be absent, and absent on the wire too.
  void check_new_field(const reflection::Field& field, const reflection::Object& in) {
    const std::string where = in.name()->str() + "." + field.name()->str();
    const bool is_message = marks(in.attributes()).contains("criu");
    const reflection::BaseType base = field.type()->base_type();
    const bool is_scalar = base > reflection::UType && base < reflection::String;
    if (in.is_struct()) {
      return;  // said already
    }
    if (field.required() || (is_message && is_scalar && !field.optional())) {
      say(where, "added, but older records do not have it: must be optional");
    }
  }

  static std::string type_name(const reflection::Schema& schema, const reflection::Type& type) {
    const bool list =
        type.base_type() == reflection::Vector || type.base_type() == reflection::Array;
    const reflection::BaseType base = list ? type.element() : type.base_type();
    std::string name = reflection::EnumNameBaseType(base);
    if (type.index() >= 0) {
      const auto index = static_cast<flatbuffers::uoffset_t>(type.index());
      name += " " + (base == reflection::Obj ? schema.objects()->Get(index)->name()
                                             : schema.enums()->Get(index)->name())
                        ->str();
    }
    return list ? "[" + name + ":" + std::to_string(type.fixed_length()) + "]" : name;
  }

  void compare_enums(const reflection::Enum& from, const reflection::Enum& to) {
    const std::string name = from.name()->str();
    compare_marks(name, from.attributes(), to.attributes());
    if (from.is_union() != to.is_union() ||
        from.underlying_type()->base_type() != to.underlying_type()->base_type()) {
      say(name, "type changed");
    }
    for (const reflection::EnumVal* value : *from.values()) {
      const auto now = std::find_if(to.values()->begin(), to.values()->end(),
                                    [&](const reflection::EnumVal* other) {
                                      return other->name()->str() == value->name()->str();
                                    });
      if (now == to.values()->end()) {
        say(name + "." + value->name()->str(), "removed");
      } else if (now->value() != value->value()) {
        say(name + "." + value->name()->str(), "value changed");
      }
    }
  }

  const reflection::Schema& older_;
  const reflection::Schema& newer_;
  std::vector<std::string> found_;
};

KindLine arguments(std::string_view text) {
  KindLine found;
  std::string one;
  bool quoted = false;
  for (const char c : text) {
    quoted = quoted != (c == '"');
    if (!quoted && (c == ',' || c == ')')) {
      found.push_back(one);
      one.clear();
      if (c == ')') {
        break;
      }
    } else if (quoted || c != ' ') {
      one += c;
    }
  }
  return found;
}

}  // namespace

std::vector<std::string> incompatibilities(const reflection::Schema& older,
                                           const reflection::Schema& newer) {
  return Comparison(older, newer).run();
}

std::vector<KindLine> parse_kinds(std::string_view text) {
  std::vector<KindLine> found;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    for (const std::string_view macro : {"IMG_KIND(", "IMG_OWN_KIND("}) {
      if (line.starts_with(macro)) {
        found.push_back(arguments(line.substr(macro.size())));
      }
    }
  }
  return found;
}

std::vector<std::string> kind_incompatibilities(const std::vector<KindLine>& older,
                                                const std::vector<KindLine>& newer) {
  std::vector<std::string> found;
  for (const KindLine& was : older) {
    const auto now = std::find_if(newer.begin(), newer.end(), [&](const KindLine& line) {
      return line.front() == was.front();
    });
    if (now == newer.end()) {
      found.push_back("kind " + was.front() + " " + was.at(1) + ": removed");
    } else if (*now != was) {
      found.push_back("kind " + was.front() + " " + was.at(1) + ": changed");
    }
  }
  return found;
}

}  // namespace img::schema
