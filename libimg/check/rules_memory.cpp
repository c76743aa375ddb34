// SPDX-License-Identifier: MIT
// MM-*, THR-6, PGM-*: address spaces, and the pages of them that the image has. One task at a time:
// its mappings are forgotten once its page map has been read.
#include <fmt/core.h>

#include <algorithm>

#include "libimg/check/facts.h"
#include "libimg/check/mapping_parts.h"
#include "libimg/check/page_runs.h"
#include "libimg/check/vma.h"
#include "schema/core_generated.h"

namespace img::check {
namespace {

struct Mapping {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  std::uint32_t status = 0;
  bool is_private = false;
};

/// An address that a thread has told the kernel.
struct Pointer {
  std::uint32_t tid = 0;
  const char* field = "";
  std::uint64_t address = 0;
  std::uint64_t size = 1;
};

class MemoryRules : public RuleSet {
 public:
  explicit MemoryRules(Facts& facts) : facts_(facts) {}

  void record(const Record& record) override {
    if (record.key.seq == 0) {
      return;
    }
    switch (record.key.file.kind) {
      case Kind::core: pointers(record, *record.as<schema::CoreEntry>()); break;
      case Kind::mm: address_space(record, *record.as<schema::MmEntry>()); break;
      case Kind::vmas: {
        begin(record.key.file.id);
        mapping(record, record.key.seq, *record.as<schema::VmaEntry>());
        break;
      }
      case Kind::pagemap: page_map(record); break;
      default: break;
    }
  }

  void finish() override { end_of_page_map(); }

 private:
  [[nodiscard]] bool is_x86() const { return facts_.mtype <= 1; }

  void begin(std::uint64_t pid) {
    if (pid_ != pid) {
      end_of_page_map();
      pid_ = pid;
      mappings_.clear();
      is_sorted_ = true;
      last_end_ = 0;
      seen_guard_ = false;
    }
  }

  void pointers(const Record& record, const schema::CoreEntry& core) {
    const auto tid = static_cast<std::uint32_t>(record.key.file.id);
    const Process* process = facts_.process_of(tid);
    const auto* thread = core.thread_core();
    if (process == nullptr || thread == nullptr || facts_.mtype > 1) {
      return;
    }
    std::vector<Pointer>& all = pointers_[process->pid];
    if (const auto* rseq = thread->rseq_entry(); rseq != nullptr && rseq->rseq_abi_pointer() != 0) {
      all.push_back({tid, "thread_core.rseq_entry.rseq_abi_pointer", rseq->rseq_abi_pointer(),
                     rseq->rseq_abi_size()});
    }
    constexpr std::uint32_t kDisabled = 2;
    if (const auto* stack = thread->sas();
        stack != nullptr && (stack->ss_flags() & kDisabled) == 0 && stack->ss_size() != 0) {
      all.push_back({tid, "thread_core.sas.ss_sp", stack->ss_sp(), stack->ss_size()});
    }
  }

  void address_space(const Record& record, const schema::MmEntry& mm) {
    begin(record.key.file.id);
    auxiliary(record, mm);
    bounds(record, mm);
    const OpenFile* exe = facts_.use_file(mm.exe_file_id(), FdTypes::REG);
    // live-restore has memfds for programs, too.
    const bool is_program =
        exe != nullptr && (exe->type == FdTypes::REG ||
                           (exe->type == FdTypes::MEMFD && facts_.restorer == Restorer::stasis));
    if (facts_.files_are_whole() && !is_program) {
      facts_.report.add(RuleId::MM_2,
                        facts_.at(record, "exe_file_id", std::to_string(mm.exe_file_id())),
                        exe == nullptr ? "no file has this id" : "is no regular file");
    }
    constexpr std::uint32_t kExecutable = 0111;
    const auto* path = exe == nullptr ? nullptr : exe->as<schema::RegFileEntry>(FdTypes::REG);
    if (path != nullptr && path->mode() && (*path->mode() & kExecutable) == 0) {
      facts_.report.add(
          RuleId::MM_2, facts_.at(record, "exe_file_id", std::to_string(mm.exe_file_id())),
          fmt::format("file {} cannot be executed (mode 0{:o})", mm.exe_file_id(), *path->mode()));
    }
    if (mm.vmas() == nullptr) {
      return;
    }
    for (flatbuffers::uoffset_t i = 0; i < mm.vmas()->size(); ++i) {
      mapping(record, i + 1, *mm.vmas()->Get(i));
    }
    std::sort(mappings_.begin(), mappings_.end(),
              [](const Mapping& a, const Mapping& b) { return a.start < b.start; });
    if (!mappings_.empty()) {
      whole(record, mm);
    }
  }

