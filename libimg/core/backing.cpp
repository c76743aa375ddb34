// SPDX-License-Identifier: MIT
#include "libimg/core/backing.h"

#include "libimg/core/host_elf.h"

namespace img::core {
namespace {

namespace vma = model::vma;
using model::FileKey;
using model::Record;
using schema::FdTypes;

class FunctionSink : public model::RecordSink {
 public:
  explicit FunctionSink(std::function<Result<void>(const Record&)> use) : use_(std::move(use)) {}
  Result<void> record(const Record& record) override { return use_(record); }

 private:
  std::function<Result<void>(const Record&)> use_;
};

/// The content of a deleted file: all of it after its head, or in parts with holes between.
class GhostSink : public model::RecordSink {
 public:
  explicit GhostSink(model::MemorySink& to) : to_(to) {}
  Result<void> record(const Record& record) override {
    if (record.key.seq == 0 || record.table == nullptr) {
      return {};
    }
    std::uint64_t at = record.key.seq == 1 ? 0 : record.as<schema::GhostChunkEntry>()->off();
    for (const Bytes part : record.payload.parts) {
      if (part.size() > UINT64_MAX - at) {
        return {};
      }
      IMG_TRY(to_.memory(at, part));
      at += part.size();
    }
    return {};
  }

 private:
  model::MemorySink& to_;
};

class Extents : public model::MemorySink {
 public:
  explicit Extents(const std::function<void(std::uint64_t, std::uint64_t)>& use) : use_(use) {}
  Result<void> memory(std::uint64_t offset, Bytes bytes) override {
    use_(offset, bytes.size());
    return {};
  }

 private:
  const std::function<void(std::uint64_t, std::uint64_t)>& use_;
};

}  // namespace

Result<Backings> Backings::read(model::ImageReader& reader) {
  Backings backings(reader);
  IMG_TRY(backings.read_tables());
  return backings;
}

Result<void> Backings::read_tables() {
  IMG_ASSIGN(files_, model::FileTable::read(*reader_));
  FunctionSink remaps([this](const Record& record) -> Result<void> {
    if (record.key.seq != 0) {
      const auto& entry = *record.as<schema::RemapFilePathEntry>();
      remaps_.try_emplace(entry.orig_id(), model::remap_from(entry));
    }
    return {};
  });
  IMG_TRY(reader_->read({schema::Kind::remap_fpath, 0}, remaps));
  IMG_ASSIGN(shared_, model::SharedMemory::read(*reader_));
  return {};
}

Backing Backings::of(const Mapping& mapping) {
  if (mapping.is(vma::kVvar | vma::kVsyscall | vma::kSocket | vma::kUprobes)) {
    return {Backing::Kind::absent, 0};
  }
  if (const auto object = shared_.under(mapping.status, mapping.object, files_)) {
    return {Backing::Kind::pages, object->id};
  }
  if (!mapping.is_file() && !mapping.is(vma::kMemfd)) {
    return {};
  }
  const auto* file = mapping.object > UINT32_MAX
                         ? nullptr
                         : files_.find(static_cast<std::uint32_t>(mapping.object));
  return file == nullptr ? Backing{Backing::Kind::absent, 0} : of_file(*file);
}

Backing Backings::of_file(const model::OpenFile& file) {
  if (const auto remap = remaps_.find(file.id);
      remap != remaps_.end() && remap->second.type == schema::RemapType::GHOST) {
    return {Backing::Kind::ghost, remap->second.remap_id};
  }
  return {host_file(file.id).empty() ? Backing::Kind::absent : Backing::Kind::host, file.id};
}

std::string Backings::name_of(const Mapping& mapping) const {
  if (mapping.is(vma::kSysvIpc)) {
    return "/SYSV00000000 (deleted)";
  }
  if (mapping.is(vma::kAnonShared)) {
    return "/dev/zero (deleted)";
  }
  const auto* file = !mapping.is_file() || mapping.object > UINT32_MAX
                         ? nullptr
                         : files_.find(static_cast<std::uint32_t>(mapping.object));
  if (file == nullptr) {
    return {};
  }
  if (const auto* memfd = file->as<schema::MemfdFileEntry>(FdTypes::MEMFD)) {
    const auto* inode = shared_.memfd(memfd->inode_id());
    if (inode == nullptr) {
      return {};
    }
    const std::string& name = inode->name;  // of anonymous shared memory: a path
    return (name.starts_with('/') ? name : "/memfd:" + name) + " (deleted)";
  }
  const auto* reg = file->as<schema::RegFileEntry>(FdTypes::REG);
  if (reg == nullptr) {
    return {};
  }
  return reg->name()->str() + (remaps_.contains(file->id) ? " (deleted)" : "");
}

Bytes Backings::host_file(std::uint32_t id) {
  const auto known = on_host_.find(id);
  if (known != on_host_.end()) {
    return known->second.bytes();
  }
  const auto* file = files_.find(id, FdTypes::REG);
  const auto* reg = file == nullptr ? nullptr : file->as<schema::RegFileEntry>(FdTypes::REG);
  return on_host_.emplace(id, reg == nullptr ? MappedFile() : same_file_on_host(*reg))
      .first->second.bytes();
}

Result<void> Backings::for_each_part(const Backing& backing,
                                     const std::function<void(std::uint64_t, std::uint64_t)>& use) {
  if (backing.kind == Backing::Kind::pages) {
    const std::uint64_t page = reader_->header().page_size();
    return model::for_each_run(*reader_, {schema::Kind::pagemap_shmem, backing.id},
                               [&](const model::PageRun& run) {
                                 const std::uint64_t room = (UINT64_MAX - run.address) / page;
                                 if (run.is_present() || run.is_in_parent()) {
                                   use(run.address, std::min(run.pages, room) * page);
                                 }
                               });
  }
  Extents extents(use);
  return visit(backing, extents);
}

Result<void> Backings::visit(const Backing& backing, model::MemorySink& sink) {
  switch (backing.kind) {
    case Backing::Kind::pages: {
      model::AddressSpace object(*reader_, {schema::Kind::pagemap_shmem, backing.id});
      return object.visit(0, UINT64_MAX, sink);
    }
    case Backing::Kind::ghost: {
      GhostSink ghost(sink);
      return reader_->read({schema::Kind::ghost_file, backing.id}, ghost);
    }
    case Backing::Kind::host:
      return sink.memory(0, host_file(static_cast<std::uint32_t>(backing.id)));
    case Backing::Kind::zeros:
    case Backing::Kind::absent: break;
  }
  return {};
}

}  // namespace img::core
