// SPDX-License-Identifier: MIT
// The door of this room: a stopped tree goes in, the records and pages of an image come out. It
// neither stops nor kills, and decides nothing about stores and names.
//
//   TreeDump dump(options, tree, clocks);
//   IMG_TRY(dump.collect());            // dump.remarks().refusals(): why it cannot be dumped
//   IMG_TRY(dump.write(image, {}));     // the tree may go on after this
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "live/dump/dump_context.h"
#include "live/dump/memory_writer.h"
#include "live/dump/shared_memory.h"

namespace img::dump {

/// What stats-dump says; durations in microseconds.
struct DumpStats {
  std::uint64_t freezing_us = 0;
  std::uint64_t frozen_us = 0;
  std::uint64_t memory_us = 0;
  std::uint64_t pages_scanned = 0;
  std::uint64_t pages_written = 0;
  std::uint64_t shared_pages_scanned = 0;
  std::uint64_t shared_pages_written = 0;
};

class FileCollector;
class TaskCollector;

class TreeDump {
 public:
  TreeDump(const DumpOptions& options, trace::FrozenTree& tree, const FreezeClocks& clocks);

  /// Everything but the pages themselves. Success with refusals in remarks() is no success.
  [[nodiscard]] Result<void> collect();
  [[nodiscard]] const Remarks& remarks() const { return remarks_; }
  /// What the pages will take, at most.
  [[nodiscard]] std::uint64_t memory_bytes() const;
  [[nodiscard]] std::uint64_t record_bytes() const { return records_.bytes(); }

  /// The address spaces and shared objects, each with the source of its pages.
  [[nodiscard]] std::vector<PlacedSpace>& spaces() { return spaces_; }
  [[nodiscard]] DumpStats& stats() { return stats_; }
  /// A process of the tree gets the orphans of those below it for children.
  [[nodiscard]] bool has_subreaper() const { return has_subreaper_; }

  /// All records but pagemaps and stats.
  [[nodiscard]] Result<void> write_records(model::RecordSink& sink) { return records_.write(sink); }
  [[nodiscard]] Result<void> write_stats(model::RecordSink& sink);

 private:
  [[nodiscard]] Result<void> collect_process(TaskCollector& tasks, FileCollector& files,
                                             trace::FrozenProcess& process);
  [[nodiscard]] Result<void> collect_objects();

  FreezeClocks clocks_;
  RecordBuffer records_;
  SharedMemory shared_memory_;
  Remarks remarks_;
  DumpContext context_;
  std::vector<PlacedSpace> spaces_;
  DumpStats stats_;
  bool has_subreaper_ = false;
};

/// The clocks as they are now.
[[nodiscard]] FreezeClocks read_clocks();

}  // namespace img::dump
