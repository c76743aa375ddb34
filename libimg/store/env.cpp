// SPDX-License-Identifier: MIT
#include "libimg/store/env.h"

#include <fcntl.h>
#include <lmdb.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "libimg/base/bytes.h"
#include "libimg/base/file.h"
#include "libimg/base/file_lock.h"
#include "libimg/store/database_look.h"

namespace img::store {
namespace {

// A larger map costs nothing, and growing one would end the transactions of all readers.
constexpr std::uint64_t kMapBytes = std::uint64_t{1} << 40;
// LMDB's reader table, 64 bytes each, and its head.
constexpr std::uint64_t kLockFileBytes = std::uint64_t{kMaxReaders} * 64 + 4096;

using FileId = std::pair<dev_t, ino_t>;
struct Opened {
  std::weak_ptr<Env> env;
  pid_t process = 0;
};
// Recursive: an Env that fails to open is destroyed, and taken off the list, under it.
std::recursive_mutex opened_mutex;
std::map<FileId, Opened>& opened() {
  static auto* all = new std::map<FileId, Opened>;  // outlives every static Env
  return *all;
}

std::uint64_t map_bytes() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
    return kMapBytes;
  }
  // Half of what may be, so that packs and the heap have room too.
  return std::min(kMapBytes, round_up(limit.rlim_cur / 2, 65536));
}

Result<void> check_file_system(int fd, const std::string& place) {
  struct statfs status {};
  if (::fstatfs(fd, &status) != 0) {
    return fail(sys_error(errno, place, "stat file system"));
  }
  if (const char* name = refused_file_system(static_cast<unsigned long>(status.f_type))) {
    return fail(Fault::unsupported, place, "open store",
                std::string("is on ") + name + ", where its locks and mappings do not work",
                "keep stores on a local disk, and move images with img-convert");
  }
  return {};
}

bool is_read_only_medium(int fd) {
  struct statvfs status {};
  return ::fstatvfs(fd, &status) == 0 && (status.f_flag & ST_RDONLY) != 0;
}

// LMDB maps lock.mdb for writing; in a hole of it, a full disk would be a SIGBUS.
Result<void> fill_lock_file(int fd, const std::string& place) {
  struct stat status {};
  if (::fstat(fd, &status) == 0 &&
      static_cast<std::uint64_t>(status.st_blocks) * 512 >= kLockFileBytes) {
    return {};
  }
  if (const int error = ::posix_fallocate(fd, 0, static_cast<off_t>(kLockFileBytes)); error != 0) {
    return fail(sys_error(error, place + "/lock.mdb", "allocate"));
  }
  return {};
}

// Not open_regular: closing any descriptor of a file drops this process's record locks on it.
Result<struct stat> stat_database(int directory, const std::string& place) {
  struct stat status {};
  if (::fstatat(directory, "data.mdb", &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return fail(sys_error(errno, place + "/data.mdb", "open store"));
  }
  if (!S_ISREG(status.st_mode)) {
    return fail(Fault::unsupported, place + "/data.mdb", "open store", "is not a regular file");
  }
  return status;
}

// False: the store is on read-only media and needs no locks.
Result<bool> prepare_lock_file(int directory, const std::string& place) {
  auto fd = open_regular(directory, "lock.mdb", O_RDWR, place + "/lock.mdb");
  if (!fd && fd.error().sys_errno == ENOENT && !is_read_only_medium(directory)) {
    fd = create_file(directory, "lock.mdb", place + "/lock.mdb");  // left behind by a copy
    if (!fd && fd.error().sys_errno == EEXIST) {
      fd = open_regular(directory, "lock.mdb", O_RDWR, place + "/lock.mdb");
    }
  }
  if (fd) {
    IMG_TRY(fill_lock_file(fd->get(), place));
    return true;
  }
  if (is_read_only_medium(directory)) {
    return false;
  }
  Error error = fd.error();
  error.what = "open store";
  error.why = "lock.mdb cannot be written: " + error.why;
  error.hint = "readers register there; run as the store's owner, or read a copy";
  return fail(std::move(error));
}

}  // namespace

