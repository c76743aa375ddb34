// SPDX-License-Identifier: MIT
#include "libimg/store/catalogue.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "libimg/base/file.h"
#include "libimg/base/file_lock.h"
#include "libimg/base/image_name.h"
#include "libimg/base/text.h"
#include "libimg/store/header_draft.h"
#include "libimg/store/pack_file.h"
#include "libimg/store/value.h"
#include "schema/pack_generated.h"

namespace img::store {
namespace {

constexpr std::uint64_t kNoCommit = ~std::uint64_t{0};

Result<ImageRow> make_row(const Txn& txn, std::uint64_t commit, const schema::ImageHeader* header) {
  ImageRow row;
  row.id = Id::of(*header->id());
  row.commit = commit;
  row.header = header;
  if (header->commit() != commit || !is_image_name(row.name())) {
    return fail(Fault::corrupt, txn.place(), "read image header", "does not belong to its key");
  }
  IMG_ASSIGN(const auto* name, get_table<schema::Name>(txn, Key::name(row.name()), "Name"));
  row.has_name = name != nullptr && Id::of(*name->image()) == row.id;
  row.pinned = row.has_name && name->pinned();
  return row;
}

Result<ImageRow> row_of_entry(const Txn& txn, const Entry& entry) {
  IMG_ASSIGN(const Envelope value, entry_value(txn, entry, "image header"));
  IMG_TRY(check_table(txn, value.flatbuffer, "ImageHeader"));
  return make_row(txn, key_word(entry.key, 2),
                  flatbuffers::GetRoot<schema::ImageHeader>(value.flatbuffer.data()));
}

Failure no_image(const Txn& txn, std::string_view name) {
  return fail(Fault::missing, txn.place(), "no image " + escaped(name), {},
              "`img-show " + txn.place() + " images` lists them");
}

// Calls `visit` with every entry of a space whose keys have `words` words more.
template <class Visit>
Result<void> walk(const Txn& txn, Space space, const Key& from, std::size_t words, Visit visit) {
  IMG_ASSIGN(Cursor cursor, txn.cursor());
  IMG_ASSIGN(auto entry, cursor.seek(from));
  while (entry && is_own_key(entry->key, space, words)) {
    IMG_ASSIGN(const bool more, visit(*entry));
    if (!more) {
      break;
    }
    IMG_ASSIGN(entry, cursor.next());
  }
  return {};
}

// Whether the writer of a pending image lives: it holds the lease on the first of its packs.
Result<bool> is_in_use(const Store& store, const schema::ImageHeader& header) {
  if (header.packs() == nullptr || header.packs()->size() == 0) {
    return false;
  }
  const std::string name = pack_file_name(Id::of(*header.packs()->Get(0)));
  auto file = open_regular(store.packs(), name, O_RDONLY, store.place() + "/packs/" + name);
  if (!file) {
    return file.error().fault == Fault::missing ? Result<bool>(false) : fail(file.error());
  }
  return has_lease(file->get(), store.place());
}

std::optional<Id> id_of_file(std::string_view name) {
  if (name.size() != 37 || (!name.ends_with(".pack") && !name.ends_with(".hash"))) {
    return std::nullopt;
  }
  Id id;
  const char* text = name.data();
  const bool good = std::from_chars(text, text + 16, id.hi, 16).ptr == text + 16 &&
                    std::from_chars(text + 16, text + 32, id.lo, 16).ptr == text + 32;
  return good ? std::optional(id) : std::nullopt;
}

Result<std::vector<std::string>> file_names(int directory, const std::string& place) {
  IMG_ASSIGN(UniqueFd fd, open_directory(directory, ".", place));
  DIR* const dir = ::fdopendir(fd.get());
  if (dir == nullptr) {
    return fail(sys_error(errno, place, "list"));
  }
  static_cast<void>(fd.release());  // dir's now
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(dir)) {
    names.emplace_back(entry->d_name);
  }
  ::closedir(dir);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

Result<std::vector<ImageRow>> list_images(const Txn& txn) {
  std::vector<ImageRow> rows;
  IMG_TRY(walk(txn, Space::commit, Key::commit(0), 2, [&](const Entry& entry) -> Result<bool> {
    IMG_ASSIGN(rows.emplace_back(), row_of_entry(txn, entry));
    return true;
  }));
  return rows;
}

Result<ImageRow> find_image(const Txn& txn, std::string_view name) {
  if (!is_image_name(name)) {
    return no_image(txn, name);
  }
  IMG_ASSIGN(const auto* found, get_table<schema::Name>(txn, Key::name(name), "Name"));
  if (found == nullptr) {
    return no_image(txn, name);
  }
  return find_image(txn, Id::of(*found->image()));
}

Result<ImageRow> find_image(const Txn& txn, const Id& id) {
  IMG_ASSIGN(const auto commit, get_number(txn, Key::image(id), "image"));
  if (!commit) {
    return no_image(txn, id.hex());
  }
  IMG_ASSIGN(const auto* header,
             get_table<schema::ImageHeader>(txn, Key::commit(*commit), "ImageHeader"));
  if (header == nullptr || Id::of(*header->id()) != id) {
    return fail(Fault::corrupt, txn.place(), "read image header", "is not there");
  }
  return make_row(txn, *commit, header);
}

Result<std::optional<ImageRow>> image_of_commit(const Txn& txn, std::uint64_t commit) {
  IMG_ASSIGN(const auto* header,
             get_table<schema::ImageHeader>(txn, Key::commit(commit), "ImageHeader"));
  if (header == nullptr) {
    return std::optional<ImageRow>();
  }
  IMG_ASSIGN(ImageRow row, make_row(txn, commit, header));
  return std::optional(row);
}

Result<ImageRow> newest_image(const Txn& txn, std::string_view series) {
  IMG_ASSIGN(Cursor cursor, txn.cursor());
  for (std::uint64_t before = kNoCommit;;) {
    IMG_ASSIGN(const auto entry, cursor.before(Key::commit(before)));
    if (!entry || !is_own_key(entry->key, Space::commit, 2)) {
      break;
    }
    IMG_ASSIGN(ImageRow row, row_of_entry(txn, *entry));
    if (row.has_name && (series.empty() || row.series() == series)) {
      return row;
    }
    before = row.commit;
  }
  return fail(Fault::missing, txn.place(), series.empty() ? "no image" : "no image of this series",
              {}, series.empty() ? "the store is empty" : "");
}

Result<bool> has_image(const Txn& txn, std::string_view name) {
  if (!is_image_name(name)) {
    return false;
  }
  IMG_ASSIGN(const auto found, txn.get(Key::name(name)));
  return found.has_value();
}

Result<std::optional<std::string>> child_of(const Store& store, const Txn& txn, const Id& id) {
  IMG_ASSIGN(const auto rows, list_images(txn));
  for (const ImageRow& row : rows) {
    if (row.header->parent() != nullptr && Id::of(*row.header->parent()) == id) {
      return std::optional(std::string(row.name()));
    }
  }
  IMG_ASSIGN(const auto pending, pending_images(store, txn));
  for (const Pending& image : pending) {
    if (image.in_use && image.parent == id) {
      return std::optional(image.name);
    }
  }
  return std::optional<std::string>();
}

Result<std::vector<PackRow>> list_packs(const Txn& txn) {
  std::vector<PackRow> rows;
  const auto add = [&](const Entry& entry) -> Result<bool> {
    IMG_ASSIGN(const Envelope value, entry_value(txn, entry, "pack"));
    IMG_TRY(check_table(txn, value.flatbuffer, "Pack"));
    const auto* pack = flatbuffers::GetRoot<schema::Pack>(value.flatbuffer.data());
    rows.push_back(
        {{key_word(entry.key, 2), key_word(entry.key, 3)}, pack->bytes(), pack->sealed_ns()});
    return true;
  };
  IMG_TRY(walk(txn, Space::pack, Key::pack({}), 2, add));
  std::ranges::stable_sort(rows, std::greater(), &PackRow::sealed_ns);
  return rows;
}

Result<std::vector<PackUse>> users_of_pack(const Txn& txn, const Id& pack) {
  std::vector<PackUse> users;
  IMG_TRY(walk(txn, Space::usage, Key::usage(pack, 0), 3, [&](const Entry& entry) -> Result<bool> {
    if (key_word(entry.key, 2) != pack.hi || key_word(entry.key, 3) != pack.lo) {
      return false;
    }
    const std::uint64_t commit = key_word(entry.key, 4);
    IMG_ASSIGN(const auto bytes, get_number(txn, Key::usage(pack, commit), "pack usage"));
    users.push_back({commit, bytes.value_or(0)});
    return true;
  }));
  return users;
}

Result<std::vector<Pending>> pending_images(const Store& store, const Txn& txn) {
  std::vector<Pending> all;
  const auto add = [&](const Entry& entry) -> Result<bool> {
    IMG_ASSIGN(const Envelope value, entry_value(txn, entry, "pending image"));
    IMG_TRY(check_table(txn, value.flatbuffer, "ImageHeader"));
    const auto* header = flatbuffers::GetRoot<schema::ImageHeader>(value.flatbuffer.data());
    IMG_ASSIGN(const bool in_use, is_in_use(store, *header));
    HeaderDraft draft = HeaderDraft::of(*header);
    all.push_back({key_word(entry.key, 2), std::move(draft.name), draft.parent,
                   std::move(draft.packs), in_use});
    return true;
  };
  IMG_TRY(walk(txn, Space::pending, Key::pending(0), 2, add));
  return all;
}

Result<std::vector<Id>> stray_packs(const Store& store, const Txn& txn) {
  IMG_ASSIGN(const auto names, file_names(store.packs(), store.place() + "/packs"));
  std::vector<Id> strays;
  for (const std::string& name : names) {
    const auto id = id_of_file(name);
    if (!id || (!strays.empty() && strays.back() == *id)) {
      continue;  // not ours to judge, or the other file of the same pack
    }
    IMG_ASSIGN(const auto known, txn.get(Key::pack(*id)));
    if (!known) {
      strays.push_back(*id);
    }
  }
  return strays;
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
