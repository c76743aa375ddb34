// SPDX-License-Identifier: MIT
#include "live/dump/files/locks.h"

#include <fcntl.h>

#include "schema/locks_generated.h"

namespace img::dump {
namespace {

// FileLockEntry.flag.
constexpr std::uint32_t kPosix = 1;
constexpr std::uint32_t kFlock = 2;
constexpr std::uint32_t kOpenFile = 4;
constexpr std::uint32_t kLease = 8;

}  // namespace

void FileLocks::add(const OpenFile& file, bool is_new, std::uint32_t files_id) {
  for (const procfs::FileLock& lock : file.info.locks) {
    if (lock.kind == "POSIX") {
      if (seen_.emplace(files_id, file.stat.st_dev, file.stat.st_ino, lock.start).second) {
        add_record(file, lock, kPosix);
      }
      continue;
    }
    if (!is_new) {
      continue;
    }
    if (lock.kind == "FLOCK") {
      add_record(file, lock, kFlock);
    } else if (lock.kind == "OFDLCK") {
      add_record(file, lock, kOpenFile);
    } else if (lock.kind == "LEASE" && lock.state == "ACTIVE") {
      add_record(file, lock, kLease);
    } else {
      bench_.refuse(file, state::Piece::lock_unknown);
    }
  }
}

void FileLocks::add_record(const OpenFile& file, const procfs::FileLock& lock, std::uint32_t kind) {
  const std::int64_t start = static_cast<std::int64_t>(lock.start);
  const std::int64_t length = lock.end ? static_cast<std::int64_t>(*lock.end) + 1 - start : 0;
  auto& builder = bench_.builder();
  bench_.records().add(Kind::filelocks, 0,
                       schema::CreateFileLockEntry(builder, kind, lock.writes ? F_WRLCK : F_RDLCK,
                                                   file.pid, file.number, start, length));
}

}  // namespace img::dump
