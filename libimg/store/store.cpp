// SPDX-License-Identifier: MIT
#include "libimg/store/store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <thread>

#include "libimg/base/file.h"
#include "libimg/base/file_lock.h"
#include "libimg/store/compact.h"

namespace img::store {
namespace {

Result<UniqueFd> make_directory(const std::string& path, const std::string& place) {
  auto directory = create_directory(AT_FDCWD, path, place);
  if (directory || directory.error().sys_errno != EEXIST) {
    return directory;
  }
  IMG_ASSIGN(UniqueFd fd, open_directory(AT_FDCWD, path, place));
  std::error_code error;
  if (!std::filesystem::is_empty(path, error) || error) {
    return fail(Fault::conflict, place, "create store", "the directory is not empty");
  }
  if (::fchmod(fd.get(), 0700) != 0) {
    return fail(sys_error(errno, place, "create store"));
  }
  return fd;
}

}  // namespace

Result<std::shared_ptr<const Store>> Store::create(const std::string& path, StoreOptions options) {
  if (options.place.empty()) {
    options.place = path;
  }
  const std::string place = options.place;
  {
    IMG_ASSIGN(const UniqueFd directory, make_directory(path, place));
    IMG_ASSIGN(const UniqueFd packs, create_directory(directory.get(), "packs", place + "/packs"));
    IMG_TRY(Env::create_files(directory, place));
    IMG_ASSIGN(auto env, Env::open(directory, path, place, options.deadline, options.is_staged));
    IMG_ASSIGN(auto txn, WriteTxn::begin(env, packs.get(), options.deadline));
    IMG_TRY(put_format(*txn));
    IMG_TRY(txn->commit());
    if (!options.is_staged) {
      IMG_TRY(sync_file(directory.get(), place));
    }
  }
  return open(path, std::move(options));
}

Result<std::shared_ptr<const Store>> Store::open(const std::string& path, StoreOptions options) {
  std::shared_ptr<Store> store(new Store);
  store->options_ = std::move(options);
  std::string& place = store->options_.place;
  if (place.empty()) {
    place = path;
  }
  IMG_ASSIGN(store->directory_, open_directory(AT_FDCWD, path, place));
  IMG_ASSIGN(store->packs_, open_directory(store->directory_.get(), "packs", place + "/packs"));
  IMG_ASSIGN(store->env_, Env::open(store->directory_, path, place, store->options_.deadline,
                                    store->options_.is_staged));
  IMG_ASSIGN(const Snapshot now, store->snapshot());
  IMG_ASSIGN(store->format_, get_format(*now));
  return std::shared_ptr<const Store>(std::move(store));
}

// An open-file-description lock on the file that openers flock: the two do not see each other.
Result<UniqueFd> Store::collectors_turn() const {
  IMG_ASSIGN(UniqueFd lock, open_regular(directory_.get(), "lock", O_RDWR, place() + "/lock"));
  const auto end = std::chrono::steady_clock::now() + options_.deadline;
  for (;;) {
    IMG_ASSIGN(const bool taken, take_lease(lock.get(), place() + "/lock"));
    if (taken) {
      return lock;
    }
    if (std::chrono::steady_clock::now() >= end) {
      return fail(Fault::conflict, place(), "collect", "another img-gc is at work in it",
                  "try again when it has ended");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

Result<void> Store::remove_unfinished_copy() const {
  if (::unlinkat(directory_.get(), kUnfinishedCopy, 0) != 0 && errno != ENOENT) {
    return fail(sys_error(errno, place() + "/" + kUnfinishedCopy, "remove"));
  }
  return {};
}

bool Store::is_store(const std::string& path) {
  struct stat data {};
  struct stat packs {};
  return ::stat((path + "/data.mdb").c_str(), &data) == 0 && S_ISREG(data.st_mode) &&
         ::stat((path + "/packs").c_str(), &packs) == 0 && S_ISDIR(packs.st_mode);
}

Result<std::unique_ptr<WriteTxn>> Store::write() const {
  IMG_ASSIGN(auto txn, WriteTxn::begin(env_, packs_.get(), options_.deadline));
  IMG_TRY(check_may_write(*txn, format_));
  return txn;
}

}  // namespace img::store
