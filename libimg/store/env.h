// SPDX-License-Identifier: MIT
// The database of a store, opened once per process however often it is asked for: LMDB's locks
// break if one process opens a database twice. Knows pages and locks, and nothing of what a key or
// a value means.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "libimg/base/mapping_guard.h"
#include "libimg/base/result.h"
#include "libimg/base/unique_fd.h"

struct MDB_env;

namespace img::store {

inline constexpr unsigned kMaxReaders = 4096;

/// Our error for one of LMDB's.
[[nodiscard]] Error database_error(int code, std::string thing, std::string what);

class Env {
 public:
  /// The database in the directory `fd` whose path is `path`; `place` is what errors call the
  /// store. Dead readers are cleared. Writable where the files are. `is_staged`: commits are not
  /// synced; of an environment that is open already, the first one's wish counts.
  [[nodiscard]] static Result<std::shared_ptr<Env>> open(const UniqueFd& fd,
                                                         const std::string& path,
                                                         const std::string& place,
                                                         std::chrono::milliseconds deadline,
                                                         bool is_staged = false);
  /// The two files, empty, in a directory that has neither.
  [[nodiscard]] static Result<void> create_files(const UniqueFd& fd, const std::string& place);

  Env(const Env&) = delete;
  Env& operator=(const Env&) = delete;
  ~Env();

  [[nodiscard]] MDB_env* get() const { return env_; }
  [[nodiscard]] unsigned table() const { return table_; }
  [[nodiscard]] bool is_writable() const { return writable_; }
  [[nodiscard]] const std::string& place() const { return place_; }
  /// Whether these bytes are inside the file, so that reading them cannot fault.
  [[nodiscard]] bool holds(const void* begin, std::size_t size) const;

  /// The map, for blame: LMDB follows what the file says, and a damaged one leads it anywhere.
  [[nodiscard]] const MappingGuard& map() const { return guard_; }
  /// The number of the oldest transaction that any reader holds, of all processes; nothing if
  /// nobody reads. Readers that died do not count.
  [[nodiscard]] Result<std::optional<std::uint64_t>> oldest_reader() const;
  /// The errno behind a write that LMDB only says went wrong.
  [[nodiscard]] int write_failure() const;

 private:
  Env() = default;
  [[nodiscard]] Result<void> start(const std::string& path, bool without_locks);
  [[nodiscard]] Result<void> make_handle();
  void guard_map();

  MDB_env* env_ = nullptr;
  unsigned table_ = 0;
  bool writable_ = false;
  bool is_staged_ = false;
  std::string place_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  pid_t process_ = 0;
  UniqueFd openers_lock_;
  int data_fd_ = -1;  // LMDB's own
  std::uintptr_t map_begin_ = 0;
  mutable std::atomic<std::uint64_t> known_size_{0};
  MappingGuard guard_;
};

}  // namespace img::store
