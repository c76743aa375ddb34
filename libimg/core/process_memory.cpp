// SPDX-License-Identifier: MIT
#include "libimg/core/process_memory.h"

#include <algorithm>

#include "libimg/model/address_space.h"

namespace img::core {
namespace {

using model::FileKey;
using model::Record;
using schema::Kind;

constexpr std::uint32_t kDontDumpAdvice = 16;  // MADV_DONTDUMP
constexpr std::size_t kLongestArguments = 79;  // elf_prpsinfo.pr_psargs
constexpr std::uint64_t kPage = model::vma::kPage;

class Reading : public model::RecordSink {
 public:
  Result<void> record(const Record& record) override {
    if (record.key.seq == 0 || record.table == nullptr) {
      return {};
    }
    if (record.key.file.kind == Kind::vmas) {
      return add(*record.as<schema::VmaEntry>());
    }
    const auto& mm = *record.as<schema::MmEntry>();
    found = true;
    arguments_begin = mm.mm_arg_start();
    arguments_end = mm.mm_arg_end();
    if (mm.mm_saved_auxv() != nullptr) {
      memory.auxv.assign(mm.mm_saved_auxv()->begin(), mm.mm_saved_auxv()->end());
    }
    if (mm.vmas() != nullptr) {
      memory.mappings.reserve(std::min<std::size_t>(mm.vmas()->size(), kMostPieces));
      for (const schema::VmaEntry* entry : *mm.vmas()) {
        IMG_TRY(add(*entry));
      }
    }
    return {};
  }

  ProcessMemory memory;
  std::uint64_t arguments_begin = 0;
  std::uint64_t arguments_end = 0;
  bool found = false;

 private:
  Result<void> add(const schema::VmaEntry& entry) {
    if (model::vma::is(entry, model::vma::kGuard)) {
      return {};
    }
    if (memory.mappings.size() == kMostPieces) {
      return fail(Fault::limit, "mappings", "more than a core can have", "524288");
    }
    memory.mappings.push_back({entry.start(), entry.end(), entry.pgoff(), entry.shmid(),
                               entry.prot(), entry.status(),
                               (entry.madv().value_or(0) >> kDontDumpAdvice & 1U) == 0});
    return {};
  }
};

Result<void> check_order(std::vector<Mapping>& mappings, const std::string& thing) {
  std::ranges::stable_sort(mappings, {}, &Mapping::start);
  std::uint64_t end = 0;
  for (const Mapping& mapping : mappings) {
    const bool fits = mapping.start < mapping.end && mapping.start >= end &&
                      (mapping.start | mapping.end | mapping.offset) % kPage == 0 &&
                      mapping.offset <= UINT64_MAX - (mapping.end - mapping.start);
    if (!fits) {
      return fail(Fault::corrupt, thing, "mappings that cannot be", "rule MM-3");
    }
    end = mapping.end;
  }
  return {};
}

/// Zeros between arguments become spaces, as the kernel has it.
Result<std::string> read_arguments(model::ImageReader& reader, FileKey pagemap, std::uint64_t begin,
                                   std::uint64_t end) {
  if (begin >= end) {
    return std::string();
  }
  model::AddressSpace space(reader, pagemap);
  IMG_ASSIGN(const model::MemoryRange range,
             space.read(begin, std::min<std::uint64_t>(end - begin, kLongestArguments)));
  std::string text(as_text(range.known_head()));
  if (end - begin <= kLongestArguments && text.ends_with('\0')) {
    text.pop_back();
  }
  std::ranges::replace(text, '\0', ' ');
  return text;
}

}  // namespace

Result<ProcessMemory> ProcessMemory::read(model::ImageReader& reader, std::uint32_t pid) {
  const FileKey file{Kind::mm, pid};
  Reading reading;
  IMG_TRY(reader.read(file, reading));
  if (!reading.found) {
    return fail(Fault::missing, reader.file_name(file), "missing",
                "process " + std::to_string(pid) + " has no memory in the image");
  }
  IMG_TRY(reader.read({Kind::vmas, pid}, reading));
  IMG_TRY(check_order(reading.memory.mappings, reader.file_name(file)));
  IMG_ASSIGN(
      reading.memory.arguments,
      read_arguments(reader, {Kind::pagemap, pid}, reading.arguments_begin, reading.arguments_end));
  return std::move(reading.memory);
}

}  // namespace img::core
