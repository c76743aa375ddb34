// SPDX-License-Identifier: MIT
#include "libimg/store/sweep.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>
#include <optional>
#include <string_view>

#include "libimg/base/file.h"
#include "libimg/base/file_lock.h"
#include "libimg/store/catalogue.h"
#include "libimg/store/pack_file.h"

namespace img::store {
namespace {

// Each has a descriptor while it is judged.
constexpr std::size_t kAtOnce = 128;

// A word of an id, as its file's name has it.
bool parse_word(const char* text, std::uint64_t& word) {
  constexpr std::size_t kDigits = 16;
  return std::from_chars(text, text + kDigits, word, 16).ptr == text + kDigits;
}

std::optional<Id> id_of_file(std::string_view name) {
  if (name.size() != 37 || (!name.ends_with(".pack") && !name.ends_with(".hash"))) {
    return std::nullopt;
  }
  Id id;
  return parse_word(name.data(), id.hi) && parse_word(name.data() + 16, id.lo) ? std::optional(id)
                                                                               : std::nullopt;
}

// Those that have a file, ascending. Other files are not ours to judge.
Result<std::vector<Id>> packs_in_folder(const Store& store) {
  const std::string place = store.place() + "/packs";
  IMG_ASSIGN(UniqueFd fd, open_directory(store.packs(), ".", place));
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::fdopendir(fd.get()), ::closedir);
  if (folder == nullptr) {
    return fail(sys_error(errno, place, "list"));
  }
  static_cast<void>(fd.release());  // the folder's now
  std::vector<Id> ids;
  while (const dirent* entry = ::readdir(folder.get())) {
    if (const auto id = id_of_file(entry->d_name)) {
      ids.push_back(*id);
    }
  }
  std::ranges::sort(ids);
  const auto twice = std::ranges::unique(ids);
  ids.erase(twice.begin(), twice.end());
  return ids;
}

// The packs whose files are there and that `txn` does not know, whoever writes them.
Result<std::vector<Id>> stray_packs(const Store& store, const Txn& txn) {
  IMG_ASSIGN(std::vector<Id> ids, packs_in_folder(store));
  IMG_ASSIGN(Cursor cursor, txn.cursor());
  IMG_ASSIGN(auto known, cursor.seek(Key::pack({})));
  std::vector<Id> strays;
  for (const Id& id : ids) {
    while (known && is_own_key(known->key, Space::pack, 2) && id_in_key(known->key) < id) {
      IMG_ASSIGN(known, cursor.next());
    }
    if (!known || !is_own_key(known->key, Space::pack, 2) || id_in_key(known->key) != id) {
      strays.push_back(id);
    }
  }
  return strays;
}

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

Result<Sweep> run_sweep(const Store& store, std::span<const Id> left, bool remove) {
  Sweep sweep;
  while (!left.empty()) {
    const std::size_t count = std::min(left.size(), kAtOnce);
    IMG_TRY(sweep_some(store, left.first(count), remove, sweep));
    left = left.subspan(count);
  }
  return sweep;
}

}  // namespace

Result<Sweep> find_strays(const Store& store) {
  std::vector<Id> ids;
  {
    IMG_ASSIGN(const Snapshot now, store.snapshot());
    IMG_ASSIGN(ids, stray_packs(store, *now));
  }
  return run_sweep(store, ids, false);
}

Result<Sweep> sweep_packs(const Store& store, std::span<const Id> candidates) {
  return run_sweep(store, candidates, true);
}

Result<std::vector<std::string>> stray_files(const Store& store, const Txn& txn) {
  IMG_ASSIGN(const std::vector<Id> packs, stray_packs(store, txn));
  std::vector<std::string> strays;
  for (const Id& id : packs) {
    auto file = open_regular(store.packs(), pack_file_name(id), O_RDONLY, store.place());
    if (file) {
      IMG_ASSIGN(const bool in_use, has_lease(file->get(), store.place()));
      if (in_use) {
        continue;
      }
    }
    for (std::string name : {hash_file_name(id), pack_file_name(id)}) {
      if (::faccessat(store.packs(), name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        strays.push_back(std::move(name));
      }
    }
  }
  return strays;
}

}  // namespace img::store
