// SPDX-License-Identifier: MIT
#include "libimg/archive/contents.h"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "libimg/criu/file_parser.h"
#include "libimg/criu/names.h"
#include "libimg/criu/probes.h"

namespace img::archive {
namespace {

using criu::DamageKind;
using schema::Kind;

constexpr std::size_t kMaxLevels = 4096;
// A page map larger than this is not looked at before its pages come.
constexpr std::uint64_t kMaxPagemap = std::uint64_t{32} << 20;

std::string joined(std::string_view folder, std::string_view name) {
  return std::string(folder).append(folder.empty() ? "" : "/").append(name);
}

bool is_pagemap(std::string_view path) {
  return name_of(path).starts_with("pagemap-");
}

}  // namespace

Contents::Contents(std::shared_ptr<const MappedFile> archive, std::string name,
                   const ReadOptions& options)
    : archive_(std::move(archive)),
      name_(std::move(name)),
      walk_(archive_->bytes(), {name_, options.stop, options.on_damage, false}) {}

Result<std::shared_ptr<const Contents>> Contents::read(std::shared_ptr<const MappedFile> archive,
                                                       std::string name,
                                                       const ReadOptions& options) {
  const std::shared_ptr<Contents> read(new Contents(std::move(archive), std::move(name), options));
  IMG_TRY(read->walk_.run([&](Member&& member, const Extent& extent) {
    return read->take(std::move(member), extent);
  }));
  IMG_TRY(read->index());
  IMG_TRY(read->resolve_links());
  IMG_TRY(read->find_folders());
  return std::shared_ptr<const Contents>(read);
}

Result<void> Contents::take(Member&& member, const Extent& extent) {
  if (walk_.compression() != Compression::none && member.type == MemberType::file) {
    if (is_pagemap(member.path)) {
      pagemaps_.push_back(static_cast<std::uint32_t>(entries_.size()));
    } else if (name_of(member.path).starts_with("pages-")) {
      IMG_TRY(expect_pages());
    }
  }
  Entry entry;
  entry.path = std::move(member.path);
  entry.place = extent;
  entry.head_bytes = static_cast<std::uint32_t>(extent.content - extent.head);
  entry.type = member.type;
  entries_.push_back(std::move(entry));
  return {};
}

// Memory may be all zeros and become next to nothing. As much of it as page maps speak of is no
// bomb; they come before it, since names are sorted.
Result<void> Contents::expect_pages() {
  for (const std::uint32_t at : pagemaps_) {
    const Extent& place = entries_[at].place;
    if (place.size > kMaxPagemap) {
      continue;
    }
    IMG_ASSIGN(const std::string bytes, walk_.read_back(place.content, place.size));
    criu::PageCount count;
    criu::FileParser parser;
    const auto key = criu::parse_file_name(name_of(entries_[at].path));
    if (key && parser.parse({}, *key, "", as_bytes(bytes), count)) {
      walk_.allow(std::min<std::uint64_t>(count.present, std::uint64_t{1} << 28) * 4096);
    }
  }
  pagemaps_.clear();
  return {};
}

Result<void> Contents::index() {
  by_path_.resize(entries_.size());
  std::iota(by_path_.begin(), by_path_.end(), 0U);
  std::ranges::sort(by_path_, {},
                    [&](std::uint32_t at) -> const std::string& { return entries_[at].path; });
  for (std::size_t i = 1; i < by_path_.size(); ++i) {
    const std::string& path = entries_[by_path_[i]].path;
    if (path == entries_[by_path_[i - 1]].path) {
      return walk_.broken(DamageKind::member_twice, path, "is there twice");
    }
  }
  for (const Entry& entry : entries_) {
    for (std::string_view above = folder_of(entry.path); !above.empty(); above = folder_of(above)) {
      const Entry* const found = find(above);
      if (found != nullptr && found->type != MemberType::directory) {
        const bool is_link = found->type == MemberType::symbolic_link;
        return walk_.broken(is_link ? DamageKind::member_outside : DamageKind::member_twice,
                            entry.path, fmt::format("is below '{}', which is no directory", above));
      }
    }
  }
  return {};
}

const Entry* Contents::find(std::string_view path) const {
  const auto path_of = [&](std::uint32_t at) -> std::string_view { return entries_[at].path; };
  const auto found = std::ranges::lower_bound(by_path_, path, {}, path_of);
  return found != by_path_.end() && path_of(*found) == path ? &entries_[*found] : nullptr;
}

std::vector<std::size_t> Contents::in_folder(std::string_view folder) const {
  const std::string prefix = folder.empty() ? std::string() : std::string(folder) + "/";
  const auto path_of = [&](std::uint32_t at) -> std::string_view { return entries_[at].path; };
  std::vector<std::size_t> found;
  for (auto at = std::ranges::lower_bound(by_path_, std::string_view(prefix), {}, path_of);
       at != by_path_.end() && path_of(*at).starts_with(prefix); ++at) {
    const std::string_view rest = path_of(*at).substr(prefix.size());
    if (!rest.empty() && rest.find('/') == std::string_view::npos) {
      found.push_back(*at);
    }
  }
  return found;
}

Result<void> Contents::resolve_links() {
  for (Entry& entry : entries_) {
    if (entry.type != MemberType::hard_link) {
      continue;
    }
    const std::string target = member(entry).target;
    const Entry* const named = find(target);
    if (named == nullptr || named >= &entry || named->type == MemberType::directory ||
        named->type == MemberType::symbolic_link) {
      return walk_.broken(
          DamageKind::member_type, entry.path,
          fmt::format("is a link to '{}', and no such file comes before it", target));
    }
    entry.place.content = named->place.content;
    entry.place.size = named->place.size;
  }
  return {};
}

std::string Contents::parent_of(const std::string& folder) const {
  const Entry* const link = find(joined(folder, "parent"));
  if (link == nullptr || link->type != MemberType::symbolic_link) {
    return folder;
  }
  const std::string target = member(*link).target;
  if (!stays_inside(link->path, target)) {
    return folder;
  }
  std::string at = folder;
  for (std::string_view left = target; !left.empty();) {
    const std::size_t slash = left.find('/');
    const std::string_view part = left.substr(0, slash);
    left = slash == std::string_view::npos ? std::string_view() : left.substr(slash + 1);
    if (part == "..") {
      at = std::string(folder_of(at));
    } else if (!part.empty() && part != ".") {
      at = joined(at, part);
    }
  }
  return at;
}

Result<std::string> Contents::newest_folder() const {
  std::set<std::string> with_inventory;
  std::set<std::string> with_images;
  for (const Entry& entry : entries_) {
    const std::string_view name = name_of(entry.path);
    if (entry.type == MemberType::directory || entry.path.empty()) {
      continue;
    }
    if (name == "inventory.img") {
      with_inventory.emplace(folder_of(entry.path));
    } else if (name.ends_with(".img") && criu::parse_file_name(name)) {
      with_images.emplace(folder_of(entry.path));
    }
  }
  std::set<std::string> found = with_inventory.empty() ? with_images : with_inventory;
  for (const std::string& folder : std::set<std::string>(found)) {
    if (const std::string parent = parent_of(folder); parent != folder) {
      found.erase(parent);
    }
  }
  if (found.contains("checkpoint")) {
    return "checkpoint";
  }
  if (found.size() == 1) {
    return *found.begin();
  }
  if (found.empty()) {
    return fail(Fault::missing, name_, "holds no image",
                "no folder of it has an inventory.img: not even checkpoint/");
  }
  return fail(
      Fault::unsupported, name_, "holds several images",
      fmt::format("'{}' and '{}' are no levels of one chain", *found.begin(), *found.rbegin()));
}

Result<void> Contents::find_folders() {
  Result<std::string> newest = newest_folder();
  if (!newest) {
    if (newest.error().fault == Fault::missing) {
      return walk_.broken(DamageKind::no_image, {},
                          newest.error().what + ": " + newest.error().why);
    }
    return fail(std::move(newest).error());
  }
  std::set<std::string> passed;
  for (std::string at = *newest; folders_.size() < kMaxLevels && passed.insert(at).second;
       at = parent_of(at)) {
    if (in_folder(at).empty()) {
      break;
    }
    folders_.push_back(at);
  }
  std::ranges::reverse(folders_);
  for (std::size_t level = 0; level < folders_.size(); ++level) {
    for (const std::size_t at : in_folder(folders_[level])) {
      const MemberType type = entries_[at].type;
      const bool is_file = type == MemberType::file || type == MemberType::hard_link;
      entries_[at].level = is_file ? static_cast<std::uint32_t>(level + 1) : 0;
    }
  }
  return {};
}

Bytes Contents::content(const Entry& entry) const {
  const bool has = entry.type == MemberType::file || entry.type == MemberType::hard_link;
  return has ? walk_.bytes().subspan(entry.place.content, entry.place.size) : Bytes();
}

Bytes Contents::head(const Entry& entry) const {
  return walk_.bytes().subspan(entry.place.head, entry.head_bytes);
}

Member Contents::member(const Entry& entry) const {
  return parse_head(head(entry)).value_or(Member());
}

Bytes Contents::tail() const {
  return walk_.bytes().subspan(walk_.end_of_members());
}

}  // namespace img::archive
