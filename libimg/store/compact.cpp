// SPDX-License-Identifier: MIT
#include "libimg/store/compact.h"

#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "libimg/base/file.h"
#include "libimg/base/file_lock.h"
#include "libimg/store/database_look.h"
#include "libimg/store/env.h"

namespace img::store {
namespace {

constexpr std::size_t kMapBytes = std::size_t{1} << 40;

struct CloseEnv {
  void operator()(MDB_env* env) const { ::mdb_env_close(env); }
};

// No locks of LMDB: nobody else has the store open.
Result<void> copy_to(const std::string& path, int to, const std::string& place) {
  int rc = ENOMEM;
  for (std::size_t bytes = kMapBytes; rc == ENOMEM && bytes >= (1U << 20); bytes /= 2) {
    MDB_env* made = nullptr;
    rc = ::mdb_env_create(&made);
    const std::unique_ptr<MDB_env, CloseEnv> env(made);
    if (rc == 0) {
      ::mdb_env_set_mapsize(made, bytes);
      rc = ::mdb_env_open(made, path.c_str(), MDB_RDONLY | MDB_NOLOCK, 0600);
    }
    if (rc == 0) {
      rc = ::mdb_env_copyfd2(made, to, MDB_CP_COMPACT);
    }
  }
  return rc == 0 ? Result<void>() : fail(database_error(rc, place, "compact"));
}

}  // namespace

Result<Compacted> compact_database(const std::string& path, const StoreOptions& options) {
  const std::string place = options.place.empty() ? path : options.place;
  IMG_ASSIGN(const UniqueFd directory, open_directory(AT_FDCWD, path, place));
  IMG_ASSIGN(const UniqueFd lock, open_regular(directory.get(), "lock", O_RDONLY, place + "/lock"));
  IMG_TRY(lock_file(lock.get(), LockMode::exclusive, options.deadline, place,
                    "wait for everyone to close it"));
  if (::unlinkat(directory.get(), kUnfinishedCopy, 0) != 0 && errno != ENOENT) {
    return fail(sys_error(errno, place + "/" + kUnfinishedCopy, "remove"));
  }
  Compacted sizes;
  {
    IMG_ASSIGN(const UniqueFd data,
               open_regular(directory.get(), "data.mdb", O_RDONLY, place + "/data.mdb"));
    IMG_TRY(look_at_database(data.get(), place + "/data.mdb"));
    IMG_ASSIGN(sizes.before, file_size(data.get(), place + "/data.mdb"));
  }
  const std::string copy_place = place + "/" + kUnfinishedCopy;
  IMG_ASSIGN(const UniqueFd copy, create_file(directory.get(), kUnfinishedCopy, copy_place));
  auto done = copy_to(path, copy.get(), place);
  if (done) {
    done = sync_file(copy.get(), copy_place);
  }
  if (done && ::renameat(directory.get(), kUnfinishedCopy, directory.get(), "data.mdb") != 0) {
    done = fail(sys_error(errno, copy_place, "rename"));
  }
  if (!done) {
    ::unlinkat(directory.get(), kUnfinishedCopy, 0);
    return fail(std::move(done).error());
  }
  IMG_TRY(sync_file(directory.get(), place));
  IMG_ASSIGN(sizes.after, file_size(copy.get(), copy_place));
  return sizes;
}

}  // namespace img::store
