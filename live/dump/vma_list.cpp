// SPDX-License-Identifier: MIT
#include "live/dump/vma_list.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstdio>
#include <set>
#include <utility>

#include "live/dump/mapping_rules.h"

namespace img::dump {
namespace {

using procfs::Mapping;
using procfs::SmapsMapping;
using procfs::VmFlag;

constexpr std::uint64_t kUserEnd = 0x7fff'ffff'f000;
constexpr std::uint32_t kDroppable = 0x08;  // MAP_DROPPABLE, since 6.11
constexpr int kWipeOnFork = 18;             // MADV_WIPEONFORK
constexpr long kHugetlbMagic = 0x958458f6;
constexpr int kHugetlbShift = 26;  // MAP_HUGE_SHIFT
constexpr std::string_view kSysv = "/SYSV";
constexpr std::string_view kAio = "/[aio]";

struct FlagBit {
  VmFlag flag;
  std::uint32_t bit;
};
constexpr FlagBit kMapFlags[] = {
    {VmFlag::grows_down, MAP_GROWSDOWN}, {VmFlag::locked, MAP_LOCKED},
    {VmFlag::no_reserve, MAP_NORESERVE}, {VmFlag::hugetlb, MAP_HUGETLB},
    {VmFlag::droppable, kDroppable},
};
constexpr FlagBit kAdvice[] = {
    {VmFlag::sequential, MADV_SEQUENTIAL},   {VmFlag::random, MADV_RANDOM},
    {VmFlag::dont_copy, MADV_DONTFORK},      {VmFlag::dont_dump, MADV_DONTDUMP},
    {VmFlag::mergeable, MADV_MERGEABLE},     {VmFlag::huge_page, MADV_HUGEPAGE},
    {VmFlag::no_huge_page, MADV_NOHUGEPAGE}, {VmFlag::wipe_on_fork, kWipeOnFork},
};

bool is_path(const Mapping& mapping) {
  return mapping.path.starts_with('/');
}

/// The device of memfds and of shared anonymous memory: the kernel's own tmpfs.
dev_t shared_memory_device() {
  static const dev_t kDevice = [] {
    const UniqueFd fd(::memfd_create("stasis", MFD_CLOEXEC));
    struct stat stat {};
    return fd.is_open() && ::fstat(fd.get(), &stat) == 0 ? stat.st_dev : dev_t{0};
  }();
  return kDevice;
}

class Lister {
 public:
  Lister(DumpContext& context, FileCollector& files, const trace::FrozenProcess& process)
      : context_(context), files_(files), process_(process) {}

  Result<std::vector<Vma>> run() {
    IMG_ASSIGN(const std::string text, process_.dir.read("smaps"));
    IMG_ASSIGN(const std::vector<SmapsMapping> mappings, procfs::parse_smaps(text));
    IMG_ASSIGN(map_files_, process_.dir.open_file("map_files", O_RDONLY | O_DIRECTORY));
    out_.reserve(mappings.size());
    for (const SmapsMapping& one : mappings) {
      // vvar and vvar_vclock stand side by side, and are one thing.
      const bool is_vvar = one.mapping.path == "[vvar]" || one.mapping.path == "[vvar_vclock]";
      if (is_vvar && !out_.empty() && out_.back().is(kVmaVvar) &&
          out_.back().end == one.mapping.start) {
        out_.back().end = one.mapping.end;
        continue;
      }
      IMG_TRY(add(one));
    }
    return std::move(out_);
  }

 private:
  /// The file behind the mapping at hand, kept open while those that follow map it too.
  struct Known {
    std::uint64_t inode = 0;
    std::uint32_t device_major = 0, device_minor = 0;
    std::string path;
    UniqueFd fd;
    struct stat stat {};
    std::uint32_t id = 0;
  };

  std::string where(const Mapping& mapping) const {
    char text[64];
    std::snprintf(text, sizeof text, "mapping 0x%llx",
                  static_cast<unsigned long long>(mapping.start));
    return text;
  }
  void refuse(state::Piece piece, const Mapping& mapping) {
    context_.remarks.refuse(piece, name_of(process_), where(mapping));
  }

  static std::string link_of(const Mapping& mapping) {
    char text[64];
    std::snprintf(text, sizeof text, "%llx-%llx", static_cast<unsigned long long>(mapping.start),
                  static_cast<unsigned long long>(mapping.end));
    return text;
  }

