// SPDX-License-Identifier: MIT
// Files of memfd_create, and other files of the kernel's own tmpfs. Their content is memory, and
// written as that.
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bit>
#include <map>

#include "live/dump/files/file_kind.h"
#include "live/dump/shared_memory.h"
#include "schema/memfd_generated.h"

namespace img::dump {
namespace {

using schema::FdTypes;

constexpr std::string_view kPrefix = "/memfd:";
constexpr std::string_view kDeleted = " (deleted)";
constexpr unsigned kHugeShift = 26;  // MFD_HUGE_SHIFT

// Of every memfd of this kernel, and of shared anonymous memory.
dev_t own_device() {
  const UniqueFd one(::memfd_create("look", MFD_CLOEXEC));
  struct stat stat {};
  return one.is_open() && ::fstat(one.get(), &stat) == 0 ? stat.st_dev : 0;
}

std::string name_in(std::string_view link) {
  if (link.ends_with(kDeleted)) {
    link.remove_suffix(kDeleted.size());
  }
  if (link.starts_with(kPrefix)) {
    link.remove_prefix(kPrefix.size());
  }
  return std::string(link);
}

class Memfds final : public FileKind {
 public:
  using FileKind::FileKind;
  FdTypes type() const override { return FdTypes::MEMFD; }
  bool recognises(const OpenFile& file) const override {
    return S_ISREG(file.stat.st_mode) && file.stat.st_nlink == 0 &&
           (file.stat.st_dev == device_ ||
            (file.file_system == HUGETLBFS_MAGIC && file.link.starts_with(kPrefix)));
  }

  Result<void> collect(OpenFile& file, std::uint32_t id) override {
    IMG_ASSIGN(const std::uint32_t inode, inode_of(file));
    auto& builder = bench_.builder();
    const auto owner = owner_entry(builder, file.owner);
    bench_.add_file(
        type(), id,
        schema::CreateMemfdFileEntry(builder, id, file.flags,
                                     static_cast<std::uint64_t>(file.info.position), owner, inode),
        &schema::FileEntryBuilder::add_memfd);
    return {};
  }

 private:
  Result<std::uint32_t> inode_of(const OpenFile& file) {
    const auto [known, is_new] = known_.try_emplace({file.stat.st_dev, file.stat.st_ino},
                                                    static_cast<std::uint32_t>(known_.size() + 1));
    if (!is_new) {
      return known->second;
    }
    IMG_ASSIGN(UniqueFd content, readable(file));
    const int seals = ::fcntl(content.get(), F_GET_SEALS);
    auto& builder = bench_.builder();
    const auto name = builder.CreateString(name_in(file.link));
    schema::MemfdInodeEntryBuilder entry(builder);
    entry.add_name(name);
    entry.add_uid(file.stat.st_uid);
    entry.add_gid(file.stat.st_gid);
    entry.add_size(static_cast<std::uint64_t>(file.stat.st_size));
    entry.add_shmid(static_cast<std::uint32_t>(file.stat.st_ino));
    entry.add_seals(seals < 0 ? F_SEAL_SEAL : static_cast<std::uint32_t>(seals));
    entry.add_inode_id(known->second);
    if (file.file_system == HUGETLBFS_MAGIC) {
      const auto shift = std::countr_zero(static_cast<std::uint64_t>(file.stat.st_blksize));
      entry.add_hugetlb_flag(MFD_HUGETLB | static_cast<std::uint32_t>(shift) << kHugeShift);
    }
    entry.add_mode(file.stat.st_mode);
    bench_.records().add(Kind::memfd, 0, entry.Finish());
    if (file.stat.st_size > 0 && !bench_.shared_memory().has(file.stat.st_ino)) {
      bench_.shared_memory().add(file.stat.st_ino, std::move(content),
                                 static_cast<std::uint64_t>(file.stat.st_size));
    }
    return known->second;
  }

  dev_t device_ = own_device();
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint32_t> known_;
};

}  // namespace

std::unique_ptr<FileKind> make_memfds(FileBench& bench) {
  return std::make_unique<Memfds>(bench);
}

}  // namespace img::dump
