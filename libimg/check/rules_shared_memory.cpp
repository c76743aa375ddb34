// SPDX-License-Identifier: MIT
// SHM-*, MFD-*: memory that several tasks share, of no file or of one without a name.
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "libimg/check/facts.h"
#include "libimg/check/page_runs.h"
#include "libimg/check/vma.h"
#include "schema/ipc_generated.h"

namespace img::check {
namespace {

constexpr std::uint32_t kSealWrite = 0x8;
constexpr std::uint32_t kKnownSeals = 0x3f;
constexpr std::size_t kMaxName = 249;

class SharedMemoryRules : public RuleSet {
 public:
  explicit SharedMemoryRules(Facts& facts) : facts_(facts) {}

  void record(const Record& record) override {
    if (record.key.seq == 0) {
      return;
    }
    switch (record.key.file.kind) {
      case Kind::mm: {
        const auto* mappings = record.as<schema::MmEntry>()->vmas();
        for (flatbuffers::uoffset_t i = 0; mappings != nullptr && i < mappings->size(); ++i) {
          mapping(record, i + 1, *mappings->Get(i));
        }
        tails();
        break;
      }
      case Kind::vmas: mapping(record, record.key.seq, *record.as<schema::VmaEntry>()); break;
      case Kind::memfd: memfd(record, *record.as<schema::MemfdInodeEntry>()); break;
      case Kind::ipcns_shm: segment(record, *record.as<schema::IpcShmEntry>()); break;
      case Kind::pagemap_shmem: page_map(record); break;
      default: break;
    }
  }

  void finish() override {
    for (const auto& [shmid, object] : objects_) {
      content(shmid, object);
    }
    for (const OpenFile& file : facts_.files.files()) {
      if (const auto* memory = file.as<schema::MemfdFileEntry>(FdTypes::MEMFD)) {
        memfd_file(file, *memory);
      }
    }
    for (const auto& [shmid, end] : page_maps_) {
      extent(shmid, end);
    }
  }

 private:
  struct Object {
    std::uint64_t size = 0;
    Where where;  // who needs it first
    bool is_anonymous = false;
    bool is_sysv = false;
  };
  struct Attachment {
    std::uint64_t start = 0;
    std::uint64_t end = 0;
    Where where;
  };

  void mapping(const Record& record, std::uint64_t number, const schema::VmaEntry& entry) {
    if (vma::is(entry, vma::kPlugin | vma::kGuard)) {
      return;
    }
    const auto where = [&] {
      return facts_.at(record, fmt::format("vmas[{}].shmid", number),
                       std::to_string(entry.shmid()));
    };
    if (vma::is(entry, vma::kSysvIpc)) {
      attach(entry, where());
      auto [object, is_new] = objects_.try_emplace(entry.shmid());
      if (is_new) {
        object->second.where = where();
      }
      object->second.is_sysv = true;
    } else if (vma::is(entry, vma::kAnonShared) && !vma::is(entry, vma::kMemfd)) {
      auto [object, is_new] = objects_.try_emplace(entry.shmid());
      if (is_new) {
        object->second.where = where();
      }
      object->second.is_anonymous = true;
      object->second.size =
          std::max(object->second.size, entry.pgoff() + (entry.end() - entry.start()));
    } else if (vma::is(entry, vma::kMemfd) && (entry.prot() & 2) != 0 &&
               (entry.flags() & vma::kMapShared) != 0) {
      written_files_.try_emplace(static_cast<std::uint32_t>(entry.shmid()), where());
    }
  }

  /// One attachment may be several mappings, in order and without holes.
  void attach(const schema::VmaEntry& entry, Where where) {
    if (entry.pgoff() == 0) {
      attachments_[entry.shmid()].push_back({entry.start(), entry.end(), std::move(where)});
      return;
    }
    auto& all = attachments_[entry.shmid()];
    if (all.empty()) {
      facts_.report.add(RuleId::SHM_2, std::move(where),
                        "a part of a segment without the part that begins it");
    } else if (all.back().end != entry.start()) {
      facts_.report.add_plain(RuleId::SHM_2, Severity::error, std::move(where),
                              "a hole in the attachment of a segment: criu restore refuses it");
    } else if (entry.pgoff() != entry.start() - all.back().start) {
      facts_.report.add_plain(RuleId::SHM_2, Severity::error, std::move(where),
                              "parts of a segment out of their order: criu restore refuses it");
    }
    if (!all.empty()) {
      all.back().end = entry.end();
    }
  }

