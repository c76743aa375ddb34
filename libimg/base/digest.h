// SPDX-License-Identifier: MIT
// XXH3 hashes: fast, and no protection against somebody who wants two things to hash alike. Where
// equal hashes would share bytes, the bytes are compared too.
#pragma once

#include <cstdint>
#include <memory>

#include "libimg/base/bytes.h"

namespace img {

struct Hash128 {
  std::uint64_t hi = 0;
  std::uint64_t lo = 0;
  friend auto operator<=>(const Hash128&, const Hash128&) = default;
};

[[nodiscard]] Hash128 hash128(Bytes bytes);
[[nodiscard]] std::uint64_t hash64(Bytes bytes, std::uint64_t seed = 0);

/// A hash of bytes that come in pieces.
class Hasher128 {
 public:
  Hasher128();
  ~Hasher128();
  void add(Bytes bytes);
  void add(std::uint64_t number);  // as 8 little-endian bytes
  [[nodiscard]] Hash128 finish() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace img
