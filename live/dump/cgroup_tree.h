// SPDX-License-Identifier: MIT
// The directories of one cgroup hierarchy as they are on this host, with the files in them that
// say how a group is set up.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "libimg/base/result.h"
#include "libimg/base/unique_fd.h"
#include "schema/cgroup_generated.h"

namespace img::dump {

class CgroupTree {
 public:
  /// `controllers`: "cpu,cpuacct", "name=systemd"; empty for v2. A hierarchy that is mounted
  /// nowhere in sight has no directories.
  [[nodiscard]] static Result<CgroupTree> open(std::string controllers);

  /// Of the group at `path`; not open if it is not in sight.
  [[nodiscard]] UniqueFd folder(const std::string& path) const;
  /// The directory at `path` and, if asked for, all below it.
  [[nodiscard]] Result<void> add(const std::string& path, bool with_children);
  [[nodiscard]] flatbuffers::Offset<schema::CgControllerEntry> write(
      flatbuffers::FlatBufferBuilder& builder) const;

 private:
  struct Property {
    std::string name;
    std::string value;
    std::uint32_t mode = 0, uid = 0, gid = 0;
  };
  struct Directory {
    std::uint32_t mode = 0, uid = 0, gid = 0;
    std::vector<Property> properties;
  };
  /// A directory, all that is in it, then its siblings: `/` comes before every other character.
  struct PathOrder {
    [[nodiscard]] bool operator()(const std::string& one, const std::string& other) const {
      return std::lexicographical_compare(one.begin(), one.end(), other.begin(), other.end(),
                                          [](char a, char b) {
                                            return (a == '/' ? 0 : static_cast<unsigned char>(a)) <
                                                   (b == '/' ? 0 : static_cast<unsigned char>(b));
                                          });
    }
  };
  using Directories = std::map<std::string, Directory, PathOrder>;
  using Place = Directories::const_iterator;

  explicit CgroupTree(std::string controllers) : controllers_(std::move(controllers)) {}
  [[nodiscard]] Result<void> add_one(int directory, const std::string& path);
  void read_properties(int directory, Directory& out);
  [[nodiscard]] flatbuffers::Offset<schema::CgroupDirEntry> write_directory(
      flatbuffers::FlatBufferBuilder& builder, Place& place, const std::string& above) const;

  std::string controllers_;
  UniqueFd root_;        // of the hierarchy, or what is mounted of it
  std::string mounted_;  // the part of it that is mounted
  Directories directories_;
  bool is_threaded_ = false;
};

}  // namespace img::dump
