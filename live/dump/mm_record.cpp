// SPDX-License-Identifier: MIT
#include "live/dump/mm_record.h"

#include "live/procfs/lists.h"
#include "schema/mm_generated.h"

namespace img::dump {
namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

constexpr std::uint64_t kAioRingHeadBytes = 32;
constexpr std::uint64_t kAioEventBytes = 32;
constexpr std::size_t kCriuWords = 44;

Offset<schema::VmaEntry> write_vma(FlatBufferBuilder& builder, const Vma& from) {
  schema::VmaEntryBuilder out(builder);
  out.add_start(from.start);
  out.add_end(from.end);
  out.add_pgoff(from.offset);
  out.add_shmid(from.shmid);
  out.add_prot(from.protection);
  out.add_flags(from.flags);
  out.add_status(from.status);
  out.add_fd(-1);
  if (from.advice) {
    out.add_madv(*from.advice);
  }
  if (from.file_flags) {
    out.add_fdflags(*from.file_flags);
  }
  return out.Finish();
}

// The kernel doubles what was asked for, adds two, and fills up the last page.
Offset<schema::AioRingEntry> write_ring(FlatBufferBuilder& builder, const Vma& vma) {
  const std::uint64_t bytes = vma.end - vma.start;
  const std::uint64_t events = (bytes - kAioRingHeadBytes) / kAioEventBytes;
  return schema::CreateAioRingEntry(builder, vma.start,
                                    static_cast<std::uint32_t>((events - 2) / 2),
                                    static_cast<std::uint32_t>(bytes));
}

Result<std::vector<std::uint64_t>> auxv_of(const trace::FrozenProcess& process) {
  IMG_ASSIGN(const std::string bytes, process.dir.read("auxv"));
  IMG_ASSIGN(const std::vector<procfs::AuxEntry> entries, procfs::parse_auxv(as_bytes(bytes)));
  std::vector<std::uint64_t> out;
  for (const procfs::AuxEntry& entry : entries) {
    out.push_back(entry.type);
    out.push_back(entry.value);
  }
  // AT_NULL, where CRIU has room for it: it takes no more than kCriuWords.
  out.insert(out.end(), 2, 0);
  if (out.size() == kCriuWords + 2) {
    out.resize(kCriuWords);
  }
  return out;
}

}  // namespace

Result<void> put_mm(DumpContext& context, FileCollector& files, const trace::FrozenProcess& process,
                    const ProcessFacts& facts, const std::vector<Vma>& vmas,
                    const std::vector<procfs::PageRun>& guards) {
  IMG_ASSIGN(const std::uint32_t exe, files.path_file(process, PathWhat::exe));
  IMG_ASSIGN(const std::vector<std::uint64_t> auxv, auxv_of(process));
  FlatBufferBuilder& builder = context.records.begin();
  std::vector<Offset<schema::VmaEntry>> entries;
  std::vector<Offset<schema::AioRingEntry>> rings;
  for (const Vma& vma : vmas) {
    entries.push_back(write_vma(builder, vma));
    if (vma.is(kVmaAioRing)) {
      rings.push_back(write_ring(builder, vma));
    }
  }
  for (const procfs::PageRun& guard : guards) {
    Vma vma;
    vma.start = guard.start;
    vma.end = guard.end;
    vma.status = kVmaGuard;
    entries.push_back(write_vma(builder, vma));
  }
  const auto auxv_at = builder.CreateVector(auxv);
  const auto vmas_at = builder.CreateVector(entries);
  const auto rings_at = rings.empty() ? 0 : builder.CreateVector(rings);
  const procfs::Stat& stat = process.stat;
  schema::MmEntryBuilder out(builder);
  out.add_mm_start_code(stat.start_code);
  out.add_mm_end_code(stat.end_code);
  out.add_mm_start_data(stat.start_data);
  out.add_mm_end_data(stat.end_data);
  out.add_mm_start_stack(stat.start_stack);
  out.add_mm_start_brk(stat.start_brk);
  out.add_mm_brk(facts.brk);
  out.add_mm_arg_start(stat.arg_start);
  out.add_mm_arg_end(stat.arg_end);
  out.add_mm_env_start(stat.env_start);
  out.add_mm_env_end(stat.env_end);
  out.add_exe_file_id(exe);
  out.add_mm_saved_auxv(auxv_at);
  out.add_vmas(vmas_at);
  out.add_dumpable(facts.dumpable);
  if (!rings.empty()) {
    out.add_aios(rings_at);
  }
  out.add_thp_disabled(facts.thp_disabled);
  context.records.add(Kind::mm, static_cast<std::uint64_t>(process.pid()), out.Finish());
  return {};
}

}  // namespace img::dump
