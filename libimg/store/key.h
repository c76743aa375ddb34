// SPDX-License-Identifier: MIT
// Keys of the database: big-endian words, so that byte order is number order. A record's is {image
// commit, kind, id, seq}; commit 0 belongs to no image, and its second word says what else the key
// is. Lengths are multiples of 8, so that LMDB keeps values aligned.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "libimg/base/bytes.h"
#include "libimg/store/id.h"
#include "schema/layout.h"

namespace img::store {

/// Where in an image a record is; model::RecordKey says what the parts mean.
struct RecordPlace {
  schema::Kind kind = schema::Kind::none;
  std::uint64_t id = 0;
  std::uint64_t seq = 0;
  friend auto operator<=>(const RecordPlace&, const RecordPlace&) = default;
};

/// Second word of the keys that are no record's. Part of the format.
enum class Space : std::uint64_t {
  header = 0,   // {0}: format and features; {1}: the binary schema the store was written with
  counter = 1,  // the next image's commit number
  image = 2,    // {id}: commit number of a complete image
  commit = 3,   // {commit}: ImageHeader of a complete image
  pending = 4,  // {commit}: ImageHeader of one being written, or of one being removed
  name = 5,     // the name, padded with zero bytes: Name
  pack = 6,     // {id}: Pack
  usage = 7,    // {pack id, commit}: how many bytes of the pack that image refers to
};

class Key {
 public:
  static constexpr std::size_t kMaxBytes = 16 + 128;

  [[nodiscard]] static Key record(std::uint64_t commit, const RecordPlace& place);
  [[nodiscard]] static Key own(Space space, std::initializer_list<std::uint64_t> words);
  /// At most 128 bytes, none of them zero.
  [[nodiscard]] static Key name(std::string_view name);

  [[nodiscard]] static Key header() { return own(Space::header, {0, 0}); }
  [[nodiscard]] static Key schema() { return own(Space::header, {1, 0}); }
  [[nodiscard]] static Key counter() { return own(Space::counter, {0, 0}); }
  [[nodiscard]] static Key image(const Id& id) { return own(Space::image, {id.hi, id.lo}); }
  [[nodiscard]] static Key commit(std::uint64_t commit) { return own(Space::commit, {commit, 0}); }
  [[nodiscard]] static Key pending(std::uint64_t commit) {
    return own(Space::pending, {commit, 0});
  }
  [[nodiscard]] static Key pack(const Id& id) { return own(Space::pack, {id.hi, id.lo}); }
  [[nodiscard]] static Key usage(const Id& pack, std::uint64_t commit) {
    return own(Space::usage, {pack.hi, pack.lo, commit});
  }

  [[nodiscard]] Bytes bytes() const { return {bytes_.data(), size_}; }

 private:
  void add(std::uint64_t word);

  std::array<std::byte, kMaxBytes> bytes_;  // the first size_ of them
  std::size_t size_ = 0;
};

/// Word `index` of a key as it came from the database; 0 where it is shorter.
[[nodiscard]] std::uint64_t key_word(Bytes key, std::size_t index);
/// The id in a key of Space::pack or Space::usage.
[[nodiscard]] Id id_in_key(Bytes key);
/// Whether `key` is one of `space` with exactly `words` words after the two common ones.
[[nodiscard]] bool is_own_key(Bytes key, Space space, std::size_t words);
/// The name in a key of Space::name.
[[nodiscard]] std::string_view name_in_key(Bytes key);

/// A record's place, from its key; the key is 32 bytes long.
[[nodiscard]] RecordPlace place_in_key(Bytes key);
inline constexpr std::size_t kRecordKeyBytes = 32;

}  // namespace img::store
