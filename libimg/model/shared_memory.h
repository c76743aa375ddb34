// SPDX-License-Identifier: MIT
// Objects that processes share and whose pages are in the image: which one lies under a mapping,
// and memfds by their inode.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>

#include "libimg/model/file_table.h"
#include "libimg/model/record.h"

namespace img::model {

class SharedMemory {
 public:
  struct Memfd {
    std::uint32_t shmid = 0;
    std::string name;  // of anonymous shared memory: /dev/zero
    std::uint64_t size = 0;
  };

  [[nodiscard]] static Result<SharedMemory> read(ImageReader& reader);
  /// Takes a record of memfd.img; false: another kind.
  bool add(const Record& record);

  /// Null: no such inode.
  [[nodiscard]] const Memfd* memfd(std::uint64_t inode_id) const;
  /// The page map of what a mapping with this VmaEntry.status and .shmid shows, or nothing. A
  /// process may have pages of its own above it.
  [[nodiscard]] std::optional<FileKey> under(std::uint32_t status, std::uint64_t shmid,
                                             const FileTable& files) const;

 private:
  std::unordered_map<std::uint64_t, Memfd> memfds_;
};

}  // namespace img::model
