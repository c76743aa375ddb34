// SPDX-License-Identifier: MIT
// size: what makes the image big.
#include <algorithm>
#include <map>

#include "libimg/show/file_sizes.h"
#include "libimg/show/views.h"

namespace img::show {
namespace {

constexpr std::size_t kLargestFiles = 15;

struct Group {
  std::string name;
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
};

std::string_view kind_name(FileKey file) {
  if (file.kind == Kind::zombie) {
    return schema::kind_info(Kind::core).name;
  }
  const schema::KindInfo* info = schema::find_kind(file.kind);
  return info == nullptr || file.kind == Kind::unknown_file ? "unknown" : info->name;
}

/// A page map's pages are a group of their own: they are nearly all of most images.
std::vector<Group> groups_of(const FileSizes& sizes) {
  std::map<std::string, Group> groups;
  const auto add = [&groups](const std::string& name, std::uint64_t bytes) {
    Group& group = groups[name];
    group.name = name;
    ++group.files;
    group.bytes += bytes;
  };
  for (const FileSize& size : sizes.files) {
    const bool is_map = size.file.kind == Kind::pagemap;
    const bool is_shared = size.file.kind == Kind::pagemap_shmem;
    add(std::string(kind_name(size.file)),
        size.record_bytes + (is_map || is_shared ? 0 : size.payload_bytes));
    if ((is_map || is_shared) && size.payload_bytes != 0) {
      add(is_map ? "memory of processes" : "shared memory", size.payload_bytes);
    }
  }
  std::vector<Group> sorted;
  for (auto& [name, group] : groups) {
    if (group.bytes != 0) {  // pages-N.img is counted with its page map
      sorted.push_back(std::move(group));
    }
  }
  std::ranges::stable_sort(sorted, std::greater(), &Group::bytes);
  return sorted;
}

std::string owner_of(Subject& subject, FileKey file) {
  switch (file.kind) {
    case Kind::core:
    case Kind::zombie:
    case Kind::ids:
    case Kind::mm:
    case Kind::pagemap:
    case Kind::fs: {
      const auto* process = subject.tree().find(static_cast<std::uint32_t>(file.id));
      return process == nullptr ? std::string() : subject.title(*process);
    }
    default: return {};
  }
}

void add_largest(Subject& subject, Page& page, FileSizes& sizes) {
  static const std::vector<Column> kColumns = {{"file", "LARGEST FILES"},
                                               {"messages", ""},
                                               {"bytes", "SIZE", Align::right, true},
                                               {"payload_bytes", "OF IT CONTENT", Align::right},
                                               {"process", "PROCESS"}};
  const auto total = [](const FileSize& size) { return size.record_bytes + size.payload_bytes; };
  const auto end = sizes.files.begin() +
                   static_cast<std::ptrdiff_t>(std::min(kLargestFiles, sizes.files.size()));
  std::ranges::partial_sort(sizes.files, end, [&](const FileSize& a, const FileSize& b) {
    return total(a) != total(b) ? total(a) > total(b) : a.file < b.file;
  });
  page.begin_table("largest", kColumns);
  for (auto at = sizes.files.begin(); at != end && total(*at) != 0; ++at) {
    std::string name = subject.reader().file_name(at->file);
    const bool is_map = at->file.kind == Kind::pagemap || at->file.kind == Kind::pagemap_shmem;
    name += page.is_for_people() && is_map ? " with its pages" : "";
    const std::string owner = owner_of(subject, at->file);
    page.row({Value::text(name), Value::count(at->messages), Value::size(total(*at)),
              Value::size(at->payload_bytes), owner.empty() ? Value::none() : Value::text(owner)});
  }
  page.end_table();
}

}  // namespace

void show_size(Subject& subject, Page& page) {
  static const std::vector<Column> kColumns = {
      {"kind", "KIND"}, {"files", "FILES", Align::right}, {"bytes", "SIZE", Align::right, true}};
  page.begin("size", "Size");
  FileSizes sizes = subject.sizes();
  page.field("bytes", "all files", Value::size(sizes.total()));
  page.field("record_bytes", "records", Value::size(sizes.record_bytes));
  page.field("payload_bytes", "content", Value::size(sizes.payload_bytes));
  page.begin_table("kinds", kColumns);
  for (const Group& group : groups_of(sizes)) {
    page.row({Value::text(group.name), Value::count(group.files), Value::size(group.bytes)});
  }
  page.end_table();
  add_largest(subject, page, sizes);
  page.end();
}

}  // namespace img::show