  void auxiliary(const Record& record, const schema::MmEntry& mm) {
    const std::size_t words = mm.mm_saved_auxv() == nullptr ? 0 : mm.mm_saved_auxv()->size();
    std::size_t most = 0;
    switch (static_cast<schema::March>(facts_.mtype)) {
      case schema::March::X86_64:
      case schema::March::S390:
      case schema::March::MIPS: most = 44; break;
      case schema::March::RISCV64: most = 64; break;
      default: most = 0; break;
    }
    if (most != 0 && words > most) {
      facts_.report.add(RuleId::MM_1, facts_.at(record, "mm_saved_auxv", std::to_string(words)),
                        fmt::format("{} words, where {} fit", words, most));
    } else if (words % 2 != 0) {
      facts_.report.add_plain(RuleId::MM_1, Severity::warning,
                              facts_.at(record, "mm_saved_auxv", std::to_string(words)),
                              "an odd number of words, where each value is a pair");
    }
  }

  /// What PR_SET_MM_MAP refuses.
  void bounds(const Record& record, const schema::MmEntry& mm) {
    struct Pair {
      const char* name;
      std::uint64_t begin;
      std::uint64_t end;
      bool may_be_empty;
    };
    const Pair pairs[] = {
        {"code", mm.mm_start_code(), mm.mm_end_code(), false},
        {"data", mm.mm_start_data(), mm.mm_end_data(), true},
        {"brk", mm.mm_start_brk(), mm.mm_brk(), true},
        {"arg", mm.mm_arg_start(), mm.mm_arg_end(), true},
        {"env", mm.mm_env_start(), mm.mm_env_end(), true},
    };
    for (const Pair& pair : pairs) {
      if (pair.begin > pair.end || (pair.begin == pair.end && !pair.may_be_empty)) {
        facts_.report.add_plain(
            RuleId::MM_8, Severity::error,
            facts_.at(record, fmt::format("mm_*_{}", pair.name), fmt::format("0x{:x}", pair.begin)),
            fmt::format("{} begins at 0x{:x} and ends at 0x{:x}: the kernel refuses to set it, and "
                        "the restore stops",
                        pair.name, pair.begin, pair.end));
      } else if (pair.begin < vma::kPage) {
        refused(record, pair.name, pair.begin);
      } else if (is_x86() && pair.end > vma::kTaskEnd5) {
        facts_.report.add_plain(
            RuleId::MM_8, Severity::error,
            facts_.at(record, fmt::format("mm_*_{}", pair.name), fmt::format("0x{:x}", pair.end)),
            "lies above what a program can have: the kernel refuses to set it, and the restore "
            "stops");
      }
    }
    if (mm.mm_start_stack() < vma::kPage) {
      refused(record, "stack", mm.mm_start_stack());
    }
  }

  void refused(const Record& record, const char* name, std::uint64_t begin) {
    facts_.report.add_plain(
        RuleId::MM_8, Severity::error,
        facts_.at(record, fmt::format("mm_*_{}", name), fmt::format("0x{:x}", begin)),
        fmt::format("{} begins at 0x{:x}, below what any program can map: the kernel refuses to "
                    "set it, and the restore stops",
                    name, begin));
  }

  void mapping(const Record& record, std::uint64_t number, const schema::VmaEntry& entry) {
    const auto at = [&](const char* field, std::uint64_t value) {
      Where where = facts_.at(record, fmt::format("vmas[{}].{}", number, field),
                              fmt::format("0x{:x}", value));
      return where;
    };
    const bool is_guard = vma::is(entry, vma::kGuard);
    geometry(at, entry, is_guard);
    if (is_guard) {
      seen_guard_ = true;
      if (vma::is(entry, vma::kRuntime)) {
        facts_.report.add(RuleId::MM_5, at("status", entry.status()),
                          "has bits that CRIU uses while it runs, and never writes");
      }
      return;
    }
    if (seen_guard_) {
      facts_.report.add(RuleId::MM_4, at("status", entry.status()),
                        "a mapping after the first guard region");
    }
    if (vma::is(entry, vma::kVdso)) {
      vdso_ = entry.start();
    }
    judge_mapping(facts_, at, entry);
    mappings_.push_back({entry.start(), entry.end(), entry.status(), vma::is_private(entry)});
  }

