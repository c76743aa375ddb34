// SPDX-License-Identifier: MIT
#include "libimg/model/file_table.h"

namespace img::model {

using schema::FdTypes;

namespace {

template <class T>
const flatbuffers::Table* table_of(const T* entry) {
  return reinterpret_cast<const flatbuffers::Table*>(entry);
}

class FileSink : public RecordSink {
 public:
  explicit FileSink(FileTable& table) : table_(table) {}
  Result<void> record(const Record& record) override {
    table_.add(record);
    return {};
  }

 private:
  FileTable& table_;
};

class DescriptorSink : public RecordSink {
 public:
  Result<void> record(const Record& record) override {
    if (record.key.seq != 0) {
      const auto& entry = *record.as<schema::FdinfoEntry>();
      found.push_back({entry.fd(), entry.id(), entry.type(), entry.flags()});
    }
    return {};
  }
  std::vector<Descriptor> found;
};

/// Every one of these messages has its id as field 1, so the same vtable slot.
std::uint32_t own_id(const flatbuffers::Table& body) {
  return body.GetField<std::uint32_t>(schema::RegFileEntry::VT_ID, 0);
}

}  // namespace

FdTypes old_file_kind(Kind kind) {
  switch (kind) {
    case Kind::reg_files: return FdTypes::REG;
    case Kind::ext_files: return FdTypes::EXT;
    case Kind::ns_files: return FdTypes::NS;
    case Kind::eventfd: return FdTypes::EVENTFD;
    case Kind::eventpoll: return FdTypes::EVENTPOLL;
    case Kind::signalfd: return FdTypes::SIGNALFD;
    case Kind::timerfd: return FdTypes::TIMERFD;
    case Kind::inotify: return FdTypes::INOTIFY;
    case Kind::fanotify: return FdTypes::FANOTIFY;
    case Kind::pipes: return FdTypes::PIPE;
    case Kind::fifo: return FdTypes::FIFO;
    case Kind::unixsk: return FdTypes::UNIXSK;
    case Kind::inetsk: return FdTypes::INETSK;
    case Kind::packetsk: return FdTypes::PACKETSK;
    case Kind::netlinksk: return FdTypes::NETLINKSK;
    case Kind::tty: return FdTypes::TTY;
    case Kind::tunfile: return FdTypes::TUNF;
    case Kind::bpfmap_file: return FdTypes::BPFMAP;
    case Kind::pidfd: return FdTypes::PIDFD;
    default: return FdTypes::UND;
  }
}

const flatbuffers::Table* body_of(const schema::FileEntry& entry, FdTypes type) {
  switch (type) {
    case FdTypes::REG: return table_of(entry.reg());
    case FdTypes::PIPE: return table_of(entry.pipe());
    case FdTypes::FIFO: return table_of(entry.fifo());
    case FdTypes::INETSK: return table_of(entry.isk());
    case FdTypes::UNIXSK: return table_of(entry.usk());
    case FdTypes::EVENTFD: return table_of(entry.efd());
    case FdTypes::EVENTPOLL: return table_of(entry.epfd());
    case FdTypes::INOTIFY: return table_of(entry.ify());
    case FdTypes::SIGNALFD: return table_of(entry.sgfd());
    case FdTypes::PACKETSK: return table_of(entry.psk());
    case FdTypes::TTY: return table_of(entry.tty());
    case FdTypes::FANOTIFY: return table_of(entry.ffy());
    case FdTypes::NETLINKSK: return table_of(entry.nlsk());
    case FdTypes::NS: return table_of(entry.nsf());
    case FdTypes::TUNF: return table_of(entry.tunf());
    case FdTypes::EXT: return table_of(entry.ext());
    case FdTypes::TIMERFD: return table_of(entry.tfd());
    case FdTypes::MEMFD: return table_of(entry.memfd());
    case FdTypes::BPFMAP: return table_of(entry.bpf());
    case FdTypes::PIDFD: return table_of(entry.pidfd());
    default: return nullptr;
  }
}

const char* type_name(FdTypes type) {
  const char* name = schema::EnumNameFdTypes(type);
  return name == nullptr || *name == '\0' ? "an unknown type" : name;
}

Result<FileTable> FileTable::read(ImageReader& reader) {
  FileTable table;
  FileSink sink(table);
  IMG_ASSIGN(const auto files, reader.files());
  for (const FileKey file : files) {
    if (file.kind == Kind::files || old_file_kind(file.kind) != FdTypes::UND) {
      IMG_TRY(reader.read(file, sink));
    }
  }
  return table;
}

const OpenFile* FileTable::find(std::uint32_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &files_[found->second.first];
}

const OpenFile* FileTable::find(std::uint32_t id, FdTypes type) const {
  const OpenFile* file = find(id);
  while (file != nullptr && file->type != type) {
    file = file->next_same_id == UINT32_MAX ? nullptr : &files_[file->next_same_id];
  }
  return file;
}

bool FileTable::add(const Record& record) {
  const Kind kind = record.key.file.kind;
  const FdTypes old_type = old_file_kind(kind);
  if (record.key.seq == 0 || (kind != Kind::files && old_type == FdTypes::UND)) {
    return false;
  }
  const Bytes kept = arena_.keep(record.flatbuffer);
  OpenFile file;
  file.file = record.key.file;
  file.seq = static_cast<std::uint32_t>(record.key.seq);
  if (kind == Kind::files) {
    file.entry = flatbuffers::GetRoot<schema::FileEntry>(kept.data());
    file.id = file.entry->id();
    file.type = file.entry->type();
    file.body = body_of(*file.entry, file.type);
  } else {
    file.body = flatbuffers::GetRoot<flatbuffers::Table>(kept.data());
    file.id = own_id(*file.body);
    file.type = old_type;
  }
  const auto position = static_cast<std::uint32_t>(files_.size());
  const auto [same, is_new] = by_id_.try_emplace(file.id, SameId{position, position});
  if (!is_new) {
    files_[same->second.last].next_same_id = position;
    same->second.last = position;
  }
  files_.push_back(file);
  return true;
}

Result<std::vector<Descriptor>> read_descriptors(ImageReader& reader, std::uint32_t files_id) {
  DescriptorSink sink;
  IMG_TRY(reader.read({Kind::fdinfo, files_id}, sink));
  return std::move(sink.found);
}

}  // namespace img::model
