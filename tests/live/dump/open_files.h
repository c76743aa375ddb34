// SPDX-License-Identifier: MIT
// A child that has opened what a test wants, stopped, and what FileCollector says of it.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "live/dump/dump_context.h"
#include "live/dump/files/file_collector.h"
#include "live/dump/shared_memory.h"
#include "schema/files_generated.h"

namespace img::live_test {

/// A child that has run `open` and waits. It starts with /dev/null as its first three descriptors
/// and no others, so the next ones are 3, 4 ...
class Opener {
 public:
  explicit Opener(const std::function<void()>& open);
  Opener(const Opener&) = delete;
  ~Opener();
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
};

/// To be called in `open`: makes a child that runs `first`, waits, and ends with its parent.
void start_child(const std::function<void()>& first = [] {});

/// The records of one collection of the tree below `root`.
class Collected {
 public:
  explicit Collected(pid_t root, const dump::DumpOptions& options = {});

  struct Message {
    std::vector<std::byte> bytes;
    std::string payload;
  };
  template <class T>
  [[nodiscard]] std::vector<const T*> all(model::Kind kind, std::uint64_t id = 0) const {
    std::vector<const T*> out;
    if (const auto found = files_.find({kind, id}); found != files_.end()) {
      for (const Message& message : found->second) {
        out.push_back(flatbuffers::GetRoot<T>(message.bytes.data()));
      }
    }
    return out;
  }
  [[nodiscard]] const std::vector<Message>& messages(model::Kind kind, std::uint64_t id = 0) const;

  /// What descriptor `number` of the process `index`, depth first, is; null if it is not told.
  [[nodiscard]] const schema::FdinfoEntry* descriptor(int number, std::size_t index = 0) const;
  [[nodiscard]] const schema::FileEntry* file(int number, std::size_t index = 0) const;
  [[nodiscard]] const schema::FileEntry* by_id(std::uint32_t id) const;

  [[nodiscard]] const std::vector<state::Refusal>& refusals() const { return remarks_.refusals(); }
  [[nodiscard]] bool refuses(state::Piece piece) const;
  [[nodiscard]] bool loses(state::Piece piece) const;
  [[nodiscard]] const dump::SharedMemory& shared_memory() const { return shared_memory_; }
  /// The first error, if collecting failed.
  [[nodiscard]] const std::string& failure() const { return failure_; }

 private:
  class Sink;
  [[nodiscard]] Result<void> collect(pid_t root, const dump::DumpOptions& options);

  std::map<model::FileKey, std::vector<Message>> files_;
  dump::Remarks remarks_;
  dump::SharedMemory shared_memory_;
  std::string failure_;
};

/// The file behind a descriptor; the test ends where it was not collected as one of this type.
const schema::FileEntry& file(const Collected& collected, int number, schema::FdTypes type);

}  // namespace img::live_test