  static Vma from_text(const SmapsMapping& from) {
    Vma vma;
    const Mapping& mapping = from.mapping;
    vma.start = mapping.start;
    vma.end = mapping.end;
    vma.offset = mapping.offset;
    vma.protection = (mapping.readable ? PROT_READ : 0U) | (mapping.writable ? PROT_WRITE : 0U) |
                     (mapping.executable ? PROT_EXEC : 0U);
    vma.flags = mapping.shared ? MAP_SHARED : MAP_PRIVATE;
    for (const FlagBit& one : kMapFlags) {
      vma.flags |= from.flags.has(one.flag) ? one.bit : 0;
    }
    if ((vma.flags & kDroppable) != 0) {
      vma.flags &= ~static_cast<std::uint32_t>(MAP_PRIVATE);
    }
    std::uint64_t advice = 0;
    for (const FlagBit& one : kAdvice) {
      advice |= from.flags.has(one.flag) ? std::uint64_t{1} << one.bit : 0;
    }
    if (advice != 0) {
      vma.advice = advice;
    }
    if (from.flags.has(VmFlag::shadow_stack)) {
      vma.status |= kVmaShadowStack;
    }
    return vma;
  }

  // A loss is told once for a process, a refusal for each mapping.
  void check(const SmapsMapping& from, const Vma& vma) {
    for (const state::Piece piece : pieces_of(from, vma.status)) {
      if (state::row(piece).fate == state::Fate::refused) {
        refuse(piece, from.mapping);
      } else if (lost_.insert(piece).second) {
        context_.remarks.lose(piece, name_of(process_));
      }
    }
  }

  Result<void> add(const SmapsMapping& from) {
    Vma vma = from_text(from);
    const Mapping& mapping = from.mapping;
    if (mapping.path == "[vsyscall]") {
      anonymous(vma, mapping, kVmaVsyscall);
    } else if (mapping.path == "[vdso]") {
      anonymous(vma, mapping, kVmaRegular | kVmaVdso);
    } else if (mapping.path == "[vvar]" || mapping.path == "[vvar_vclock]") {
      anonymous(vma, mapping, kVmaRegular | kVmaVvar);
    } else if (mapping.path == "[heap]") {
      anonymous(vma, mapping, kVmaRegular | kVmaHeap);
    } else if (mapping.path.starts_with(kAio)) {
      vma.status |= kVmaAioRing;
      vma.file_flags = O_RDWR;
    } else if (!is_path(mapping) && mapping.inode == 0) {
      anonymous(vma, mapping, kVmaRegular);
    } else {
      IMG_TRY(file(vma, mapping));
    }
    check(from, vma);
    out_.push_back(vma);
    return {};
  }

  static void anonymous(Vma& vma, const Mapping& mapping, std::uint32_t status) {
    vma.status |= status | (mapping.shared ? kVmaAnonShared : kVmaAnonPrivate);
    vma.flags |= MAP_ANONYMOUS;
    vma.shmid = mapping.shared ? mapping.inode : 0;
  }

  Result<void> open(const Mapping& mapping, const std::string& link) {
    if (known_.fd.is_open() && known_.inode == mapping.inode &&
        known_.device_major == mapping.device_major &&
        known_.device_minor == mapping.device_minor && known_.path == mapping.path) {
      return {};
    }
    // A memfd's content is read through this; what has a path of its own is only looked at.
    const int flags = mapping.device_major == 0 ? O_RDONLY | O_NONBLOCK : O_PATH;
    known_ = {mapping.inode, mapping.device_major, mapping.device_minor, mapping.path, {}, {}, 0};
    known_.fd.reset(::openat(map_files_.get(), link.c_str(), flags | O_CLOEXEC));
    if (!known_.fd.is_open() && flags != O_PATH && errno != ENOENT) {
      known_.fd.reset(::openat(map_files_.get(), link.c_str(), O_PATH | O_CLOEXEC));
    }
    if (!known_.fd.is_open() || ::fstat(known_.fd.get(), &known_.stat) < 0) {
      return fail(sys_error(errno, name_of(process_), where(mapping) + " of " + mapping.path));
    }
    return {};
  }

