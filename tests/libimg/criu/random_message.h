// SPDX-License-Identifier: MIT
// Random protobuf messages of any table of the schema, from a seed: as CRIU would write them, and
// with every liberty that protobuf allows.
#pragma once

#include <protozero/varint.hpp>
#include <random>
#include <string>

#include "schema/layout.h"

namespace img::criu::testing {

class RandomMessage {
 public:
  RandomMessage(unsigned seed, bool liberties) : random_(seed), liberties_(liberties) {}

  /// All required fields and some others.
  std::string message(const schema::TableLayout& table, unsigned depth = 0) {
    std::vector<std::string> pieces;
    for (const schema::FieldLayout& field : table.fields) {
      if (field.number == 0 || (!field.required && !chance(depth < 4 ? 2 : 8))) {
        continue;
      }
      const std::size_t count = field.repeated ? 1 + below(4) : 1;
      for (std::size_t i = 0; i < count; ++i) {
        pieces.push_back(element(field, depth));
      }
    }
    if (liberties_ && chance(3)) {
      take_liberty(pieces);
    }
    std::string out;
    for (const std::string& piece : pieces) {
      out += piece;
    }
    return out;
  }

  std::size_t below(std::size_t end) {
    return std::uniform_int_distribution<std::size_t>(0, end - 1)(random_);
  }
  bool chance(std::size_t one_in) { return below(one_in) == 0; }

 private:
  static constexpr unsigned kWireTypes[] = {0, 0, 5, 1, 2};

  std::string varint(std::uint64_t value) {
    std::string out;
    protozero::write_varint(std::back_inserter(out), value);
    if (liberties_ && chance(40) && out.size() < 9) {
      out.back() = static_cast<char>(out.back() | '\x80');
      out.push_back('\0');  // longer than it needs to be
    }
    return out;
  }

  std::string element(const schema::FieldLayout& field, unsigned depth) {
    const auto wire = static_cast<std::size_t>(field.wire);
    std::string out = varint(field.number << 3U | kWireTypes[wire]);
    const std::uint64_t value = number(field);
    switch (field.wire) {
      case schema::Wire::fixed32:
        return out + std::string(reinterpret_cast<const char*>(&value), 4);
      case schema::Wire::fixed64:
        return out + std::string(reinterpret_cast<const char*>(&value), 8);
      case schema::Wire::length: {
        std::string content;
        if (field.type == schema::Type::table) {
          content = message(*field.table, depth + 1);
        } else {
          content.resize(below(20));
          for (char& c : content) {
            c = static_cast<char>(below(256));
          }
        }
        return out + varint(content.size()) + content;
      }
      default: return out + varint(value);
    }
  }

  /// The value as it goes over the wire; with liberties also one that the type cannot hold.
  std::uint64_t number(const schema::FieldLayout& field) {
    std::uint64_t any = random_();
    any >>= below(64);
    if (liberties_ && chance(20)) {
      return any;
    }
    switch (field.type) {
      case schema::Type::boolean: return any & 1U;
      case schema::Type::uint32: return static_cast<std::uint32_t>(any);
      case schema::Type::int32:
        return field.wire == schema::Wire::zigzag
                   ? static_cast<std::uint32_t>(any)
                   : static_cast<std::uint64_t>(
                         static_cast<std::int64_t>(static_cast<std::int32_t>(any)));
      case schema::Type::enumeration: {
        const auto& values = field.enumeration->values;
        return static_cast<std::uint64_t>(values[below(values.size())].number);
      }
      default: return any;
    }
  }

  void take_liberty(std::vector<std::string>& pieces) {
    switch (below(4)) {
      case 0:
        if (pieces.size() > 1) {
          std::swap(pieces[below(pieces.size())], pieces[below(pieces.size())]);
        }
        break;
      case 1:
        if (!pieces.empty()) {
          pieces.push_back(pieces[below(pieces.size())]);
        }
        break;
      case 2: pieces.push_back(varint(4000U << 3U) + varint(random_())); break;  // unknown
      default: pieces.insert(pieces.begin(), varint(4001U << 3U | 3U) + varint(4001U << 3U | 4U));
    }
  }

  std::mt19937_64 random_;
  bool liberties_;
};

}  // namespace img::criu::testing