  /// At the end of a task: every attachment must reach the end of its segment.
  void tails() {
    for (const auto& [shmid, all] : attachments_) {
      const auto segment = segments_.find(shmid);
      if (segment == segments_.end()) {
        if (facts_.is_whole(Kind::ipcns_shm) && !all.empty()) {
          facts_.report.add_plain(RuleId::SHM_2, Severity::error, all[0].where,
                                  fmt::format("no System V segment has the id {}: criu restore "
                                              "stops, take the dump again",
                                              shmid));
        }
        continue;
      }
      for (const Attachment& one : all) {
        if (one.end - one.start != round_up(segment->second, vma::kPage)) {
          facts_.report.add_plain(
              RuleId::SHM_2, Severity::error, one.where,
              fmt::format("attaches {} bytes of a segment of {}: criu restore refuses it",
                          one.end - one.start, segment->second));
        }
      }
    }
    attachments_.clear();
  }

  void segment(const Record& record, const schema::IpcShmEntry& entry) {
    const std::uint32_t id = entry.desc()->id();
    segments_.emplace(id, entry.size());
    if (entry.size() == 0) {
      facts_.report.add(RuleId::IPC_4, facts_.at(record, "size", "0"),
                        "a segment of no bytes, which the kernel does not make");
    }
    if (entry.in_pagemaps().value_or(false)) {
      if (!facts_.has(Kind::pagemap_shmem, id)) {
        facts_.report.add(RuleId::IPC_4, facts_.at({Kind::pagemap_shmem, id}),
                          fmt::format("is not there, and segment {} needs it", id));
      }
    }
  }

  void memfd(const Record& record, const schema::MemfdInodeEntry& entry) {
    if (!inodes_.emplace(entry.inode_id(), entry.seals()).second) {
      facts_.report.add(RuleId::MFD_1,
                        facts_.at(record, "inode_id", std::to_string(entry.inode_id())),
                        "two files have this id");
    }
    memfd_sizes_[entry.shmid()] = entry.size();
    if (entry.size() != 0 && !facts_.has(Kind::pagemap_shmem, entry.shmid())) {
      facts_.report.add(
          RuleId::MFD_1, facts_.at(record, "shmid", std::to_string(entry.shmid())),
          fmt::format("{} is not there, and a memfd of {} bytes needs it",
                      facts_.reader.file_name({Kind::pagemap_shmem, entry.shmid()}), entry.size()));
    }
    if (entry.uid() == UINT32_MAX || entry.gid() == UINT32_MAX) {
      facts_.report.add(
          RuleId::MFD_2,
          facts_.at(record, entry.uid() == UINT32_MAX ? "uid" : "gid", std::to_string(UINT32_MAX)),
          "is nobody's id");
    }
    if ((entry.seals() & ~kKnownSeals) != 0) {
      facts_.report.add(RuleId::MFD_2,
                        facts_.at(record, "seals", fmt::format("0x{:x}", entry.seals())),
                        "has bits that no seal has");
    }
    if (entry.name()->size() > kMaxName) {
      facts_.report.add(RuleId::MFD_2,
                        facts_.at(record, "name", std::to_string(entry.name()->size())),
                        fmt::format("a name of {} bytes, where the kernel takes {}",
                                    entry.name()->size(), kMaxName));
    }
  }

