// SPDX-License-Identifier: MIT
#include "libimg/store/catalogue.h"

#include <fcntl.h>

#include <algorithm>

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

/// Which image a name is, and what is said of it.
struct NameRow {
  std::uint64_t commit = 0;
  Id image;
  std::string_view name;
  bool pinned = false;
};

Result<ImageRow> unnamed_row(const Txn& txn, std::uint64_t commit,
                             const schema::ImageHeader* header) {
  ImageRow row;
  row.id = Id::of(*header->id());
  row.commit = commit;
  row.header = header;
  if (header->commit() != commit || !is_image_name(row.name())) {
    return fail(Fault::corrupt, txn.place(), "read image header", "does not belong to its key");
  }
  return row;
}

Result<void> look_up_name(const Txn& txn, ImageRow& row) {
  IMG_ASSIGN(const auto* name, get_table<schema::Name>(txn, Key::name(row.name()), "Name"));
  row.has_name = name != nullptr && Id::of(*name->image()) == row.id;
  row.pinned = row.has_name && name->pinned();
  return {};
}

Result<ImageRow> make_row(const Txn& txn, std::uint64_t commit, const schema::ImageHeader* header) {
  IMG_ASSIGN(ImageRow row, unnamed_row(txn, commit, header));
  IMG_TRY(look_up_name(txn, row));
  return row;
}

Result<ImageRow> row_of_entry(const Txn& txn, const Entry& entry) {
  IMG_ASSIGN(const auto* header, entry_table<schema::ImageHeader>(txn, entry, "ImageHeader"));
  return make_row(txn, key_word(entry.key, 2), header);
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

// One walk instead of a search for each image.
Result<std::vector<NameRow>> names_by_commit(const Txn& txn) {
  std::vector<NameRow> names;
  IMG_ASSIGN(Cursor cursor, txn.cursor());
  IMG_ASSIGN(auto entry, cursor.seek(Key::own(Space::name, {})));
  while (entry && key_word(entry->key, 0) == 0 &&
         key_word(entry->key, 1) == static_cast<std::uint64_t>(Space::name)) {
    IMG_ASSIGN(const auto* name, entry_table<schema::Name>(txn, *entry, "Name"));
    names.push_back(
        {name->commit(), Id::of(*name->image()), name_in_key(entry->key), name->pinned()});
    IMG_ASSIGN(entry, cursor.next());
  }
  std::ranges::sort(names, {}, &NameRow::commit);
  return names;
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

}  // namespace

Result<std::vector<ImageRow>> list_images(const Txn& txn) {
  IMG_ASSIGN(const std::vector<NameRow> names, names_by_commit(txn));
  std::vector<ImageRow> rows;
  auto name = names.begin();
  const auto add = [&](const Entry& entry) -> Result<bool> {
    IMG_ASSIGN(const auto* header, entry_table<schema::ImageHeader>(txn, entry, "ImageHeader"));
    IMG_ASSIGN(ImageRow row, unnamed_row(txn, key_word(entry.key, 2), header));
    name = std::find_if(name, names.end(),
                        [&](const NameRow& known) { return known.commit >= row.commit; });
    if (name != names.end() && name->image == row.id && name->name == row.name()) {
      row.has_name = true;
      row.pinned = name->pinned;
    } else {
      IMG_TRY(look_up_name(txn, row));
    }
    rows.push_back(row);
    return true;
  };
  IMG_TRY(walk(txn, Space::commit, Key::commit(0), 2, add));
  return rows;
}

Result<std::vector<Descent>> list_descents(const Txn& txn) {
  std::vector<Descent> all;
  const auto add = [&](const Entry& entry) -> Result<bool> {
    IMG_ASSIGN(const auto* header, entry_table<schema::ImageHeader>(txn, entry, "ImageHeader"));
    if (header->parent() != nullptr) {
      all.push_back({Id::of(*header->id()), Id::of(*header->parent())});
    }
    return true;
  };
  IMG_TRY(walk(txn, Space::commit, Key::commit(0), 2, add));
  return all;
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
  IMG_ASSIGN(const std::vector<Descent> descents, list_descents(txn));
  const auto child = std::ranges::find(descents, id, &Descent::parent);
  if (child != descents.end()) {
    IMG_ASSIGN(const ImageRow row, find_image(txn, child->id));
    return std::optional(std::string(row.name()));
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
    IMG_ASSIGN(const auto* pack, entry_table<schema::Pack>(txn, entry, "Pack"));
    rows.push_back({id_in_key(entry.key), pack->bytes(), pack->sealed_ns()});
    return true;
  };
  IMG_TRY(walk(txn, Space::pack, Key::pack({}), 2, add));
  std::ranges::stable_sort(rows, std::greater(), &PackRow::sealed_ns);
  return rows;
}

Result<std::vector<PackUse>> users_of_pack(const Txn& txn, const Id& pack) {
  std::vector<PackUse> users;
  IMG_TRY(walk(txn, Space::usage, Key::usage(pack, 0), 3, [&](const Entry& entry) -> Result<bool> {
    if (id_in_key(entry.key) != pack) {
      return false;
    }
    IMG_ASSIGN(const std::uint64_t bytes, entry_number(txn, entry, "pack usage"));
    users.push_back({key_word(entry.key, 4), bytes});
    return true;
  }));
  return users;
}

Result<std::vector<Pending>> pending_images(const Store& store, const Txn& txn) {
  std::vector<Pending> all;
  const auto add = [&](const Entry& entry) -> Result<bool> {
    IMG_ASSIGN(const auto* header, entry_table<schema::ImageHeader>(txn, entry, "ImageHeader"));
    IMG_ASSIGN(const bool in_use, is_in_use(store, *header));
    HeaderDraft draft = HeaderDraft::of(*header);
    all.push_back({key_word(entry.key, 2), std::move(draft.name), draft.parent,
                   std::move(draft.packs), in_use});
    return true;
  };
  IMG_TRY(walk(txn, Space::pending, Key::pending(0), 2, add));
  return all;
}

}  // namespace img::store
