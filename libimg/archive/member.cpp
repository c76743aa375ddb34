// SPDX-License-Identifier: MIT
#include "libimg/archive/member.h"

namespace img::archive {
namespace {

constexpr std::size_t kMaxPart = 255;

}  // namespace

std::optional<std::string> clean_path(std::string_view name, std::string* why) {
  const auto refuse = [&](std::string_view text) {
    *why = text;
    return std::nullopt;
  };
  if (name.empty() || name.find('\0') != std::string_view::npos) {
    return refuse("is no name");
  }
  if (name.size() > kMaxPath) {
    return refuse("is longer than 4096 bytes");
  }
  if (name.front() == '/') {
    return refuse("is absolute");
  }
  std::string clean;
  while (!name.empty()) {
    const std::size_t slash = name.find('/');
    const std::string_view part = name.substr(0, slash);
    name = slash == std::string_view::npos ? std::string_view() : name.substr(slash + 1);
    if (part == "..") {
      return refuse("leads out of the archive");
    }
    if (part.size() > kMaxPart) {
      return refuse("has a part of more than 255 bytes");
    }
    if (!part.empty() && part != ".") {
      clean.append(clean.empty() ? "" : "/").append(part);
    }
  }
  return clean;
}

bool stays_inside(std::string_view path, std::string_view target) {
  if (target.empty() || target.front() == '/' || target.size() > kMaxPath) {
    return false;
  }
  std::size_t depth = 0;  // of the folder that the link is in
  for (const char c : path) {
    depth += c == '/' ? 1 : 0;
  }
  while (!target.empty()) {
    const std::size_t slash = target.find('/');
    const std::string_view part = target.substr(0, slash);
    target = slash == std::string_view::npos ? std::string_view() : target.substr(slash + 1);
    if (part == ".." && depth-- == 0) {
      return false;
    }
    depth += part.empty() || part == "." || part == ".." ? 0 : 1;
  }
  return true;
}

std::string_view folder_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

std::string_view name_of(std::string_view path) {
  return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
}

}  // namespace img::archive