  void memfd_file(const OpenFile& file, const schema::MemfdFileEntry& entry) {
    const auto inode = inodes_.find(entry.inode_id());
    if (inode == inodes_.end()) {
      if (!facts_.has(Kind::memfd)) {
        if (!std::exchange(is_memfd_missed_, true)) {
          facts_.report.add(RuleId::MFD_1, facts_.at({Kind::memfd, 0}),
                            fmt::format("is not there, and file {} needs it", file.id));
        }
      } else if (facts_.is_whole(Kind::memfd)) {
        facts_.report.add(RuleId::MFD_1,
                          facts_.at(file, "memfd.inode_id", std::to_string(entry.inode_id())),
                          "memfd.img has no file of this id");
      }
      return;
    }
    const auto writer = written_files_.find(file.id);
    if (writer != written_files_.end() && inode->second != UINT32_MAX &&
        (inode->second & kSealWrite) != 0) {
      facts_.report.add(RuleId::MFD_2, writer->second,
                        fmt::format("a shared mapping that can write to file {}, which is sealed "
                                    "against it",
                                    file.id));
    }
  }

  void page_map(const Record& record) {
    if (record.table != nullptr && record.table->name == "PagemapHead") {
      runs_.begin(facts_, record.key.file);
      page_maps_[record.key.file.id] = 0;
      return;
    }
    runs_.chunk(record, [&](const model::PageRun& run, std::uint64_t) {
      page_maps_[record.key.file.id] = run.address + run.pages * vma::kPage;
    });
  }

  void content(std::uint64_t shmid, const Object& object) {
    const bool is_segment = segments_.contains(shmid);
    if (object.is_anonymous && (object.is_sysv || is_segment)) {
      facts_.report.add(RuleId::SHM_3, object.where,
                        fmt::format("{} is a System V segment too", shmid));
      return;
    }
    if (object.is_anonymous && !facts_.has(Kind::pagemap_shmem, shmid)) {
      facts_.report.add(RuleId::SHM_1, object.where,
                        fmt::format("shared memory without its content: {} is not there",
                                    facts_.reader.file_name({Kind::pagemap_shmem, shmid})));
    }
  }

  void extent(std::uint64_t shmid, std::uint64_t end) {
    std::uint64_t size = 0;
    if (const auto object = objects_.find(shmid);
        object != objects_.end() && object->second.is_anonymous) {
      size = object->second.size;
    } else if (const auto segment = segments_.find(shmid); segment != segments_.end()) {
      size = segment->second;
    } else if (const auto memfd = memfd_sizes_.find(shmid); memfd != memfd_sizes_.end()) {
      size = memfd->second;
    } else if (facts_.is_whole(Kind::mm) && facts_.is_whole(Kind::memfd) &&
               facts_.is_whole(Kind::ipcns_shm) && !facts_.is_predump) {
      facts_.report.add_plain(RuleId::SET_6, Severity::note,
                              facts_.at({Kind::pagemap_shmem, shmid}),
                              "shared memory that nothing in the image uses");
      return;
    }
    if (size != 0 && end > round_up(size, vma::kPage)) {
      facts_.report.add_plain(
          RuleId::SHM_1, Severity::warning,
          facts_.at({Kind::pagemap_shmem, shmid}, 0, "vaddr", fmt::format("0x{:x}", end)),
          fmt::format("has pages past the end of the memory ({} bytes): they are dropped", size));
    }
  }

  Facts& facts_;
  std::unordered_map<std::uint64_t, Object> objects_;             // by shmid
  std::map<std::uint64_t, std::vector<Attachment>> attachments_;  // of the task being read
  std::unordered_map<std::uint64_t, std::uint64_t> segments_;     // System V: sizes
  std::unordered_map<std::uint64_t, std::uint32_t> inodes_;       // memfd: seals by inode_id
  std::unordered_map<std::uint64_t, std::uint64_t> memfd_sizes_;  // by shmid
  bool is_memfd_missed_ = false;
  std::unordered_map<std::uint32_t, Where> written_files_;  // by file id
  std::map<std::uint64_t, std::uint64_t> page_maps_;        // end of the last entry, by shmid
  PageRuns runs_;
};

}  // namespace

std::unique_ptr<RuleSet> shared_memory_rules(Facts& facts) {
  return std::make_unique<SharedMemoryRules>(facts);
}

}  // namespace img::check
