// SPDX-License-Identifier: MIT
#include "live/plan/memory.h"

#include <linux/prctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>

#include "libimg/base/units.h"
#include "libimg/model/address_space.h"
#include "live/plan/ranges.h"
#include "live/plan/vma.h"

namespace img::plan {
namespace {

using schema::VmaEntry;

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kLargestSegment = std::uint64_t{1} << 46;
constexpr std::uint64_t kLarge = 4 << 20;
constexpr std::uint32_t kMostRequests = 1 << 20;
constexpr std::uint64_t kRingHeadBytes = 32;  // number, events, head, tail ...
constexpr int kMapVdso64 = 0x2003;            // ARCH_MAP_VDSO_64
constexpr int kGuardInstall = 102;            // MADV_GUARD_INSTALL
constexpr std::uint32_t kDroppable = 8;       // MAP_DROPPABLE, a type of its own
constexpr std::uint32_t kHugePageSize = 0x3fU << 26;
constexpr std::uint32_t kKnownFlags = MAP_SHARED | MAP_PRIVATE | kDroppable | MAP_ANONYMOUS |
                                      MAP_GROWSDOWN | MAP_LOCKED | MAP_NORESERVE | MAP_HUGETLB |
                                      kHugePageSize;

void add_to(Fill& step, const VmaEntry& vma) {
  const Range range{vma.start(), vma.end()};
  add_range(step.ranges, range);
  if (has(vma, kVmaAnonPrivate) && (vma.flags() & (MAP_HUGETLB | MAP_LOCKED)) == 0 &&
      range.end - range.start >= kLarge) {
    step.anonymous.push_back(range);
  }
}

}  // namespace

Result<void> MemoryPlanner::make_segments() {
  std::map<std::uint64_t, std::uint64_t> sizes;
  for (const TaskImage& task : image_.tasks()) {
    for (const VmaEntry* vma : *task.mm->vmas()) {
      if (!has(*vma, kVmaAnonShared) || has_file(*vma)) {
        continue;
      }
      if (vma->pgoff() > kLargestSegment) {
        return fail(Fault::corrupt, name_of(task), "mapping " + text_of(*vma), "impossible offset");
      }
      std::uint64_t& size = sizes[vma->shmid()];
      size = std::max(size, vma->pgoff() + (vma->end() - vma->start()));
    }
  }
  for (const auto& [id, bytes] : sizes) {
    const Slot segment = builder_.new_slot();
    builder_.step(MakeSegment{segment, bytes});
    builder_.step(FillFile{segment, {model::Kind::pagemap_shmem, id}, bytes});
    segments_.emplace(id, segment);
  }
  return {};
}

Result<void> MemoryPlanner::find_pages(const TaskImage& task) {
  if (pages_of_ == &task) {
    return {};
  }
  const auto& vmas = *task.mm->vmas();
  pages_of_ = &task;
  has_pages_.assign(vmas.size(), false);
  return model::for_each_run(
      reader_, {model::Kind::pagemap, task.pid()}, [&](const model::PageRun& run) {
        const auto end = run.address + run.pages * kPage;
        auto vma = std::partition_point(vmas.begin(), vmas.end(), [&](const VmaEntry* one) {
          return !has(*one, kVmaGuard) && one->end() <= run.address;
        });
        for (; vma != vmas.end() && !has(**vma, kVmaGuard) && (*vma)->start() < end; ++vma) {
          has_pages_[static_cast<std::size_t>(vma - vmas.begin())] = true;
        }
      });
}

Result<Value> MemoryPlanner::object_of(const VmaEntry& vma) {
  if (has_file(vma)) {
    IMG_ASSIGN(const Slot slot, files_.slot_for_mapping(static_cast<std::uint32_t>(vma.shmid()),
                                                        vma.fdflags().value_or(0)));
    return Value(slot);
  }
  if (has(vma, kVmaSocket)) {
    IMG_ASSIGN(const Slot slot, files_.slot_of(static_cast<std::uint32_t>(vma.shmid())));
    return Value(slot);
  }
  if (has(vma, kVmaAnonShared)) {
    return Value(segments_.at(vma.shmid()));
  }
  return Value(-1);
}

Result<void> MemoryPlanner::make_ring(const TaskImage& task, const VmaEntry& vma) {
  if (task.mm->aios() != nullptr) {
    for (const schema::AioRingEntry* ring : *task.mm->aios()) {
      if (ring->id() == vma.start() && ring->nr_req() != 0 && ring->nr_req() <= kMostRequests) {
        MakeAioRing step{{task.pid()}, vma.start(), vma.end() - vma.start(), ring->nr_req()};
        model::AddressSpace space(reader_, {model::Kind::pagemap, task.pid()});
        IMG_ASSIGN(const model::MemoryRange ring_head, space.read(vma.start(), kRingHeadBytes));
        step.events = load<std::uint32_t>(&ring_head.bytes[4]);
        step.head = load<std::uint32_t>(&ring_head.bytes[8]);
        step.tail = load<std::uint32_t>(&ring_head.bytes[12]);
        builder_.step(std::move(step));
        return {};
      }
    }
  }
  return fail(Fault::corrupt, name_of(task), "mapping " + text_of(vma),
              "an asynchronous I/O context that is not described");
}

Result<void> MemoryPlanner::map_one(const TaskImage& task, std::uint32_t index) {
  const VmaEntry& vma = *task.mm->vmas()->Get(index);
  if (is_ring(vma)) {
    return make_ring(task, vma);
  }
  IMG_ASSIGN(const Value object, object_of(vma));
  std::uint32_t flags = (vma.flags() & kKnownFlags) | MAP_FIXED_NOREPLACE;
  if (object.kind == Value::Kind::result) {
    flags &= ~static_cast<std::uint32_t>(MAP_ANONYMOUS);
  }
  builder_.call({task.pid()}, SYS_mmap,
                {vma.start(), vma.end() - vma.start(), first_protection(task, index), flags, object,
                 vma.pgoff()},
                "map " + text_of(vma));
  return {};
}

bool MemoryPlanner::is_early(const TaskImage& task, std::uint32_t index) const {
  const auto found = early_.find(task.pid());
  return found != early_.end() && found->second.contains(index);
}

// Until its pages are in.
std::uint32_t MemoryPlanner::first_protection(const TaskImage& task, std::uint32_t index) const {
  const VmaEntry& vma = *task.mm->vmas()->Get(index);
  if (is_early(task, index)) {
    return vma.prot() | PROT_READ | PROT_WRITE;
  }
  return vma.prot() | (has_pages_[index] && !is_ring(vma) ? unsigned{PROT_WRITE} : 0U);
}

void MemoryPlanner::protect(const TaskImage& task) {
  const auto& vmas = *task.mm->vmas();
  for (std::uint32_t i = 0; i < vmas.size(); ++i) {
    if (!is_special(*vmas[i]) && first_protection(task, i) != vmas[i]->prot()) {
      builder_.call({task.pid()}, SYS_mprotect,
                    {vmas[i]->start(), vmas[i]->end() - vmas[i]->start(), vmas[i]->prot()},
                    "protect " + text_of(*vmas[i]));
    }
  }
}

Result<void> MemoryPlanner::map_early(const TaskImage& task, const std::set<std::uint32_t>& there,
                                      const std::set<std::uint32_t>& wanted) {
  std::set<std::uint32_t>& early = early_[task.pid()];
  early = there;
  early.insert(wanted.begin(), wanted.end());
  Fill step{task.pid(), {}};
  for (const std::uint32_t index : wanted) {
    const VmaEntry& vma = *task.mm->vmas()->Get(index);
    IMG_TRY(map_one(task, index));
    add_to(step, vma);
  }
  if (!step.ranges.empty()) {
    builder_.step(std::move(step));
  }
  return {};
}

Result<void> MemoryPlanner::map(const TaskImage& task) {
  IMG_TRY(find_pages(task));
  std::uint64_t vdso = 0;
  std::uint64_t vvar_bytes = 0;
  for (std::uint32_t i = 0; i < task.mm->vmas()->size(); ++i) {
    const VmaEntry& vma = *task.mm->vmas()->Get(i);
    vvar_bytes += has(vma, kVmaVvar) ? vma.end() - vma.start() : 0;
    vdso = has(vma, kVmaVdso) ? vma.start() : vdso;
    if (!is_special(vma) && !is_early(task, i)) {
      IMG_TRY(map_one(task, i));
    }
  }
  if (vdso != 0) {
    // Both, one behind the other; asked for by the place of the first.
    builder_.call({task.pid()}, SYS_arch_prctl, {kMapVdso64, vdso - vvar_bytes}, "map the vdso");
  }
  return {};
}

void MemoryPlanner::advise(const TaskImage& task, const VmaEntry& vma) {
  const std::uint64_t bytes = vma.end() - vma.start();
  if (has(vma, kVmaGuard)) {
    builder_.call({task.pid()}, SYS_madvise, {vma.start(), bytes, kGuardInstall},
                  "guard region " + text_of(vma));
    return;
  }
  const std::uint64_t advice = is_special(vma) ? 0 : vma.madv().value_or(0);
  for (unsigned bit = 0; bit < 64; ++bit) {
    if ((advice >> bit & 1) != 0) {
      builder_.call({task.pid()}, SYS_madvise, {vma.start(), bytes, bit},
                    "advice for " + text_of(vma));
    }
  }
}

Result<void> MemoryPlanner::fill(const TaskImage& task) {
  IMG_TRY(find_pages(task));
  Fill step{task.pid(), {}};
  const auto& vmas = *task.mm->vmas();
  for (flatbuffers::uoffset_t i = 0; i < vmas.size(); ++i) {
    const VmaEntry& vma = *vmas[i];
    if (has_pages_[i] && is_private(vma) && !is_ring(vma) && !is_early(task, i)) {
      add_to(step, vma);
    }
  }
  builder_.step(std::move(step));
  protect(task);
  for (const VmaEntry* vma : vmas) {
    advise(task, *vma);
  }
  return {};
}

Result<void> MemoryPlanner::describe(const TaskImage& task) {
  const schema::MmEntry& mm = *task.mm;
  const auto* words = mm.mm_saved_auxv();
  const std::size_t auxv_bytes = words == nullptr ? 0 : words->size() * sizeof(std::uint64_t);
  const DataId auxv = builder_.data(
      words == nullptr ? Bytes() : std::as_bytes(std::span(words->data(), words->size())));
  IMG_ASSIGN(const Slot exe, files_.slot_of(mm.exe_file_id()));
  prctl_mm_map map{};
  map.start_code = mm.mm_start_code();
  map.end_code = mm.mm_end_code();
  map.start_data = mm.mm_start_data();
  map.end_data = mm.mm_end_data();
  map.start_brk = mm.mm_start_brk();
  map.brk = mm.mm_brk();
  map.start_stack = mm.mm_start_stack();
  map.arg_start = mm.mm_arg_start();
  map.arg_end = mm.mm_arg_end();
  map.env_start = mm.mm_env_start();
  map.env_end = mm.mm_env_end();
  map.auxv_size = static_cast<std::uint32_t>(auxv_bytes);
  const DataId block = builder_.object(
      map, {{offsetof(prctl_mm_map, auxv), 8, auxv}, {offsetof(prctl_mm_map, exe_fd), 4, exe}});
  builder_.call({task.pid()}, SYS_prctl, {PR_SET_MM, PR_SET_MM_MAP, block, sizeof map, 0},
                "describe the address space");
  if (mm.thp_disabled().value_or(false)) {
    builder_.call({task.pid()}, SYS_prctl, {PR_SET_THP_DISABLE, 1, 0, 0, 0}, "no huge pages");
  }
  return {};
}

}  // namespace img::plan
