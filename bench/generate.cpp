// SPDX-License-Identifier: MIT
#include "bench/generate.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>
#include <vector>

#include "libimg/base/unique_fd.h"
#include "libimg/criu/directory_reader.h"
#include "libimg/criu/directory_writer.h"
#include "schema/core_generated.h"
#include "schema/mm_generated.h"
#include "schema/pack_generated.h"
#include "schema/pagemap_generated.h"
#include "schema/pstree_generated.h"

namespace img::bench {
namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;
using model::FileKey;
using model::Record;
using schema::Kind;

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kArea = 0x600000000000;  // between program and libraries
constexpr std::uint32_t kFirstPid = 1000;
constexpr std::uint32_t kFirstId = 100;  // of memory, descriptors, pages: above the pattern's
constexpr std::uint64_t kMaxMemory = 1ULL << 30U;  // then pages come again

class Generator : public model::RecordSink {
 public:
  Generator(model::ImageReader& pattern, model::ImageWriter& out, const Shape& shape)
      : pattern_(pattern), out_(out), shape_(shape), random_(shape.seed), builder_(1 << 16) {
    builder_.ForceDefaults(true);
  }

  [[nodiscard]] Result<void> run();
  [[nodiscard]] Result<void> record(const Record& record) override;

 private:
  [[nodiscard]] Result<void> task_file(FileKey file);
  [[nodiscard]] Result<void> tree(const Record& root);
  [[nodiscard]] Result<void> mm(const Record& of);
  [[nodiscard]] Result<void> ids(const Record& of);
  [[nodiscard]] Result<void> memory(FileKey file);
  [[nodiscard]] Result<void> put(model::RecordKey key, const char* table, model::Payload payload);
  void fill_memory();
  [[nodiscard]] std::uint64_t area_pages() const { return shape_.pages_per_task * 2; }

