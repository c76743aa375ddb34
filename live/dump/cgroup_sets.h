// SPDX-License-Identifier: MIT
// Which cgroups each thread is in, in all hierarchies together, and what those directories are
// like: their properties are read, so that an image says under which limits a tree ran.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "live/dump/dump_context.h"

namespace img::dump {

class CgroupSets {
 public:
  static constexpr std::uint32_t kOwn = 1;

  /// Of this process: number kOwn.
  [[nodiscard]] Result<void> begin();
  /// Of a thread, by its /proc/PID/task/TID.
  [[nodiscard]] Result<std::uint32_t> add(const procfs::ProcDir& thread);
  /// cgroup.img, where any thread is elsewhere than this process, whose set is in it too: what it
  /// had in common with the tree is the host's, and is no reason to move anybody.
  [[nodiscard]] Result<void> finish(RecordBuffer& records);

 private:
  struct Member {
    std::string controllers;  // "cpu,cpuacct", "name=systemd"; empty for v2
    std::string path;
    friend auto operator<=>(const Member&, const Member&) = default;
  };
  using Set = std::vector<Member>;

  [[nodiscard]] static Result<Set> parse(const std::string& text);

  std::map<std::string, std::uint32_t> by_text_;  // what the kernel says; a shortcut
  std::map<Set, std::uint32_t> ids_;
};

}  // namespace img::dump
