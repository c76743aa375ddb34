// SPDX-License-Identifier: MIT
// A folder of images (directories, archives) under the policy that stores have: 300 checkpoints of
// kubelet, of which some can go.
#pragma once

#include <sys/types.h>

#include "libimg/convert/source.h"
#include "libimg/gc/policy.h"
#include "tools/frame/program.h"

namespace img::tools {

struct FolderMember {
  std::string name;  // in the folder
  convert::Form form = convert::Form::criu;
  std::string series;
  std::uint64_t time_ns = 0;
  std::uint64_t bytes = 0;
  dev_t device = 0;  // what was judged, so that nothing else is removed
  ino_t inode = 0;
  bool is_image = true;   // else nothing that could be read as one
  bool is_judged = true;  // else `verdict` says why the policy is not asked, and it stays
  gc::Verdict verdict;
};

struct FolderPlan {
  std::vector<FolderMember> members;
  std::uint64_t bytes = 0;  // of what can go
};

/// What cannot be read, or holds more than an image, stays.
[[nodiscard]] Result<FolderPlan> plan_folder(const convert::Source& folder,
                                             const gc::Policy& policy);
void report_folder(frame::Call& call, const FolderPlan& plan, bool dry_run);
/// Each goes at once: it is renamed to a hidden name, and removed then. Bytes removed.
[[nodiscard]] Result<std::uint64_t> remove_paths(const std::string& folder, const FolderPlan& plan);
void report_removed(frame::Call& call, std::uint64_t bytes);

}  // namespace img::tools
