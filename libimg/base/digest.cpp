// SPDX-License-Identifier: MIT
#include "libimg/base/digest.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace img {

struct Hasher128::State {
  XXH3_state_t xxh;
};

Hash128 hash128(Bytes bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.high64, hash.low64};
}

std::uint64_t hash64(Bytes bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

Hasher128::Hasher128() : state_(new State) { XXH3_128bits_reset(&state_->xxh); }
Hasher128::~Hasher128() = default;

void Hasher128::add(Bytes bytes) { XXH3_128bits_update(&state_->xxh, bytes.data(), bytes.size()); }

void Hasher128::add(std::uint64_t number) { add(std::as_bytes(std::span(&number, 1))); }

Hash128 Hasher128::finish() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(&state_->xxh);
  return {hash.high64, hash.low64};
}

}  // namespace img
