// SPDX-License-Identifier: MIT
#include "libimg/store/sweep.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <span>

#include "libimg/base/file.h"
#include "libimg/base/file_lock.h"
#include "libimg/store/catalogue.h"
#include "libimg/store/pack_file.h"

namespace img::store {
namespace {

// Each has a descriptor while it is judged.
constexpr std::size_t kAtOnce = 128;

/// A pack without an entry. The lease on it is ours: whoever writes a pack holds it, so nobody is
/// going to commit this one.
struct Stray {
  Sweep::Pack pack;
  UniqueFd file;
};

std::uint64_t bytes_of(int packs, const std::string& name) {
  struct stat status {};
  return ::fstatat(packs, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0
             ? static_cast<std::uint64_t>(status.st_size)
             : 0;
}

// Nothing: its writer lives, or it is gone.
Result<std::optional<Stray>> take_stray(const Store& store, const Id& id) {
  const std::string thing = store.place() + "/packs/" + pack_file_name(id);
  Stray stray;
  stray.pack = {id, bytes_of(store.packs(), pack_file_name(id)) +
                        bytes_of(store.packs(), hash_file_name(id))};
  auto file = open_regular(store.packs(), pack_file_name(id), O_RDWR, thing);
  if (!file && file.error().sys_errno != ENOENT) {
    return fail(std::move(file).error());
  }
  if (file) {
    stray.file = std::move(*file);
    IMG_ASSIGN(const bool taken, take_lease(stray.file.get(), thing));
    if (!taken) {
      return std::optional<Stray>();
    }
  }
  return std::optional(std::move(stray));
}

// Hashes first: they are nothing without their pack, whose lease says that this goes on.
Result<void> remove_files(const Store& store, const Id& id) {
  for (const std::string& name : {hash_file_name(id), pack_file_name(id)}) {
    if (::unlinkat(store.packs(), name.c_str(), 0) != 0 && errno != ENOENT) {
      return fail(sys_error(errno, store.place() + "/packs/" + name, "remove"));
    }
  }
  return {};
}

Result<void> sweep_some(const Store& store, std::span<const Id> ids, bool remove, Sweep& sweep) {
  std::vector<Stray> strays;
  for (const Id& id : ids) {
    IMG_ASSIGN(std::optional<Stray> stray, take_stray(store, id));
    if (stray) {
      strays.push_back(std::move(*stray));
    }
  }
  // Leases first, then this look: an entry that is not there now never will be.
  std::uint64_t number = 0;
  {
    IMG_ASSIGN(const Snapshot now, store.snapshot());
    number = now->number();
    for (std::size_t at = strays.size(); at-- > 0;) {
      IMG_ASSIGN(const auto known, now->get(Key::pack(strays[at].pack.id)));
      if (known) {
        strays.erase(strays.begin() + static_cast<std::ptrdiff_t>(at));
      }
    }
  }
  IMG_ASSIGN(const auto oldest, store.oldest_reader());
  const bool may_go = !oldest || *oldest >= number;
  for (const Stray& stray : strays) {
    if (may_go && remove) {
      IMG_TRY(remove_files(store, stray.pack.id));
    }
    (may_go ? sweep.gone : sweep.kept).push_back(stray.pack);
  }
  return {};
}

Result<Sweep> run_sweep(const Store& store, bool remove) {
  std::vector<Id> ids;
  {
    IMG_ASSIGN(const Snapshot now, store.snapshot());
    IMG_ASSIGN(ids, stray_packs(store, *now));
  }
  Sweep sweep;
  for (std::span<const Id> left(ids); !left.empty();) {
    const std::size_t count = std::min(left.size(), kAtOnce);
    IMG_TRY(sweep_some(store, left.first(count), remove, sweep));
    left = left.subspan(count);
  }
  return sweep;
}

}  // namespace

Result<Sweep> find_strays(const Store& store) {
  return run_sweep(store, false);
}

Result<Sweep> sweep_packs(const Store& store) {
  return run_sweep(store, true);
}

}  // namespace img::store