  template <class At>
  void geometry(const At& at, const schema::VmaEntry& entry, bool is_guard) {
    if (entry.start() % vma::kPage != 0 || entry.end() % vma::kPage != 0) {
      facts_.report.add(RuleId::MM_3,
                        at(entry.start() % vma::kPage != 0 ? "start" : "end",
                           entry.start() % vma::kPage != 0 ? entry.start() : entry.end()),
                        "is not the start of a page");
    }
    if (entry.start() >= entry.end()) {
      facts_.report.add(RuleId::MM_3, at("end", entry.end()),
                        fmt::format("ends before it begins (0x{:x})", entry.start()));
      is_sorted_ = false;
      return;
    }
    if (is_x86() && !vma::is(entry, vma::kVsyscall) && entry.end() > vma::kTaskEnd) {
      const bool is_possible = entry.end() <= vma::kTaskEnd5;
      facts_.report.add(RuleId::MM_3, is_possible ? Severity::warning : Severity::error,
                        at("end", entry.end()),
                        is_possible ? "can only be mapped by a kernel with five-level page tables"
                                    : "lies above what a program can map");
    }
    if (is_guard) {
      return;
    }
    if (entry.start() < last_end_) {
      is_sorted_ = false;
      facts_.report.add(
          RuleId::MM_3, at("start", entry.start()),
          fmt::format("begins before the mapping before it ends (0x{:x})", last_end_));
    }
    last_end_ = std::max(last_end_, entry.end());
  }

  /// Once all mappings are known.
  void whole(const Record& record, const schema::MmEntry& mm) {
    const auto is_mapped = [&](std::uint64_t address) {
      const auto after = std::upper_bound(
          mappings_.begin(), mappings_.end(), address,
          [](std::uint64_t value, const Mapping& mapping) { return value < mapping.start; });
      return after != mappings_.begin() && address < std::prev(after)->end;
    };
    if (mm.mm_brk() > mm.mm_start_brk() && !is_mapped(mm.mm_brk() - 1)) {
      facts_.report.add_plain(RuleId::MM_9, Severity::note,
                              facts_.at(record, "mm_brk", fmt::format("0x{:x}", mm.mm_brk())),
                              "the end of the heap is in no mapping");
    }
    if (mm.mm_start_stack() >= vma::kPage && !is_mapped(mm.mm_start_stack())) {
      facts_.report.add_plain(
          RuleId::MM_9, Severity::warning,
          facts_.at(record, "mm_start_stack", fmt::format("0x{:x}", mm.mm_start_stack())),
          "the start of the stack is in no mapping");
    }
    gap(record);
    const auto pid = static_cast<std::uint32_t>(record.key.file.id);
    for (const Pointer& pointer : pointers_[pid]) {
      if (!is_mapped(pointer.address)) {
        const bool is_rseq = std::string_view(pointer.field).find("rseq") != std::string_view::npos;
        facts_.report.add(RuleId::THR_6, is_rseq ? Severity::error : Severity::warning,
                          facts_.at({Kind::core, pointer.tid}, 1, pointer.field,
                                    fmt::format("0x{:x}", pointer.address)),
                          "points to no mapping of the process");
      }
    }
    pointers_.erase(pid);
    rings(record, mm);
  }

  void gap(const Record& record) {
    constexpr std::uint64_t kLowest = 0x10000;
    constexpr std::uint64_t kRestorer = 0x100000;
    std::uint64_t widest = 0;
    std::uint64_t at = kLowest;
    for (const Mapping& mapping : mappings_) {
      if (mapping.start > at) {
        widest =
            std::max(widest, std::min(mapping.start, vma::kTaskEnd) - std::min(at, vma::kTaskEnd));
      }
      at = std::max(at, mapping.end);
    }
    widest = at < vma::kTaskEnd ? std::max(widest, vma::kTaskEnd - at) : widest;
    if (is_x86() && widest < kRestorer) {
      facts_.report.add(RuleId::MM_10, facts_.at(record, "vmas"),
                        "no gap is left where the code that restores it could stand");
    }
  }

