// SPDX-License-Identifier: MIT
// STO-2, STO-3: an image in a store: whether all its records and pages are still there.
#include <fmt/core.h>

#include "libimg/check/facts.h"
#include "libimg/model/store_image.h"
#include "libimg/store/pack_check.h"
#include "libimg/store/pack_file.h"
#include "libimg/store/value.h"
#include "schema/pack_generated.h"

namespace img::check {
namespace {

constexpr std::size_t kMostRuns = 100;  // of bad blocks, of one pack

void pack(Facts& facts, const store::ImageView& view, const store::Id& id) {
  const std::string file = "packs/" + store::pack_file_name(id);
  const Where where{facts.reader.place(), file, 0, {}, {}, 0};
  const auto known = store::get_table<schema::Pack>(*view.snapshot(), store::Key::pack(id), "Pack");
  if (!known || *known == nullptr) {
    facts.report.add(RuleId::STO_3, where,
                     known ? "the store does not know it" : known.error().line());
    return;
  }
  const auto bad = store::compare_pack(view.store()->packs(), id, (*known)->bytes(),
                                       store::Id::of(*(*known)->hashes_digest()),
                                       view.store()->place(), kMostRuns);
  if (!bad) {
    facts.report.add(RuleId::STO_3, where, bad.error().what + ": " + bad.error().why);
    return;
  }
  for (const store::BadBlocks& run : *bad) {
    Where at = where;
    at.offset = run.first * store::kBlockBytes;
    facts.report.add(
        RuleId::STO_3, std::move(at),
        fmt::format("{} {} of 4096 bytes not what {} when the image was stored", run.count,
                    run.count == 1 ? "page" : "pages", run.count == 1 ? "it was" : "they were"));
  }
}

}  // namespace

void judge_store(Facts& facts, const Options& options, std::uint64_t records) {
  const auto* stored = dynamic_cast<const model::StoreImageReader*>(&facts.reader);
  if (stored == nullptr) {
    return;
  }
  const schema::ImageHeader& header = stored->header();
  if (header.records() != records) {
    facts.report.add(RuleId::STO_2,
                     {facts.reader.place(), "data.mdb", 0, {}, std::to_string(records), 0},
                     fmt::format("{} records can be read, and the image was stored with {}",
                                 records, header.records()));
  }
  if (header.packs() == nullptr || !options.compares_pages) {
    return;
  }
  for (const schema::Id128* id : *header.packs()) {
    const PackId key{id->hi(), id->lo()};
    if (!options.known_packs.contains(key) && facts.report.summary().packs.insert(key).second) {
      pack(facts, stored->view(), store::Id::of(*id));
    }
  }
}

}  // namespace img::check
