// SPDX-License-Identifier: MIT
// Files of memfd_create(2): made once for each inode, filled, sealed, and opened once for each
// description.
#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/syscall.h>

#include <map>

#include "libimg/base/text.h"
#include "libimg/model/each_record.h"
#include "live/plan/files/image_files.h"

namespace img::plan {
namespace {

constexpr int kAddSeals = 1033;           // F_ADD_SEALS
constexpr std::uint32_t kSealSeal = 0x1;  // F_SEAL_SEAL

struct Inode {
  std::string name;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t size = 0;
  std::uint32_t shmid = 0;
  std::uint32_t seals = 0;
  std::uint32_t huge = 0;
  std::uint32_t mode = 0777;
};

class Memfds final : public KindPlanner {
 public:
  explicit Memfds(FileContext& context) {
    const Result<void> read = model::for_each_message<schema::MemfdInodeEntry>(
        context.reader, {model::Kind::memfd, 0},
        [this](const schema::MemfdInodeEntry& entry, const model::Record&) {
          Inode inode{entry.name()->str(),
                      entry.uid(),
                      entry.gid(),
                      entry.size(),
                      entry.shmid(),
                      entry.seals(),
                      entry.hugetlb_flag().value_or(0),
                      entry.mode().value_or(0777)};
          inodes_.emplace(static_cast<std::uint32_t>(entry.inode_id()), std::move(inode));
        });
    if (!read) {
      context.builder->refuse(state::refusal_because(state::Piece::file_in_image, read.error()));
    }
  }

  Result<Slot> open(FileContext& context, const model::OpenFile& file) override {
    const auto& entry = *file.as<schema::MemfdFileEntry>(schema::FdTypes::MEMFD);
    const auto found = inodes_.find(entry.inode_id());
    if (found == inodes_.end()) {
      return fail(Fault::missing, "memfd.img", "inode " + std::to_string(entry.inode_id()),
                  "is not in the image");
    }
    const auto [made, is_new] = made_.try_emplace(entry.inode_id());
    if (is_new) {
      made->second.slot = make(context, found->second);
    }
    // What memfd_create(2) itself returns does not forbid to run the file, as a description that is
    // opened for writing does.
    const bool is_first = (entry.flags() & O_ACCMODE) == O_RDWR && !made->second.is_used;
    made->second.is_used = made->second.is_used || is_first;
    const Slot slot = is_first ? made->second.slot
                               : context.reopen(made->second.slot, entry.flags(),
                                                "open memfd " + escaped(found->second.name));
    if (is_first) {
      context.set_flags(slot, entry.flags(), "memfd " + escaped(found->second.name));
    }
    if (entry.pos() != 0) {
      context.builder->call(kRestorer, SYS_lseek, {slot, entry.pos(), SEEK_SET},
                            "position in memfd " + escaped(found->second.name));
    }
    return slot;
  }

  std::optional<Slot> for_mapping(FileContext&, const model::OpenFile& file,
                                  std::uint32_t access) override {
    const auto made =
        made_.find(file.as<schema::MemfdFileEntry>(schema::FdTypes::MEMFD)->inode_id());
    return access == O_RDWR && made != made_.end() ? std::optional(made->second.slot)
                                                   : std::nullopt;
  }

 private:
  struct Made {
    Slot slot{};
    bool is_used = false;  // as a description of its own
  };
  static Slot make(FileContext& context, const Inode& inode) {
    PlanBuilder& builder = *context.builder;
    const std::string name = "memfd " + escaped(inode.name);
    // A file made without MFD_ALLOW_SEALING has just F_SEAL_SEAL.
    const bool is_sealable = inode.seals != kSealSeal;
    const std::uint32_t flags = MFD_CLOEXEC | inode.huge | (is_sealable ? MFD_ALLOW_SEALING : 0);
    const Slot made = builder.keep(builder.call(kRestorer, SYS_memfd_create,
                                                {builder.text(inode.name), flags}, "make " + name));
    builder.call(kRestorer, SYS_fchmod, {made, inode.mode & 07777}, "mode of " + name);
    builder.call(kRestorer, SYS_fchown, {made, inode.uid, inode.gid}, "owner of " + name);
    builder.call(kRestorer, SYS_ftruncate, {made, inode.size}, "size of " + name);
    if (inode.size != 0) {
      builder.step(FillFile{made, {model::Kind::pagemap_shmem, inode.shmid}, inode.size});
    }
    if (is_sealable && inode.seals != 0) {
      builder.call(kRestorer, SYS_fcntl, {made, kAddSeals, inode.seals}, "seals of " + name);
    }
    return made;
  }

  std::map<std::uint32_t, Inode> inodes_;
  std::map<std::uint32_t, Made> made_;
};

}  // namespace

std::unique_ptr<KindPlanner> plan_memfds(FileContext& context) {
  return std::make_unique<Memfds>(context);
}

}  // namespace img::plan
