// SPDX-License-Identifier: MIT
#include "libimg/store/key.h"

#include "libimg/base/assert.h"

namespace img::store {

void Key::add(std::uint64_t word) {
  store_at(bytes_.data() + size_, big_endian(word));
  size_ += sizeof word;
}

Key Key::record(std::uint64_t commit, const RecordPlace& place) {
  Key key;
  key.add(commit);
  key.add(static_cast<std::uint64_t>(place.kind));
  key.add(place.id);
  key.add(place.seq);
  return key;
}

Key Key::own(Space space, std::initializer_list<std::uint64_t> words) {
  Key key;
  key.add(0);
  key.add(static_cast<std::uint64_t>(space));
  for (const std::uint64_t word : words) {
    key.add(word);
  }
  return key;
}

Key Key::name(std::string_view name) {
  IMG_ASSERT(name.size() <= kMaxBytes - 16);
  Key key = own(Space::name, {});
  const std::size_t padded = round_up(name.size(), 8);
  std::memset(key.bytes_.data() + key.size_, 0, padded);
  std::memcpy(key.bytes_.data() + key.size_, name.data(), name.size());
  key.size_ += padded;
  return key;
}

std::uint64_t key_word(Bytes key, std::size_t index) {
  const std::size_t offset = index * sizeof(std::uint64_t);
  return offset + sizeof(std::uint64_t) <= key.size()
             ? big_endian(load<std::uint64_t>(key.data() + offset))
             : 0;
}

Id id_in_key(Bytes key) {
  return {key_word(key, 2), key_word(key, 3)};
}

bool is_own_key(Bytes key, Space space, std::size_t words) {
  return key.size() == (2 + words) * 8 && key_word(key, 0) == 0 &&
         key_word(key, 1) == static_cast<std::uint64_t>(space);
}

std::string_view name_in_key(Bytes key) {
  const std::string_view padded = as_text(key.subspan(std::min<std::size_t>(16, key.size())));
  return padded.substr(0, padded.find('\0'));
}

RecordPlace place_in_key(Bytes key) {
  // Kinds have 16 bits; a larger word is none that this or any version wrote.
  const std::uint64_t kind = key_word(key, 1);
  return {kind <= 0xffff ? static_cast<schema::Kind>(kind) : schema::Kind::none, key_word(key, 2),
          key_word(key, 3)};
}

}  // namespace img::store
