// SPDX-License-Identifier: MIT
// An image's header before it is a table.
#pragma once

#include <flatbuffers/flatbuffers.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libimg/base/bytes.h"
#include "libimg/store/id.h"
#include "schema/image_generated.h"

namespace img::store {

struct HeaderDraft {
  Id id;  // zero: a new one
  std::uint64_t commit = 0;
  std::string name;
  std::string series;
  std::uint64_t created_ns = 0;
  std::uint32_t page_size = 4096;
  std::optional<Id> parent;
  std::vector<Id> packs;
  const schema::Freeze* freeze = nullptr;  // copied when the header is written
  const schema::Provenance* provenance = nullptr;
  std::uint64_t records = 0;
  std::uint64_t record_bytes = 0;
  std::uint64_t pack_bytes = 0;
  bool pinned = false;         // of the name
  std::optional<Id> replaces;  // the only image whose name may be taken

  /// Everything `header` says; `freeze` and `provenance` point into it.
  [[nodiscard]] static HeaderDraft of(const schema::ImageHeader& header);
  /// A finished ImageHeader, valid until `builder` changes.
  [[nodiscard]] Bytes write(flatbuffers::FlatBufferBuilder& builder) const;
};

}  // namespace img::store
