// SPDX-License-Identifier: MIT
#include "libimg/json/presentation.h"

#include <sys/sysmacros.h>

#include <limits>

namespace img::json {

using schema::FieldLayout;
using schema::Show;
using schema::Type;

namespace {

constexpr unsigned kMinorBits = 20;

void put_flags(TextOut& out, const FieldLayout& field, Bits value) {
  out.put('"');
  std::string_view between;
  for (const auto& [number, name] : field.names->values) {
    const auto bits = static_cast<Bits>(number);
    if ((value & bits) != 0) {
      out.put(between);
      out.put(name);
      between = " | ";
      value &= ~bits;
    }
  }
  if (value != 0) {
    out.put(between);
    out.hex(value);
  }
  out.put('"');
}

void put_hex(TextOut& out, const FieldLayout& field, Bits value) {
  out.put('"');
  if (is_signed(field) && static_cast<std::int64_t>(value) < 0) {
    out.put('-');
    value = 0 - value;
  }
  out.hex(value);
  out.put('"');
}

void put_device(TextOut& out, Bits high, Bits low) {
  out.put('"');
  out.decimal(high);
  out.put(':');
  out.decimal(low);
  out.put('"');
}

void put_name(TextOut& out, const schema::EnumLayout& names, const FieldLayout& field, Bits value) {
  const std::string_view name = names.name_of(static_cast<std::int64_t>(value));
  if (name.empty()) {
    put_plain(out, field, value);
    return;
  }
  out.put('"');
  out.put(name);
  out.put('"');
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') {
    text.remove_prefix(1);
  }
  while (!text.empty() && text.back() == ' ') {
    text.remove_suffix(1);
  }
  return text;
}

std::optional<std::uint64_t> parse_digits(std::string_view text, int base) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value, base);
  if (text.empty() || error != std::errc{} || stopped != end) {
    return std::nullopt;
  }
  return value;
}

// `magnitude` with its sign, if a scalar of the field can hold it.
std::optional<Bits> fitting(const FieldLayout& field, std::uint64_t magnitude, bool negative) {
  if (field.type == Type::boolean) {
    return magnitude <= 1 && !negative ? std::optional(magnitude) : std::nullopt;
  }
  const unsigned bits = field.width * 8U;
  if (!is_signed(field)) {
    const bool fits = !(negative && magnitude != 0) && (bits == 64 || magnitude >> bits == 0);
    return fits ? std::optional(magnitude) : std::nullopt;
  }
  const std::uint64_t limit = (std::uint64_t{1} << (bits - 1)) - (negative ? 0 : 1);
  if (magnitude > limit) {
    return std::nullopt;
  }
  return negative ? 0 - magnitude : magnitude;
}

std::optional<Bits> parse_flags(const FieldLayout& field, std::string_view text) {
  Bits value = 0;
  if (text.empty()) {
    return value;
  }
  while (true) {
    const std::size_t bar = text.find('|');
    const std::string_view word = trimmed(text.substr(0, bar));
    if (const auto* named = field.names->find(word)) {
      value |= static_cast<Bits>(named->number);
    } else if (const std::optional<Bits> bits = parse_number(field, word)) {
      value |= *bits;
    } else {
      return std::nullopt;
    }
    if (bar == std::string_view::npos) {
      return value;
    }
    text.remove_prefix(bar + 1);
  }
}

std::optional<Bits> parse_device(const FieldLayout& field, std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
    return parse_number(field, text);
  }
  const auto high = parse_digits(text.substr(0, colon), 10);
  const auto low = parse_digits(text.substr(colon + 1), 10);
  if (!high || !low || *high > UINT32_MAX || *low > UINT32_MAX) {
    return std::nullopt;
  }
  if (field.show == Show::odev) {
    return fitting(field, makedev(static_cast<unsigned>(*high), static_cast<unsigned>(*low)),
                   false);
  }
  if (*low >> kMinorBits != 0) {
    return std::nullopt;
  }
  return fitting(field, *high << kMinorBits | *low, false);
}

// crit 4.2 has wrong names for two states, and so have the files it wrote. A zombie's true state
// is never in an image (CRIU writes 2), so its name there always means a stopped task.
std::optional<Bits> parse_name(const FieldLayout& field, const schema::EnumLayout& names,
                               std::string_view text) {
  if (const auto* named = names.find(text)) {
    return static_cast<Bits>(named->number);
  }
  if (field.show == Show::dict && names.name == "flags.TaskState") {
    if (text == "Zombie") {
      return 3;
    }
    if (text == "Dead") {
      return 2;
    }
  }
  return parse_number(field, text);
}

}  // namespace

bool is_signed(const FieldLayout& field) {
  return field.type == Type::int32 || field.type == Type::int64 ||
         (field.type == Type::enumeration && field.width > 1);
}

Bits load_scalar(const FieldLayout& field, const std::uint8_t* from) {
  switch (field.width) {
    case 1: return *from;
    case 2: return load<std::uint16_t>(from);
    case 4: {
      const auto value = load<std::uint32_t>(from);
      return is_signed(field) ? static_cast<Bits>(std::int64_t{static_cast<std::int32_t>(value)})
                              : value;
    }
    default: return load<std::uint64_t>(from);
  }
}

void put_plain(TextOut& out, const FieldLayout& field, Bits value) {
  if (field.type == Type::boolean) {
    out.put(value != 0 ? std::string_view("true") : std::string_view("false"));
  } else if (is_signed(field)) {
    out.decimal(static_cast<std::int64_t>(value));
  } else {
    out.decimal(value);
  }
}

void put_pretty(TextOut& out, const FieldLayout& field, Bits value, bool hex) {
  if (field.type == Type::enumeration) {
    put_name(out, *field.enumeration, field, value);
  } else if (field.type == Type::boolean) {
    put_plain(out, field, value);
  } else if (hex) {
    put_hex(out, field, value);
  } else {
    switch (field.show) {
      case Show::hex: put_hex(out, field, value); break;
      case Show::dev: put_device(out, value >> kMinorBits, value & ((1U << kMinorBits) - 1)); break;
      case Show::odev: put_device(out, major(value), minor(value)); break;
      case Show::flags: put_flags(out, field, value); break;
      case Show::dict: put_name(out, *field.names, field, value); break;
      default: put_plain(out, field, value); break;
    }
  }
}

std::optional<Bits> parse_number(const FieldLayout& field, std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) {
    text.remove_prefix(1);
  }
  int base = 10;
  if (text.size() > 2 && text[0] == '0') {
    const char prefix = static_cast<char>(text[1] | 0x20);
    base = prefix == 'x' ? 16 : prefix == 'o' ? 8 : prefix == 'b' ? 2 : 10;
    text.remove_prefix(base == 10 ? 0 : 2);
  }
  const std::optional<std::uint64_t> magnitude = parse_digits(text, base);
  return magnitude ? fitting(field, *magnitude, negative) : std::nullopt;
}

std::optional<Bits> parse_value(const FieldLayout& field, std::string_view text) {
  if (field.type == Type::enumeration) {
    return parse_name(field, *field.enumeration, text);
  }
  switch (field.show) {
    case Show::flags: return parse_flags(field, text);
    case Show::dict: return parse_name(field, *field.names, text);
    case Show::dev:
    case Show::odev: return parse_device(field, text);
    default: return parse_number(field, text);
  }
}

}  // namespace img::json
