// SPDX-License-Identifier: MIT
#include "libimg/store/record_table.h"

#include <flatbuffers/reflection.h>

#include <algorithm>
#include <array>
#include <vector>

#include "libimg/base/assert.h"
#include "schema/binary_schema.h"

namespace img::store {
namespace {

using schema::Kind;
using schema::Shape;

struct KindTable {
  Shape shape = Shape::raw;
  std::string_view first;  // of the first message
};

constexpr auto kKindTables = [] {
  std::array<KindTable, 512> all{};
#define IMG_KIND(number, name, crit_name, magic, file_name, shape, table, payload) \
  all[number] = {Shape::shape, table};
#define IMG_OWN_KIND(number, name, table) all[number] = {Shape::own, table};
#include "schema/kinds.inc"
  return all;
}();

// What the check needs of the binary schema, in a form that is quick to walk. Made in a tenth of
// the time that schema::table_layouts() takes, which a tool that reads one record never needs.
enum class Op : std::uint8_t { scalar, fixed, string, table, scalars, fixeds, strings, tables };

struct Step {
  std::uint16_t voffset;
  Op op;
  bool required;
  std::uint16_t width;  // of a scalar or a struct, or of a vector's element
  std::uint16_t align;
  std::uint16_t table;  // index of the table, for table and tables
};

struct Plan {
  std::vector<Step> steps;                // of all tables
  std::vector<std::uint32_t> first_step;  // of table i; table i ends where i + 1 begins
  std::vector<std::string_view> names;    // ascending, as the binary schema has them
  std::array<std::int16_t, 512> by_kind{};
};

Step step_of(const reflection::Schema& all, const reflection::Field& field) {
  const reflection::Type& type = *field.type();
  const bool is_vector = type.base_type() == reflection::Vector;
  const auto base = is_vector ? type.element() : type.base_type();
  Step step{field.offset(), is_vector ? Op::scalars : Op::scalar, field.required(), 0, 0, 0};
  if (base == reflection::String) {
    step.op = is_vector ? Op::strings : Op::string;
  } else if (base == reflection::Obj) {
    const reflection::Object& object =
        *all.objects()->Get(static_cast<flatbuffers::uoffset_t>(type.index()));
    step.table = static_cast<std::uint16_t>(type.index());
    if (object.is_struct()) {
      step.op = is_vector ? Op::fixeds : Op::fixed;
      step.width = static_cast<std::uint16_t>(object.bytesize());
      step.align = static_cast<std::uint16_t>(object.minalign());
    } else {
      step.op = is_vector ? Op::tables : Op::table;
    }
  } else {
    step.width = static_cast<std::uint16_t>(flatbuffers::GetTypeSize(base));
    step.align = step.width;
  }
  return step;
}

constexpr std::string_view kNamespace = "img.schema.";

std::int16_t find_table(const Plan& plan, std::string_view name) {
  const auto own_name = [](std::string_view full) { return full.substr(kNamespace.size()); };
  const auto found = std::ranges::lower_bound(plan.names, name, {}, own_name);
  return found == plan.names.end() || name.empty() || own_name(*found) != name
             ? std::int16_t{-1}
             : static_cast<std::int16_t>(found - plan.names.begin());
}

Plan make_plan() {
  const reflection::Schema& all = *reflection::GetSchema(schema::binary_schema().data());
  Plan plan;
  for (const reflection::Object* object : *all.objects()) {
    IMG_ASSERT(object->name()->string_view().starts_with(kNamespace));
    plan.names.emplace_back(object->name()->c_str(), object->name()->size());
    plan.first_step.push_back(static_cast<std::uint32_t>(plan.steps.size()));
    if (!object->is_struct()) {
      for (const reflection::Field* field : *object->fields()) {
        plan.steps.push_back(step_of(all, *field));
      }
    }
  }
  plan.first_step.push_back(static_cast<std::uint32_t>(plan.steps.size()));
  for (std::size_t kind = 0; kind < plan.by_kind.size(); ++kind) {
    plan.by_kind[kind] = find_table(plan, kKindTables[kind].first);
  }
  return plan;
}

const Plan& plan() {
  static const Plan made = make_plan();
  return made;
}

class Check {
 public:
  explicit Check(Bytes buffer) : bytes_(buffer), left_(buffer.size()) {}

  bool root(std::size_t table_index) {
    std::size_t at = 0;
    return follow(0, at) && table(at, table_index, 1);
  }

 private:
  template <class T>
  [[nodiscard]] T get(std::size_t at) const {
    return load<T>(bytes_.data() + at);
  }
  [[nodiscard]] bool fits(std::size_t at, std::uint64_t size) const {
    return at <= bytes_.size() && size <= bytes_.size() - at;
  }
  // Each object's bytes are counted once; where objects overlap the sum exceeds the buffer.
  bool count(std::uint64_t size) {
    if (size > left_) {
      return false;
    }
    left_ -= size;
    return true;
  }