Error database_error(int code, std::string thing, std::string what) {
  switch (code) {
    case MDB_MAP_FULL:
      return make_error(Fault::limit, std::move(thing), std::move(what), "the store is full",
                        "raise `ulimit -v`, or remove images with img-gc");
    case MDB_READERS_FULL:
      return make_error(Fault::conflict, std::move(thing), std::move(what),
                        "4096 others are reading it");
    case MDB_KEYEXIST:
      return make_error(Fault::conflict, std::move(thing), std::move(what), "is there already");
    case MDB_PANIC:
      return make_error(Fault::io, std::move(thing), std::move(what),
                        "an earlier write to it failed half-way", "start again");
    case MDB_INVALID:
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_CURSOR_FULL:
    case MDB_BAD_VALSIZE:
    case MDB_INCOMPATIBLE:
    case MDB_NOTFOUND:
      return make_error(Fault::corrupt, std::move(thing), std::move(what),
                        std::string("the database is damaged (") + ::mdb_strerror(code) + ")");
    default: break;
  }
  return code > 0 ? sys_error(code, std::move(thing), std::move(what))
                  : make_error(Fault::io, std::move(thing), std::move(what), ::mdb_strerror(code));
}

Result<void> Env::create_files(const UniqueFd& fd, const std::string& place) {
  IMG_TRY(check_file_system(fd.get(), place));
  IMG_ASSIGN(const UniqueFd openers, create_file(fd.get(), "lock", place + "/lock"));
  IMG_ASSIGN(const UniqueFd readers, create_file(fd.get(), "lock.mdb", place + "/lock.mdb"));
  IMG_TRY(fill_lock_file(readers.get(), place));
  IMG_ASSIGN(const UniqueFd records, create_file(fd.get(), "data.mdb", place + "/data.mdb"));
  return {};
}

Result<std::shared_ptr<Env>> Env::open(const UniqueFd& fd, const std::string& path,
                                       const std::string& place, std::chrono::milliseconds deadline,
                                       bool is_staged) {
  IMG_TRY(check_file_system(fd.get(), place));
  std::unique_lock lock(opened_mutex);
  IMG_ASSIGN(struct stat status, stat_database(fd.get(), place));
  FileId id{status.st_dev, status.st_ino};
  for (auto found = opened().find(id); found != opened().end(); found = opened().find(id)) {
    if (found->second.process != ::getpid()) {
      opened().erase(found);  // a fork's copy, which LMDB forbids to use
      break;
    }
    if (std::shared_ptr<Env> env = found->second.env.lock()) {
      return env;
    }
    lock.unlock();  // another thread is closing it
    std::this_thread::yield();
    lock.lock();
  }

  std::shared_ptr<Env> env(new Env);
  env->place_ = place;
  env->is_staged_ = is_staged;
  IMG_ASSIGN(env->openers_lock_, open_regular(fd.get(), "lock", O_RDONLY, place + "/lock"));
  IMG_TRY(lock_file(env->openers_lock_.get(), LockMode::shared, deadline, place, "open store"));
  // A compaction that we waited for has put another file in its place.
  IMG_ASSIGN(status, stat_database(fd.get(), place));
  id = {status.st_dev, status.st_ino};
  {
    IMG_ASSIGN(const UniqueFd data,
               open_regular(fd.get(), "data.mdb", O_RDONLY, place + "/data.mdb"));
    if (status.st_size != 0) {
      IMG_TRY(look_at_database(data.get(), place + "/data.mdb"));
    }
  }
  IMG_ASSIGN(const bool with_locks, prepare_lock_file(fd.get(), place));
  env->writable_ = with_locks && ::faccessat(fd.get(), "data.mdb", W_OK, AT_EACCESS) == 0;
  env->device_ = status.st_dev;
  env->inode_ = status.st_ino;
  env->process_ = ::getpid();
  IMG_TRY(env->start(path, !with_locks));
  opened()[id] = {env, env->process_};
  return env;
}

Result<void> Env::make_handle() {
  if (const int rc = ::mdb_env_create(&env_); rc != 0) {
    return fail(database_error(rc, place_, "open store"));
  }
  ::mdb_env_set_maxreaders(env_, kMaxReaders);
  ::mdb_env_set_userctx(env_, this);
  ::mdb_env_set_assert(env_, [](MDB_env* env, const char* text) {
    const auto* self = static_cast<const Env*>(::mdb_env_get_userctx(env));
    mapping_is_damaged(reinterpret_cast<const void*>(self->map_begin_), text);
  });
  return {};
}

