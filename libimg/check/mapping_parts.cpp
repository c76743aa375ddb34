// SPDX-License-Identifier: MIT
// MM-5, MM-6, MM-7: one mapping by itself, and the file it is of.
#include "libimg/check/mapping_parts.h"

#include <fmt/core.h>

#include "libimg/check/vma.h"

namespace img::check {
namespace {

void sharing(Facts& facts, const WhereIs& at, const schema::VmaEntry& entry) {
  const bool is_shared = (entry.flags() & vma::kMapShared) != 0;
  constexpr std::uint32_t kSharedValidate = 3;
  constexpr std::uint32_t kTypes = 0xf;
  constexpr std::uint32_t kDroppable = 8;
  const std::uint32_t type = entry.flags() & kTypes;
  if (type != vma::kMapShared && type != vma::kMapPrivate && type != kSharedValidate &&
      type != kDroppable) {
    facts.report.add(RuleId::MM_7, at("flags", entry.flags()), "is neither private nor shared");
  } else if ((vma::is(entry, vma::kFileShared | vma::kAnonShared) && !is_shared) ||
             (vma::is(entry, vma::kFilePrivate | vma::kAnonPrivate) && is_shared)) {
    facts.report.add(
        RuleId::MM_7, at("flags", entry.flags()),
        fmt::format("flags and status 0x{:x} contradict each other about sharing", entry.status()));
  } else if (vma::is(entry, vma::kFilePrivate | vma::kFileShared) &&
             (entry.flags() & vma::kMapAnon) != 0) {
    facts.report.add(RuleId::MM_7, at("flags", entry.flags()),
                     "is anonymous by its flags, and of a file by its status");
  }
  constexpr std::uint32_t kKnownProt = 0x7 | 0x8 | 0x10 | 0x20 | 0x01000000 | 0x02000000;
  if ((entry.prot() & ~kKnownProt) != 0) {
    // mmap() looks away, mprotect() does not; it is asked where nothing can be written.
    const bool is_protected = (entry.prot() & 2) == 0 && vma::is(entry, vma::kRegular);
    facts.report.add(RuleId::MM_7, is_protected ? Severity::error : Severity::warning,
                     at("prot", entry.prot()), "has bits that no protection has");
  }
  // The file is opened for the mapping alone, with these.
  constexpr std::uint32_t kAccess = 3;
  constexpr std::uint32_t kReadWrite = 2;
  constexpr std::uint32_t kWrite = 2;  // PROT_WRITE
  const std::uint32_t access = entry.fdflags().value_or(0) & kAccess;
  const bool is_of_file = vma::is(entry, vma::kFilePrivate | vma::kFileShared);
  if (entry.fdflags() && is_of_file && access != 0 && access != kReadWrite) {
    facts.report.add(RuleId::MM_7, at("fdflags", *entry.fdflags()),
                     "a file that cannot be read cannot be mapped");
  } else if (entry.fdflags() && vma::is(entry, vma::kFileShared) && is_shared &&
             (entry.prot() & kWrite) != 0 && access != kReadWrite) {
    facts.report.add(RuleId::MM_7, at("fdflags", *entry.fdflags()),
                     "a shared mapping that can be written, of a file that cannot");
  }
}

/// Bit n stands for advice n, which is given again; of the kernel's, those that stay.
void advice(Facts& facts, const WhereIs& at, const schema::VmaEntry& entry) {
  constexpr std::uint64_t kStaying =
      1U << 1 | 1U << 2 | 1U << 10 | 1U << 12 | 1U << 14 | 1U << 15 | 1U << 16 | 1U << 18;
  constexpr std::uint64_t kHarmless = 1U << 0 | 1U << 3 | 1U << 11 | 1U << 13 | 1U << 17 |
                                      1U << 19 | 1U << 20 | 1U << 22 | 1U << 23;
  const std::uint64_t given = entry.madv().value_or(0);
  if ((given & ~(kStaying | kHarmless)) != 0) {
    facts.report.add(RuleId::MM_7, at("madv", given),
                     "has advice that no mapping keeps: the kernel refuses it, or throws away "
                     "what is in the mapping");
  }
}

void kind_of(Facts& facts, const WhereIs& at, const schema::VmaEntry& entry) {
  const std::uint32_t status = entry.status();
  if (vma::is(entry, vma::kRuntime)) {
    facts.report.add(RuleId::MM_5, at("status", status),
                     "has bits that CRIU uses while it runs, and never writes");
    return;
  }
  const int backings = __builtin_popcount(status & vma::kBacking);
  const bool needs_none =
      vma::is(entry, vma::kAioRing | vma::kSocket | vma::kPlugin | vma::kUprobes);
  if (backings > 1 || (backings == 0 && !needs_none)) {
    facts.report.add(RuleId::MM_5, at("status", status),
                     backings == 0 ? "is neither of a file nor anonymous"
                                   : "is of a file and anonymous, or private and shared, at "
                                     "once");
    return;
  }
  if (!vma::is(entry, vma::kRegular | vma::kVsyscall | vma::kAioRing | vma::kPlugin)) {
    facts.report.add(RuleId::MM_5, at("status", status), "is no kind of mapping");
  }
  sharing(facts, at, entry);
  advice(facts, at, entry);
}

void backing(Facts& facts, const WhereIs& at, const schema::VmaEntry& entry) {
  if (vma::is(entry, vma::kPlugin)) {
    facts.used_files.insert(static_cast<std::uint32_t>(entry.shmid()));
    return;
  }
  const bool is_socket = vma::is(entry, vma::kSocket);
  if (!vma::is(entry, vma::kFilePrivate | vma::kFileShared) && !is_socket) {
    return;
  }
  if (entry.pgoff() % vma::kPage != 0) {
    facts.report.add(RuleId::MM_6, at("pgoff", entry.pgoff()), "is not the start of a page");
  }
  FdTypes wanted = FdTypes::REG;
  if (is_socket) {
    wanted = FdTypes::PACKETSK;
  } else if (vma::is(entry, vma::kMemfd)) {
    wanted = FdTypes::MEMFD;
  }
  const OpenFile* file = entry.shmid() > UINT32_MAX
                             ? nullptr
                             : facts.use_file(static_cast<std::uint32_t>(entry.shmid()), wanted);
  if (!facts.files_are_whole()) {
    return;
  }
  if (file == nullptr) {
    facts.report.add(RuleId::MM_6, at("shmid", entry.shmid()),
                     "the mapped file is not in the image");
    return;
  }
  if (file->type != wanted) {
    facts.report.add(RuleId::MM_6, at("shmid", entry.shmid()),
                     fmt::format("the mapped file is {}, and should be {}",
                                 model::type_name(file->type), model::type_name(wanted)));
  }
}

}  // namespace

void judge_mapping(Facts& facts, const WhereIs& at, const schema::VmaEntry& entry) {
  kind_of(facts, at, entry);
  backing(facts, at, entry);
}

}  // namespace img::check
