// SPDX-License-Identifier: MIT
// Which images a store has, and what they are called. Rows borrow from their transaction.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libimg/base/result.h"
#include "libimg/store/store.h"
#include "schema/image_generated.h"

namespace img::store {

struct ImageRow {
  Id id;
  std::uint64_t commit = 0;
  const schema::ImageHeader* header = nullptr;
  /// False for an image that lost its name to another and is kept because a third needs it.
  bool has_name = false;
  bool pinned = false;

  [[nodiscard]] std::string_view name() const { return header->name()->string_view(); }
  [[nodiscard]] std::string_view series() const { return header->series()->string_view(); }
};

/// All complete images, oldest first, those without a name too.
[[nodiscard]] Result<std::vector<ImageRow>> list_images(const Txn& txn);
/// Fault::missing if there is none.
[[nodiscard]] Result<ImageRow> find_image(const Txn& txn, std::string_view name);
[[nodiscard]] Result<ImageRow> find_image(const Txn& txn, const Id& id);
/// The complete image with this number; nothing if there is none.
[[nodiscard]] Result<std::optional<ImageRow>> image_of_commit(const Txn& txn, std::uint64_t commit);
/// The newest that has a name; of one series, if that is not empty. Fault::missing if there is
/// none.
[[nodiscard]] Result<ImageRow> newest_image(const Txn& txn, std::string_view series = {});
[[nodiscard]] Result<bool> has_image(const Txn& txn, std::string_view name);

/// Who builds on whom, of all complete images, oldest first: what is left of list_images where
/// nothing else is wanted.
struct Descent {
  Id id;
  Id parent;
};
/// Of those that have a parent only.
[[nodiscard]] Result<std::vector<Descent>> list_descents(const Txn& txn);
/// The name of an image whose parent is `id`, or that a living writer makes upon it.
[[nodiscard]] Result<std::optional<std::string>> child_of(const Store& store, const Txn& txn,
                                                          const Id& id);

struct PackRow {
  Id id;
  std::uint64_t bytes = 0;
  std::uint64_t sealed_ns = 0;
};
/// All packs that a commit knows, the youngest first.
[[nodiscard]] Result<std::vector<PackRow>> list_packs(const Txn& txn);

/// How many bytes of `pack` each image refers to.
struct PackUse {
  std::uint64_t commit = 0;
  std::uint64_t bytes = 0;
};
[[nodiscard]] Result<std::vector<PackUse>> users_of_pack(const Txn& txn, const Id& pack);

/// An image being written or removed, or what a crash left of one.
struct Pending {
  std::uint64_t commit = 0;
  std::string name;
  std::optional<Id> parent;
  std::vector<Id> packs;
  /// Its writer lives.
  bool in_use = false;
};
/// Every pending image.
[[nodiscard]] Result<std::vector<Pending>> pending_images(const Store& store, const Txn& txn);

}  // namespace img::store