Result<void> Env::start(const std::string& path, bool without_locks) {
  IMG_TRY(make_handle());
  const unsigned flags = MDB_NOTLS | (writable_ ? 0U : unsigned{MDB_RDONLY}) |
                         (without_locks ? unsigned{MDB_NOLOCK} : 0U) |
                         (is_staged_ ? unsigned{MDB_NOSYNC} : 0U);
  int rc = ENOMEM;
  for (std::uint64_t bytes = map_bytes(); rc == ENOMEM && bytes >= (1U << 20); bytes /= 2) {
    // A failed mdb_env_open leaves the handle fit for nothing but closing.
    ::mdb_env_set_mapsize(env_, bytes);
    rc = ::mdb_env_open(env_, path.c_str(), flags, 0600);
    if (rc == ENOMEM) {
      ::mdb_env_close(std::exchange(env_, nullptr));
      IMG_TRY(make_handle());
    }
  }
  if (rc != 0) {
    return fail(database_error(rc, place_, "open store"));
  }
  int dead = 0;
  if (!without_locks) {
    rc = ::mdb_reader_check(env_, &dead);
  }
  MDB_txn* txn = nullptr;
  if (rc == 0) {
    rc = ::mdb_txn_begin(env_, nullptr, MDB_RDONLY, &txn);
  }
  if (rc == 0) {
    rc = ::mdb_dbi_open(txn, nullptr, 0, &table_);
    ::mdb_txn_abort(txn);
  }
  if (rc != 0) {
    return fail(database_error(rc, place_, "open store"));
  }
  ::mdb_env_get_fd(env_, &data_fd_);
  guard_map();
  return {};
}

// LMDB does not say where it has mapped the file.
void Env::guard_map() {
  std::FILE* maps = std::fopen("/proc/self/maps", "re");
  if (maps == nullptr) {
    return;
  }
  std::array<char, 4608> line;
  while (std::fgets(line.data(), line.size(), maps) != nullptr) {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    unsigned major = 0;
    unsigned minor = 0;
    std::uint64_t inode = 0;
    if (std::sscanf(line.data(), "%" SCNxPTR "-%" SCNxPTR " %*s %*s %x:%x %" SCNu64, &begin, &end,
                    &major, &minor, &inode) == 5 &&
        inode == inode_ && ::makedev(major, minor) == device_) {
      map_begin_ = begin;
      guard_ =
          MappingGuard(reinterpret_cast<const void*>(begin), end - begin, place_ + "/data.mdb");
      break;
    }
  }
  std::fclose(maps);
}

bool Env::holds(const void* begin, std::size_t size) const {
  if (map_begin_ == 0) {
    return true;  // no /proc: nothing to compare with
  }
  const auto address = reinterpret_cast<std::uintptr_t>(begin);
  if (address < map_begin_) {
    return false;
  }
  const std::uint64_t end = address - map_begin_ + size;
  if (end <= known_size_.load(std::memory_order_relaxed)) {
    return true;
  }
  struct stat status {};
  if (::fstat(data_fd_, &status) != 0) {
    return false;
  }
  known_size_.store(static_cast<std::uint64_t>(status.st_size), std::memory_order_relaxed);
  return end <= static_cast<std::uint64_t>(status.st_size);
}

// LMDB tells of its readers only in words: a title, then a line "PID THREAD TXN" for each, with "-"
// for a slot that reads nothing.
Result<std::optional<std::uint64_t>> Env::oldest_reader() const {
  int dead = 0;
  std::optional<std::uint64_t> oldest;
  int rc = ::mdb_reader_check(env_, &dead);
  if (rc == 0) {
    const auto take = [](const char* line, void* found) {
      std::uint64_t number = 0;
      if (std::sscanf(line, "%*d %*x %" SCNu64, &number) == 1) {
        auto& so_far = *static_cast<std::optional<std::uint64_t>*>(found);
        so_far = std::min(number, so_far.value_or(number));
      }
      return 0;
    };
    rc = ::mdb_reader_list(env_, take, &oldest);
  }
  if (rc < 0) {
    return fail(make_error(Fault::io, place_, "list readers", "LMDB does not tell"));
  }
  return oldest;
}

int Env::write_failure() const {
  struct statvfs disk {};
  struct stat file {};
  rlimit limit{};
  if (::fstatvfs(data_fd_, &disk) == 0 && disk.f_bavail == 0) {
    return ENOSPC;
  }
  const bool at_limit = ::fstat(data_fd_, &file) == 0 && ::getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
                        static_cast<std::uint64_t>(file.st_size) >= limit.rlim_cur;
  return at_limit ? EFBIG : EIO;
}

Env::~Env() {
  if (env_ == nullptr) {
    return;
  }
  const std::lock_guard lock(opened_mutex);
  if (process_ != ::getpid()) {
    return;  // a fork's copy: closing it would touch the parent's lock file
  }
  guard_ = MappingGuard();
  ::mdb_env_close(env_);
  const auto found = opened().find({device_, inode_});
  if (found != opened().end() && found->second.env.expired()) {
    opened().erase(found);
  }
}

}  // namespace img::store
