// SPDX-License-Identifier: MIT
// Stores to be collected: many images, of which some go.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "bench/scratch.h"
#include "libimg/gc/apply.h"

namespace img::bench {

struct ImageSize {
  unsigned records = 200;
  std::uint64_t memory = 256 * 1024;
  std::uint64_t left_to_parent = 0;  // the first bytes of that
};
/// For stores of many images.
inline constexpr ImageSize kSmall{50, 16 * 1024};

void write_image(const std::shared_ptr<const store::Store>& store, const std::string& name,
                 const std::string& series, const ImageSize& size,
                 std::optional<store::Id> parent = {});
/// `images` of which `going` are in a series of their own, evenly spread.
void make_store(const std::string& path, unsigned images, unsigned going,
                const ImageSize& size = {});
/// As many that go as stay: each that stays leaves some of its memory to one that goes, so that it
/// is folded, and the pack of that one written anew.
void make_chains(const std::string& path, unsigned chains);
/// A new one each time: packs are never written again, so links to them do.
void copy_store(const std::string& from, const std::string& to);
/// All go that are of the series for that, but one.
gc::Outcome collect(const std::shared_ptr<const store::Store>& store);

}  // namespace img::bench
