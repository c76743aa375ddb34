// SPDX-License-Identifier: MIT
// Where a store keeps a record, and what of a pagemap's chunk is kept elsewhere. For the two halves
// of store_image.h.
#pragma once

#include <optional>

#include "libimg/model/pagemap.h"
#include "libimg/model/record.h"
#include "libimg/store/key.h"
#include "schema/pack_generated.h"

namespace img::model {

[[nodiscard]] inline store::RecordPlace stored_place(const RecordKey& key) {
  return {key.file.kind, key.file.id, key.seq};
}

[[nodiscard]] inline bool is_pagemap(Kind kind) {
  return kind == Kind::pagemap || kind == Kind::pagemap_shmem;
}
/// A PagemapChunk, whose payload is memory.
[[nodiscard]] inline bool is_chunk(const RecordKey& key) {
  return is_pagemap(key.file.kind) && key.seq > 1;
}
/// A chunk's memory can be in more runs than one record lists: `part` counts them from 0.
[[nodiscard]] inline store::RecordPlace extents_of(const RecordKey& chunk, std::uint64_t part) {
  const Kind kind = chunk.file.kind == Kind::pagemap ? Kind::extents : Kind::extents_shmem;
  return {kind, chunk.file.id, chunk.seq | part << 32};
}
inline constexpr std::uint64_t kMostChunks = std::uint64_t{1} << 32;

/// Memory of the present entries; nothing if the numbers cannot be true.
[[nodiscard]] inline std::optional<std::uint64_t> present_bytes(const schema::PagemapChunk& chunk,
                                                                std::uint64_t page_size) {
  std::uint64_t total = 0;
  for (const schema::PagemapEntry* entry : *chunk.entries()) {
    const PageRun run = page_run(*entry);
    std::uint64_t bytes = 0;
    if (run.is_present() && (__builtin_mul_overflow(run.pages, page_size, &bytes) ||
                             __builtin_add_overflow(total, bytes, &total))) {
      return std::nullopt;
    }
  }
  return total;
}

}  // namespace img::model
