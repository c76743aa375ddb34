// SPDX-License-Identifier: MIT
#include "live/dump/tree_dump.h"

#include <time.h>

#include "live/dump/files/file_collector.h"
#include "live/dump/mm_record.h"
#include "live/dump/task_collector.h"
#include "schema/stats_generated.h"

namespace img::dump {
namespace {

std::uint64_t now(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(time.tv_nsec);
}

}  // namespace

FreezeClocks read_clocks() {
  return {now(CLOCK_REALTIME), now(CLOCK_MONOTONIC), now(CLOCK_BOOTTIME)};
}

TreeDump::TreeDump(const DumpOptions& options, trace::FrozenTree& tree, const FreezeClocks& clocks)
    : clocks_(clocks), context_{options, tree, clocks_, records_, shared_memory_, remarks_} {}

Result<void> TreeDump::collect() {
  FileCollector files(context_);
  TaskCollector tasks(context_, files);
  IMG_TRY(tasks.begin());
  for (trace::FrozenProcess& process : context_.tree.processes) {
    IMG_TRY(process.state == trace::TaskState::zombie ? tasks.zombie(process)
                                                      : collect_process(tasks, files, process));
  }
  IMG_TRY(tasks.finish());
  IMG_TRY(files.finish());
  return collect_objects();
}

Result<void> TreeDump::collect_process(TaskCollector& tasks, FileCollector& files,
                                       trace::FrozenProcess& process) {
  IMG_ASSIGN(trace::RemoteMemory memory, trace::RemoteMemory::open(process.pid()));
  IMG_ASSIGN(const ProcessFacts facts, ask_process(process, memory));
  has_subreaper_ = has_subreaper_ || facts.child_subreaper;
  IMG_TRY(tasks.process(process, facts, memory));
  IMG_ASSIGN(const std::vector<Vma> vmas, list_vmas(context_, files, process));
  IMG_ASSIGN(ScannedSpace scanned, scan_space(process, vmas));
  IMG_TRY(put_mm(context_, files, process, facts, vmas, scanned.guards));
  stats_.pages_scanned += scanned.plan.scanned;
  stats_.pages_written += scanned.plan.pages();
  const bool has_relatives = context_.tree.processes.size() > 1;
  spaces_.push_back({std::move(scanned.plan), pages_of(std::move(memory), has_relatives), {}, {}});
  return {};
}

Result<void> TreeDump::collect_objects() {
  for (const auto& [shmid, object] : shared_memory_.objects()) {
    if (object.bytes == 0) {
      continue;
    }
    IMG_ASSIGN(PagePlan plan, scan_object(shmid, object.fd.get(), object.bytes));
    stats_.shared_pages_scanned += plan.scanned;
    stats_.shared_pages_written += plan.pages();
    spaces_.push_back({std::move(plan), pages_of(object.fd.get(), object.bytes), {}, {}});
  }
  return {};
}

std::uint64_t TreeDump::memory_bytes() const {
  return (stats_.pages_written + stats_.shared_pages_written) * procfs::kPageBytes;
}

Result<void> TreeDump::write_stats(model::RecordSink& sink) {
  auto& builder = records_.begin();
  schema::DumpStatsEntryBuilder out(builder);
  out.add_freezing_time(static_cast<std::uint32_t>(stats_.freezing_us));
  out.add_frozen_time(static_cast<std::uint32_t>(stats_.frozen_us));
  out.add_memdump_time(static_cast<std::uint32_t>(stats_.memory_us));
  out.add_memwrite_time(0);  // reading and writing are one
  out.add_pages_scanned(stats_.pages_scanned);
  out.add_pages_skipped_parent(0);
  out.add_pages_written(stats_.pages_written);
  out.add_irmap_resolve(0);
  out.add_pages_lazy(0);
  out.add_page_pipes(0);
  out.add_page_pipe_bufs(0);
  out.add_shpages_scanned(stats_.shared_pages_scanned);
  out.add_shpages_skipped_parent(0);
  out.add_shpages_written(stats_.shared_pages_written);
  const auto dump = out.Finish();
  records_.add(Kind::stats_dump, 0, schema::CreateStatsEntry(builder, dump));
  return records_.write(sink);
}

}  // namespace img::dump
