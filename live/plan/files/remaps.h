// SPDX-License-Identifier: MIT
// Files that had lost their name when they were dumped: made again from the image (ghosts) or found
// by the link that the dump has left beside the old name. For the length of one call each has its
// old name back, so that the kernel knows it as "NAME (deleted)".
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "libimg/base/result.h"
#include "libimg/model/record.h"
#include "live/plan/plan.h"
#include "schema/remaps_generated.h"

namespace img::plan {

class FileContext;

class Remaps {
 public:
  /// Of remap-fpath.img; none if there is no such file.
  [[nodiscard]] Result<void> read(model::ImageReader& reader);

  [[nodiscard]] bool has(std::uint32_t file_id) const { return by_file_.count(file_id) != 0; }
  /// An O_PATH descriptor of the file without a name that REG entry `file_id` means: to be opened
  /// again by FileContext::reopen.
  [[nodiscard]] Result<Slot> holder(FileContext& context, std::uint32_t file_id);
  /// A holder of the deleted file that had this device (as the kernel numbers it) and inode.
  [[nodiscard]] Result<std::optional<Slot>> ghost_of(FileContext& context, std::uint32_t device,
                                                     std::uint64_t inode);
  /// All files are open.
  void opened(FileContext& context);
  /// Link remaps that have served are removed.
  void finish(FileContext& context);

 private:
  struct Remap {
    schema::RemapType type = schema::RemapType::GHOST;
    std::uint32_t id = 0;
  };
  class GhostSink;
  [[nodiscard]] Result<Slot> make_ghost(FileContext& context, std::uint32_t ghost,
                                        const std::string& name);
  [[nodiscard]] Result<Slot> open_link(FileContext& context, std::uint32_t link,
                                       const std::string& name);

  std::map<std::uint32_t, Remap> by_file_;
  std::map<std::uint32_t, Slot> ghosts_;  // holders by ghost id
  std::map<std::uint32_t, Slot> links_;   // holders by file id
  std::vector<std::string> used_links_;
  std::map<std::uint32_t, Slot> stand_ins_;  // by pid
};

}  // namespace img::plan
