// SPDX-License-Identifier: MIT
#include "libimg/criu/names.h"

#include <charconv>
#include <unordered_map>

namespace img::criu {

using model::FileKey;
using schema::Kind;
using schema::KindInfo;

namespace {

/// A kind's file name without the id: "core-" + ".img".
struct Pattern {
  std::string around;
  bool hex = false;
};

Pattern pattern_of(const KindInfo& info) {
  const std::size_t percent = info.file_name.find('%');
  if (percent == std::string_view::npos) {
    return {std::string(info.file_name), false};
  }
  return {std::string(info.file_name.substr(0, percent)) +
              std::string(info.file_name.substr(percent + 2)),
          info.file_name[percent + 1] == 'x'};
}

const std::unordered_map<std::string, const KindInfo*>& kinds_by_pattern() {
  static const auto* map = [] {
    auto* made = new std::unordered_map<std::string, const KindInfo*>;
    for (const KindInfo& info : schema::kinds()) {
      if (!info.file_name.empty()) {
        // "binfmt-misc.img" and "binfmt-misc-%d.img" differ by their dash.
        made->emplace(pattern_of(info).around, &info);
      }
    }
    return made;
  }();
  return *map;
}

}  // namespace

std::optional<FileKey> parse_file_name(std::string_view name) {
  const auto& kinds = kinds_by_pattern();
  if (const auto exact = kinds.find(std::string(name));
      exact != kinds.end() && !exact->second->has_id()) {
    return FileKey{exact->second->kind, 0};
  }
  const std::size_t dash = name.rfind('-');
  const std::size_t dot = dash == std::string_view::npos ? dash : name.find('.', dash);
  if (dot == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view digits = name.substr(dash + 1, dot - dash - 1);
  const auto found =
      kinds.find(std::string(name.substr(0, dash + 1)) + std::string(name.substr(dot)));
  if (found == kinds.end() || !found->second->has_id()) {
    return std::nullopt;
  }
  const bool hex = pattern_of(*found->second).hex;
  std::uint64_t id = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), id, hex ? 16 : 10);
  const FileKey key{found->second->kind, id};
  // Only the one way to write a number is CRIU's: no leading zeros, no capitals.
  if (error != std::errc{} || end != digits.data() + digits.size() ||
      image_file_name(key) != name) {
    return std::nullopt;
  }
  return key;
}

}  // namespace img::criu