  Result<void> file(Vma& vma, const Mapping& mapping) {
    const std::string link = link_of(mapping);
    struct stat link_stat {};
    if (::fstatat(map_files_.get(), link.c_str(), &link_stat, AT_SYMLINK_NOFOLLOW) < 0) {
      return fail(sys_error(errno, name_of(process_), where(mapping)));
    }
    constexpr mode_t kRead = 0400;
    constexpr mode_t kWrite = 0200;
    const mode_t mode = link_stat.st_mode & (kRead | kWrite);
    vma.file_flags = mode == kWrite ? O_WRONLY : mode == (kRead | kWrite) ? O_RDWR : O_RDONLY;
    IMG_TRY(open(mapping, link));
    const struct stat& stat = known_.stat;
    vma.status |= kVmaRegular;
    if (S_ISSOCK(stat.st_mode) || mapping.path.starts_with("socket:")) {
      vma.shmid = files_.packet_socket(stat.st_ino);
      vma.status |= kVmaSocket;
      if (vma.shmid == 0) {
        refuse(state::Piece::socket_mapping, mapping);
      }
      return {};
    }
    const bool is_zero_device = S_ISCHR(stat.st_mode) && stat.st_rdev == makedev(1, 5);
    if (!S_ISREG(stat.st_mode) && !is_zero_device) {
      refuse(state::Piece::device_memory, mapping);
      return {};
    }
    if (mapping.path.starts_with(kSysv)) {
      refuse(state::Piece::sysv_shared_memory, mapping);
      return {};
    }
    return regular(vma, mapping);
  }

  Result<void> regular(Vma& vma, const Mapping& mapping) {
    struct statfs fs {};
    const bool is_huge =
        ::fstatfs(known_.fd.get(), &fs) == 0 && static_cast<long>(fs.f_type) == kHugetlbMagic;
    if (is_huge) {
      const auto size =
          static_cast<std::uint32_t>(std::countr_zero(static_cast<std::uint64_t>(fs.f_bsize)));
      vma.flags |= MAP_HUGETLB | (size << kHugetlbShift);
    }
    if (is_huge && !mapping.shared && mapping.path.starts_with("/anon_hugepage")) {
      vma.status |= kVmaAnonPrivate;
      vma.flags |= MAP_ANONYMOUS;
      return {};
    }
    const bool is_memfd = known_.stat.st_dev == shared_memory_device() ||
                          (is_huge && (mapping.path.starts_with("/memfd:") ||
                                       mapping.path.starts_with("/anon_hugepage")));
    vma.status |= (is_memfd ? kVmaMemfd : 0U) | (mapping.shared ? kVmaFileShared : kVmaFilePrivate);
    if (known_.id == 0) {
      const MappedFile file{&mapping, known_.fd.get(), &known_.stat, is_memfd};
      IMG_ASSIGN(known_.id, files_.mapped_file(process_, file));
    }
    vma.shmid = known_.id;
    return {};
  }

  DumpContext& context_;
  FileCollector& files_;
  const trace::FrozenProcess& process_;
  UniqueFd map_files_;
  Known known_;
  std::set<state::Piece> lost_;
  std::vector<Vma> out_;
};

}  // namespace

bool Vma::has_pages() const {
  if (is(kVmaVvar) || (flags & kDroppable) != 0) {
    return false;
  }
  const bool is_private = is(kVmaRegular) && (is(kVmaAnonPrivate) || is(kVmaFilePrivate));
  return (is_private && end <= kUserEnd) || is(kVmaAioRing) || is(kVmaShadowStack);
}

// The end of the vdso is where calls are made from meanwhile.
bool Vma::is_cloned() const {
  constexpr std::uint64_t kNotCloned =
      (std::uint64_t{1} << MADV_DONTFORK) | (std::uint64_t{1} << kWipeOnFork);
  return !is(kVmaVdso) && !is(kVmaAioRing) && (advice.value_or(0) & kNotCloned) == 0;
}

bool Vma::can_be_lazy() const {
  constexpr std::uint32_t kWanted = MAP_ANONYMOUS | MAP_PRIVATE;
  constexpr std::uint32_t kKinds = kVmaVdso | kVmaVvar | kVmaVsyscall;
  return (flags & kWanted) == kWanted && (flags & (MAP_LOCKED | MAP_HUGETLB)) == 0 &&
         (status & kKinds) == 0;
}

Result<std::vector<Vma>> list_vmas(DumpContext& context, FileCollector& files,
                                   const trace::FrozenProcess& process) {
  return Lister(context, files, process).run();
}

}  // namespace img::dump
