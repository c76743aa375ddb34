// SPDX-License-Identifier: MIT
// What waits to be read in unix sockets: packets, and the descriptors that go with them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "live/plan/files/image_files.h"

namespace img::plan {

class UnixQueues {
 public:
  [[nodiscard]] Result<void> read(model::ImageReader& reader);
  [[nodiscard]] bool has(std::uint32_t file_id) const { return queues_.contains(file_id); }
  /// Everything for the socket `file_id`, sent by `sender`; `name` is the receiver's.
  [[nodiscard]] Result<void> send(FileContext& context, std::uint32_t file_id, Slot sender,
                                  const std::string& name) const;

 private:
  struct Packet {
    std::vector<std::byte> bytes;
    std::vector<std::uint32_t> rights;  // ids of the files that go with it
  };
  static Result<void> send_one(FileContext& context, Slot sender, const Packet& packet,
                               const std::string& name);

  std::map<std::uint32_t, std::vector<Packet>> queues_;  // by file id
};

}  // namespace img::plan