  // The offset at `at`, which is inside, into the place of a table, string or vector.
  bool follow(std::size_t at, std::size_t& target) {
    if (!fits(at, sizeof(std::uint32_t))) {
      return false;
    }
    target = at + get<std::uint32_t>(at);
    return target != at && target % 4 == 0 && fits(target, sizeof(std::uint32_t));
  }

  bool vector(std::size_t at, std::uint64_t width, std::uint64_t extra, std::uint32_t& length) {
    length = get<std::uint32_t>(at);
    const std::uint64_t size = 4 + length * width + extra;  // < 2^32 * 2^16
    return fits(at, size) && count(size);
  }

  bool string(std::size_t at) {
    std::uint32_t length = 0;
    return vector(at, 1, 1, length) && bytes_[at + 4 + length] == std::byte{0};
  }

  bool table(std::size_t at, std::size_t index, unsigned depth) {
    if (depth > kMaxTableDepth) {
      return false;
    }
    const std::int64_t vtable_at = static_cast<std::int64_t>(at) - get<std::int32_t>(at);
    const auto vtable = static_cast<std::size_t>(vtable_at);
    if (vtable_at < 0 || vtable % 2 != 0 || !fits(vtable, 4)) {
      return false;
    }
    const auto vtable_size = get<std::uint16_t>(vtable);
    const auto table_size = get<std::uint16_t>(vtable + 2);
    if (vtable_size < 4 || vtable_size % 2 != 0 || !fits(vtable, vtable_size) || table_size < 4 ||
        !fits(at, table_size) || !count(table_size)) {
      return false;
    }
    const Plan& all = plan();
    for (std::size_t i = all.first_step[index]; i < all.first_step[index + 1]; ++i) {
      const Step& step = all.steps[i];
      const std::size_t offset =
          step.voffset < vtable_size ? get<std::uint16_t>(vtable + step.voffset) : 0;
      if (offset == 0 ? step.required : !field(at, offset, table_size, step, depth)) {
        return false;
      }
    }
    return true;
  }

  bool field(std::size_t table_at, std::size_t offset, std::size_t table_size, const Step& step,
             unsigned depth) {
    const std::size_t at = table_at + offset;
    if (step.op <= Op::fixed) {
      return offset >= 4 && offset + step.width <= table_size && at % step.align == 0;
    }
    std::size_t target = 0;
    if (offset < 4 || offset + 4 > table_size || at % 4 != 0 || !follow(at, target)) {
      return false;
    }
    std::uint32_t length = 0;
    switch (step.op) {
      case Op::string: return string(target);
      case Op::table: return table(target, step.table, depth + 1);
      case Op::scalars:
      case Op::fixeds:
        // The builder does not align what has no elements.
        return vector(target, step.width, 0, length) &&
               (length == 0 || (target + 4) % step.align == 0);
      default: break;
    }
    if (!vector(target, 4, 0, length)) {
      return false;
    }
    for (std::uint32_t i = 0; i < length; ++i) {
      std::size_t element = 0;
      if (!follow(target + 4 + std::size_t{4} * i, element) ||
          !(step.op == Op::strings ? string(element) : table(element, step.table, depth + 1))) {
        return false;
      }
    }
    return true;
  }

  Bytes bytes_;
  std::uint64_t left_;
};

bool is_table_at(Bytes buffer, std::int16_t index) {
  return index >= 0 && Check(buffer).root(static_cast<std::size_t>(index));
}

}  // namespace

std::string_view record_table(const RecordPlace& place) {
  const auto kind = static_cast<std::size_t>(place.kind);
  if (kind >= kKindTables.size()) {
    return {};
  }
  const KindTable& entry = kKindTables[kind];
  if (place.seq == 0) {
    return "ImageFile";
  }
  if (place.seq > 1 && entry.shape == Shape::pagemap) {
    return "PagemapChunk";
  }
  if (place.seq > 1 && entry.shape == Shape::ghost) {
    return "GhostChunkEntry";
  }
  return entry.first;
}

bool is_table(Bytes buffer, std::string_view table) {
  return is_table_at(buffer, find_table(plan(), table));
}

bool is_record_table(Bytes buffer, const RecordPlace& place) {
  const std::string_view name = record_table(place);
  const auto kind = static_cast<std::size_t>(place.kind);
  if (kind < kKindTables.size() && name == kKindTables[kind].first) {
    return is_table_at(buffer, plan().by_kind[kind]);
  }
  return is_table(buffer, name);
}

}  // namespace img::store
