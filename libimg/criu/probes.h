// SPDX-License-Identifier: MIT
// Sinks that keep one fact of the records they are sent: what a reader must know of an image before
// it can read the rest.
#pragma once

#include "libimg/model/pagemap.h"
#include "libimg/model/record.h"
#include "schema/core_generated.h"
#include "schema/inventory_generated.h"
#include "schema/pack_generated.h"

namespace img::criu {

/// Takes the first record's kind, the number of an inventory, the architecture of a core.
class FirstRecord : public model::RecordSink {
 public:
  Result<void> record(const model::Record& record) override {
    if (kind == schema::Kind::none) {
      kind = record.key.file.kind;
    }
    if (record.key.file.kind == schema::Kind::core && record.key.seq == 1) {
      arch = record.as<schema::CoreEntry>()->mtype();
    }
    if (record.key.file.kind == schema::Kind::inventory && record.key.seq == 1) {
      img_version = record.as<schema::InventoryEntry>()->img_version();
    }
    return {};
  }
  schema::Kind kind = schema::Kind::none;
  unsigned img_version = 2;
  schema::March arch = schema::March::X86_64;
};

/// Counts present pages.
class PageCount : public model::RecordSink {
 public:
  Result<void> record(const model::Record& record) override {
    if (record.table != nullptr && record.table->name == "PagemapHead") {
      pages_id = record.as<schema::PagemapHead>()->pages_id();
    } else if (record.table != nullptr && record.table->name == "PagemapChunk") {
      for (const auto* entry : *record.as<schema::PagemapChunk>()->entries()) {
        const model::PageRun run = model::page_run(*entry);
        present += run.is_present() ? run.pages : 0;
      }
    }
    return {};
  }
  std::uint32_t pages_id = 0;
  std::uint64_t present = 0;
};

[[nodiscard]] inline bool has_one_page_size(schema::March arch) {
  return arch != schema::March::AARCH64 && arch != schema::March::PPC64 &&
         arch != schema::March::MIPS && arch != schema::March::LOONGARCH64;
}

}  // namespace img::criu
