// SPDX-License-Identifier: MIT
// What all kinds of files share while they are collected: ids, the way into the image, what is
// refused and what is lost. Knows no kind.
#pragma once

#include <memory>
#include <set>
#include <span>
#include <vector>

#include "live/dump/dump_context.h"
#include "live/dump/files/open_file.h"
#include "live/dump/files/payload_memory.h"
#include "libimg/base/mountinfo.h"
#include "schema/files_generated.h"

namespace img::dump {

/// One descriptor of a table, as the tables of all processes are remembered.
struct TableSlot {
  int number = -1;
  std::uint32_t id = 0;  // FileEntry.id
  std::uint64_t inode = 0;
};

struct DescriptorTable {
  pid_t pid = 0;                 // one that has it
  std::vector<TableSlot> slots;  // by number
};

class FileBench {
 public:
  explicit FileBench(DumpContext& context);

  [[nodiscard]] const DumpOptions& options() const { return context_.options; }
  [[nodiscard]] const std::vector<trace::FrozenProcess>& processes() const {
    return context_.tree.processes;
  }
  [[nodiscard]] bool is_member(pid_t pid) const { return members_.contains(pid); }
  [[nodiscard]] SharedMemory& shared_memory() { return context_.shared_memory; }
  [[nodiscard]] RecordBuffer& records() { return context_.records; }
  [[nodiscard]] PayloadMemory& payloads() { return *payloads_; }
  /// Of this process's own mount namespace.
  [[nodiscard]] Result<std::span<const Mount>> mounts();
  [[nodiscard]] std::vector<DescriptorTable>& tables() { return tables_; }

  [[nodiscard]] std::uint32_t new_id() { return next_id_++; }

  /// An empty buffer, the same one every time: for one record at once.
  [[nodiscard]] flatbuffers::FlatBufferBuilder& builder() {
    builder_ = &context_.records.begin();
    return *builder_;
  }
  /// One record of files.img; `body` was made in builder().
  template <class T>
  void add_file(schema::FdTypes type, std::uint32_t id, flatbuffers::Offset<T> body,
                void (schema::FileEntryBuilder::*field)(flatbuffers::Offset<T>)) {
    schema::FileEntryBuilder entry(*builder_);
    (entry.*field)(body);
    entry.add_id(id);
    entry.add_type(type);
    context_.records.add(Kind::files, 0, entry.Finish());
  }

  /// This file cannot be kept. Collecting goes on, to know all reasons.
  void refuse(const OpenFile& file, state::Piece why, const char* hint = "") {
    context_.remarks.refuse(why, file.name(), {}, hint);
  }
  /// This part of its state will not be there after a restore.
  void lose(const OpenFile& file, state::Piece what) { lose(file.name(), what); }
  void lose(const std::string& name, state::Piece what) { context_.remarks.lose(what, name); }

 private:
  DumpContext& context_;
  flatbuffers::FlatBufferBuilder* builder_ = nullptr;  // as begun last
  std::set<pid_t> members_;
  std::uint32_t next_id_ = 1;
  std::shared_ptr<PayloadMemory> payloads_;  // the records keep it too
  std::vector<Mount> mounts_;
  std::vector<DescriptorTable> tables_;
};

[[nodiscard]] flatbuffers::Offset<schema::FownEntry> owner_entry(
    flatbuffers::FlatBufferBuilder& builder, const Owner& owner);

}  // namespace img::dump