  model::ImageReader& pattern_;
  model::ImageWriter& out_;
  Shape shape_;
  std::mt19937_64 random_;
  FlatBufferBuilder builder_;
  std::vector<std::byte> memory_;
  std::uint64_t next_page_ = 0;
  std::uint32_t task_ = 0;
};

void Generator::fill_memory() {
  const std::uint64_t bytes = shape_.tasks * shape_.pages_per_task * kPage;
  memory_.resize(std::clamp(bytes, kPage, kMaxMemory));
  for (std::size_t at = 0; at < memory_.size(); at += 16) {
    const std::uint64_t words[2] = {random_(), at >> 12U};  // every second word says little
    std::memcpy(memory_.data() + at, words, sizeof words);
  }
}

Result<void> Generator::put(model::RecordKey key, const char* table, model::Payload payload) {
  const Bytes bytes(reinterpret_cast<const std::byte*>(builder_.GetBufferPointer()),
                    builder_.GetSize());
  Record made;
  made.key = key;
  made.table = &schema::table_layout(table);
  made.flatbuffer = bytes;
  made.payload = std::move(payload);
  return out_.record(made);
}

bool is_of_task(Kind kind) {
  return kind == Kind::core || kind == Kind::mm || kind == Kind::ids || kind == Kind::fs ||
         kind == Kind::fdinfo || kind == Kind::pagemap;
}

Result<void> Generator::run() {
  fill_memory();
  IMG_ASSIGN(const std::vector<FileKey> files, pattern_.files());
  for (const FileKey file : files) {
    if (!is_of_task(file.kind)) {
      IMG_TRY(pattern_.read(file, *this));
      continue;
    }
    for (task_ = 0; task_ < shape_.tasks; ++task_) {
      IMG_TRY(task_file(file));
    }
  }
  return out_.commit();
}

Result<void> Generator::task_file(FileKey file) {
  return file.kind == Kind::pagemap ? memory({Kind::pagemap, kFirstPid + task_})
                                    : pattern_.read(file, *this);
}

Result<void> Generator::record(const Record& record) {
  switch (record.key.file.kind) {
    case Kind::pstree: return tree(record);
    case Kind::mm: return mm(record);
    case Kind::ids: return ids(record);
    default: break;
  }
  Record copy = record;
  if (is_of_task(copy.key.file.kind)) {
    copy.key.file.id = (copy.key.file.kind == Kind::fdinfo ? kFirstId : kFirstPid) + task_;
  }
  return out_.record(copy);
}

Result<void> Generator::tree(const Record& root) {
  if (root.key.seq != 1) {
    return fail(Fault::unsupported, pattern_.place(), "is not the dump of one process");
  }
  for (std::uint32_t task = 0; task < shape_.tasks; ++task) {
    builder_.Clear();
    const std::uint32_t pid = kFirstPid + task;
    const auto threads = builder_.CreateVector(std::vector<std::uint32_t>{pid});
    builder_.Finish(schema::CreatePstreeEntry(builder_, pid, task == 0 ? 0 : kFirstPid, kFirstPid,
                                              kFirstPid, threads));
    IMG_TRY(put({root.key.file, task + 1}, "PstreeEntry", {}));
  }
  return {};
}

Offset<schema::VmaEntry> copy_of(FlatBufferBuilder& to, const schema::VmaEntry& vma) {
  return schema::CreateVmaEntry(to, vma.start(), vma.end(), vma.pgoff(), vma.shmid(), vma.prot(),
                                vma.flags(), vma.status(), vma.fd(), vma.madv(), vma.fdflags());
}

Result<void> Generator::mm(const Record& of) {
  const auto& mm = *of.as<schema::MmEntry>();
  constexpr std::uint32_t kReadWrite = 3;
  constexpr std::uint32_t kPrivateAnonymous = 0x22;
  constexpr std::uint32_t kRegularAnonymous = 1U | 1U << 9U;
  builder_.Clear();
  std::vector<Offset<schema::VmaEntry>> vmas;
  bool placed = false;
  for (const schema::VmaEntry* vma : *mm.vmas()) {
    if (!placed && vma->start() > kArea) {
      vmas.push_back(schema::CreateVmaEntry(builder_, kArea, kArea + area_pages() * kPage, 0, 0,
                                            kReadWrite, kPrivateAnonymous, kRegularAnonymous, -1));
      placed = true;
    }
    vmas.push_back(copy_of(builder_, *vma));
  }
  const auto auxv = builder_.CreateVector(mm.mm_saved_auxv()->data(), mm.mm_saved_auxv()->size());
  const auto all = builder_.CreateVector(vmas);
  builder_.Finish(
      schema::CreateMmEntry(builder_, mm.mm_start_code(), mm.mm_end_code(), mm.mm_start_data(),
                            mm.mm_end_data(), mm.mm_start_stack(), mm.mm_start_brk(), mm.mm_brk(),
                            mm.mm_arg_start(), mm.mm_arg_end(), mm.mm_env_start(), mm.mm_env_end(),
                            mm.exe_file_id(), auxv, all, mm.dumpable(), 0, mm.thp_disabled()));
  return put({{Kind::mm, kFirstPid + task_}, 1}, "MmEntry", {});
}

Result<void> Generator::ids(const Record& of) {
  const auto& ids = *of.as<schema::TaskKobjIdsEntry>();
  const std::uint32_t own = kFirstId + task_;
  builder_.Clear();
  builder_.Finish(schema::CreateTaskKobjIdsEntry(
      builder_, own, own, own, own, ids.pid_ns_id(), ids.net_ns_id(), ids.ipc_ns_id(),
      ids.uts_ns_id(), ids.mnt_ns_id(), ids.user_ns_id(), ids.cgroup_ns_id(), ids.time_ns_id()));
  return put({{Kind::ids, kFirstPid + task_}, 1}, "TaskKobjIdsEntry", {});
}

Result<void> Generator::memory(FileKey file) {
  constexpr std::uint32_t kPresent = 4;
  builder_.Clear();
  builder_.Finish(schema::CreatePagemapHead(builder_, kFirstId + task_));
  IMG_TRY(put({file, 1}, "PagemapHead", {}));
  std::uint64_t address = kArea;
  std::uint64_t left = shape_.pages_per_task;
  for (std::uint64_t seq = 2; left > 0; ++seq) {
    builder_.Clear();
    std::vector<Offset<schema::PagemapEntry>> entries;
    model::Payload payload;
    while (left > 0 && entries.size() < model::kChunkEntries) {
      const std::uint64_t all = memory_.size() / kPage;
      next_page_ %= all;
      const std::uint64_t run =
          std::min({1 + random_() % (2 * shape_.pages_per_run), left, all - next_page_});
      entries.push_back(
          schema::CreatePagemapEntry(builder_, address, 0, flatbuffers::nullopt, kPresent, run));
      payload.parts.push_back(Bytes(memory_).subspan(next_page_ * kPage, run * kPage));
      next_page_ += run;
      left -= run;
      address += (run + 1) * kPage;  // a page that was never touched between runs
    }
    builder_.Finish(schema::CreatePagemapChunkDirect(builder_, &entries));
    IMG_TRY(put({file, seq}, "PagemapChunk", std::move(payload)));
  }
  return {};
}

}  // namespace

Result<void> generate(const std::string& pattern, const std::string& directory,
                      const Shape& shape) {
  IMG_ASSIGN(auto reader, criu::DirectoryReader::open(pattern));
  const UniqueFd place(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!place.is_open()) {
    return fail(sys_error(errno, directory, "open"));
  }
  criu::DirectoryWriter writer(place.get(), directory);
  return Generator(*reader, writer, shape).run();
}

}  // namespace img::bench
