// SPDX-License-Identifier: MIT
#include "libimg/check/page_runs.h"

#include <fmt/core.h>

#include "libimg/check/vma.h"
#include "schema/pack_generated.h"

namespace img::check {

void PageRuns::begin(Facts& facts, FileKey file) {
  facts_ = &facts;
  file_ = file;
  entry_ = 1;
  last_end_ = 0;
}

void PageRuns::chunk(const Record& record, const Visit& visit) {
  if (facts_ == nullptr || record.key.file != file_) {
    return;  // a chunk without a head cannot come from a reader that works
  }
  for (const schema::PagemapEntry* entry : *record.as<schema::PagemapChunk>()->entries()) {
    ++entry_;
    judge(*entry, visit);
  }
}

void PageRuns::judge(const schema::PagemapEntry& entry, const Visit& visit) {
  Report& report = facts_->report;
  const model::PageRun run = model::page_run(entry);
  const auto at = [&](const char* field, std::uint64_t value) {
    return facts_->at(file_, entry_, field, fmt::format("0x{:x}", value));
  };
  constexpr std::uint32_t kKnown = model::kPageInParent | model::kPageLazy | model::kPagePresent;
  if ((run.flags & ~kKnown) != 0) {
    report.add(RuleId::PGM_8, at("flags", run.flags), "has bits that this version does not know");
  } else if (run.is_present() && run.is_in_parent()) {
    report.add(RuleId::PGM_8, Severity::error, at("flags", run.flags),
               "says that the pages are here and in the parent at once; criu restore takes the "
               "wrong ones, or stops: take the dump again");
  } else if ((run.flags & (model::kPagePresent | model::kPageInParent)) == 0) {
    report.add(RuleId::PGM_8, at("flags", run.flags),
               "says that the pages are neither here nor in the parent");
  }
  if (run.address % vma::kPage != 0) {
    report.add(RuleId::PGM_2, at("vaddr", run.address), "is not the start of a page");
    return;
  }
  if (run.pages == 0) {
    report.add(RuleId::PGM_2, Severity::warning, at("nr_pages", 0), "an entry of no pages");
    return;
  }
  if (run.pages > (~std::uint64_t{0} - run.address) / vma::kPage) {
    report.add(RuleId::PGM_2, at("nr_pages", run.pages), "reaches past the last address");
    return;
  }
  const std::uint64_t end = run.address + run.pages * vma::kPage;
  if (run.address < last_end_) {
    report.add(
        RuleId::PGM_2, at("vaddr", run.address),
        fmt::format("overlaps the entry before it, or stands before it (0x{:x})", last_end_));
    return;
  }
  last_end_ = end;
  if (run.is_in_parent()) {
    auto& wanted = facts_->in_parent[file_];
    if (!wanted.empty() && wanted.back().end == run.address) {
      wanted.back().end = end;
    } else {
      wanted.push_back({run.address, end});
    }
  }
  visit(run, entry_);
}

}  // namespace img::check