  void rings(const Record& record, const schema::MmEntry& mm) {
    if (mm.aios() == nullptr) {
      return;
    }
    for (const schema::AioRingEntry* ring : *mm.aios()) {
      const auto found =
          std::find_if(mappings_.begin(), mappings_.end(), [&](const Mapping& mapping) {
            return mapping.start == ring->id() && (mapping.status & vma::kAioRing) != 0;
          });
      if (found == mappings_.end()) {
        facts_.report.add(RuleId::MM_11,
                          facts_.at(record, "aios.id", fmt::format("0x{:x}", ring->id())),
                          "no mapping of a ring begins there");
      } else if (ring->ring_len() % vma::kPage != 0 ||
                 ring->ring_len() > found->end - found->start) {
        facts_.report.add(RuleId::MM_11,
                          facts_.at(record, "aios.ring_len", std::to_string(ring->ring_len())),
                          "is not the length of the mapping of its ring");
      }
    }
  }

  /// Restoring begins with the symbols of the vdso, which are in its first page.
  void end_of_page_map() {
    if (vdso_ != 0 && has_page_map_ && !facts_.damaged.contains(Kind::pagemap)) {
      facts_.report.add_plain(
          RuleId::PGM_3, Severity::warning,
          facts_.at({Kind::pagemap, pid_}, 0, "vaddr", fmt::format("0x{:x}", vdso_)),
          "the first page of the vdso is not there: criu restore stops where it has to move it");
    }
    vdso_ = 0;
    has_page_map_ = false;
  }

  void page_map(const Record& record) {
    if (record.table != nullptr && record.table->name == "PagemapHead") {
      has_page_map_ = pid_ == record.key.file.id;
      runs_.begin(facts_, record.key.file);
      next_ = 0;
      if (pid_ != record.key.file.id) {
        mappings_.clear();
      }
      return;
    }
    runs_.chunk(record, [&](const model::PageRun& run, std::uint64_t entry) {
      if (run.address <= vdso_ && vdso_ < run.address + run.pages * vma::kPage) {
        vdso_ = 0;
      }
      if (!mappings_.empty() && is_sorted_) {
        in_mapping(record, run, entry);
      }
    });
  }

  void in_mapping(const Record& record, const model::PageRun& run, std::uint64_t entry) {
    std::uint64_t at = run.address;
    const std::uint64_t end = run.address + run.pages * vma::kPage;
    while (at < end) {
      while (next_ < mappings_.size() && mappings_[next_].end <= at) {
        ++next_;
      }
      if (next_ == mappings_.size() || mappings_[next_].start > at ||
          !mappings_[next_].is_private) {
        const bool is_mapped = next_ != mappings_.size() && mappings_[next_].start <= at;
        facts_.report.add(
            RuleId::PGM_3,
            facts_.at(record.key.file, entry, "vaddr", fmt::format("0x{:x}", run.address)),
            fmt::format("page 0x{:x} is in {}", at,
                        is_mapped ? "a mapping that has no pages of its own" : "no mapping"));
        return;
      }
      at = mappings_[next_].end;
    }
  }

  Facts& facts_;
  std::unordered_map<std::uint32_t, std::vector<Pointer>> pointers_;  // by pid
  std::uint64_t pid_ = 0;                                             // whose mappings these are
  std::vector<Mapping> mappings_;
  bool is_sorted_ = true;
  std::uint64_t last_end_ = 0;
  bool seen_guard_ = false;
  std::uint64_t vdso_ = 0;  // not yet seen in the page map
  bool has_page_map_ = false;
  std::size_t next_ = 0;  // of mappings_, while a page map is read
  PageRuns runs_;
};

}  // namespace

std::unique_ptr<RuleSet> memory_rules(Facts& facts) {
  return std::make_unique<MemoryRules>(facts);
}

}  // namespace img::check
