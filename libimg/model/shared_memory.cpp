// SPDX-License-Identifier: MIT
#include "libimg/model/shared_memory.h"

#include "libimg/model/vma.h"
#include "schema/memfd_generated.h"

namespace img::model {
namespace {

class Sink : public RecordSink {
 public:
  explicit Sink(SharedMemory& to) : to_(to) {}
  Result<void> record(const Record& record) override {
    to_.add(record);
    return {};
  }

 private:
  SharedMemory& to_;
};

}  // namespace

Result<SharedMemory> SharedMemory::read(ImageReader& reader) {
  SharedMemory memory;
  Sink sink(memory);
  IMG_TRY(reader.read({Kind::memfd, 0}, sink));
  return memory;
}

bool SharedMemory::add(const Record& record) {
  if (record.key.file.kind != Kind::memfd || record.key.seq == 0) {
    return record.key.file.kind == Kind::memfd;
  }
  const auto& inode = *record.as<schema::MemfdInodeEntry>();
  memfds_.try_emplace(inode.inode_id(), Memfd{inode.shmid(), inode.name()->str(), inode.size()});
  return true;
}

const SharedMemory::Memfd* SharedMemory::memfd(std::uint64_t inode_id) const {
  const auto found = memfds_.find(inode_id);
  return found == memfds_.end() ? nullptr : &found->second;
}

std::optional<FileKey> SharedMemory::under(std::uint32_t status, std::uint64_t shmid,
                                           const FileTable& files) const {
  if ((status & (vma::kAnonShared | vma::kSysvIpc)) != 0) {
    return FileKey{Kind::pagemap_shmem, shmid};
  }
  constexpr std::uint32_t kOfFile = vma::kFilePrivate | vma::kFileShared | vma::kMemfd;
  if ((status & kOfFile) == 0 || shmid > UINT32_MAX) {
    return std::nullopt;
  }
  const OpenFile* file = files.find(static_cast<std::uint32_t>(shmid), schema::FdTypes::MEMFD);
  const auto* opened =
      file == nullptr ? nullptr : file->as<schema::MemfdFileEntry>(schema::FdTypes::MEMFD);
  const Memfd* inode = opened == nullptr ? nullptr : memfd(opened->inode_id());
  return inode == nullptr ? std::nullopt
                          : std::optional(FileKey{Kind::pagemap_shmem, inode->shmid});
}

}  // namespace img::model
