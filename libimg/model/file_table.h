// SPDX-License-Identifier: MIT
// Open files by id, whichever CRIU version wrote them: files.img, or one image file per kind
// before it; and the descriptor tables that name them. Keeps its own copies of the entries.
//
//   IMG_ASSIGN(const FileTable files, FileTable::read(reader));
//   if (const OpenFile* file = files.find(id)) {
//     if (const auto* reg = file->as<schema::RegFileEntry>(schema::FdTypes::REG)) { reg->name() }
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "libimg/base/result.h"
#include "libimg/model/arena.h"
#include "libimg/model/record.h"
#include "schema/files_generated.h"

namespace img::model {

struct OpenFile {
  std::uint32_t id = 0;
  schema::FdTypes type = schema::FdTypes::UND;  // as the entry says; any number in a bad image
  FileKey file;                                 // where it stands, and the record's seq there
  std::uint32_t seq = 0;
  std::uint32_t next_same_id = UINT32_MAX;   // position in FileTable::files()
  const schema::FileEntry* entry = nullptr;  // null before files.img
  const flatbuffers::Table* body = nullptr;  // the sub-message that `type` names, or null

  /// The sub-message, where this file is of that type and has it.
  template <class T>
  [[nodiscard]] const T* as(schema::FdTypes wanted) const {
    return type == wanted ? reinterpret_cast<const T*>(body) : nullptr;
  }
};

/// One line of an fdinfo file.
struct Descriptor {
  std::uint32_t fd = 0;
  std::uint32_t id = 0;
  schema::FdTypes type = schema::FdTypes::UND;
  std::uint32_t flags = 0;
};

class FileTable {
 public:
  [[nodiscard]] static Result<FileTable> read(ImageReader& reader);

  /// In the order of the image.
  [[nodiscard]] std::span<const OpenFile> files() const { return files_; }
  /// The first with this id, or null. A tun device, fifo or terminal may have the id of the regular
  /// file that is its node.
  [[nodiscard]] const OpenFile* find(std::uint32_t id) const;
  /// The first with this id and type, or null.
  [[nodiscard]] const OpenFile* find(std::uint32_t id, schema::FdTypes type) const;

  /// Takes a record of files.img or of one of the kinds before it; false: another kind.
  bool add(const Record& record);

 private:
  Arena arena_;
  std::vector<OpenFile> files_;
  struct SameId {
    std::uint32_t first = 0;
    std::uint32_t last = 0;
  };
  std::unordered_map<std::uint32_t, SameId> by_id_;
};

/// The descriptors of one table (TaskIds::files), in the order of fdinfo-N.img. No such file: none.
[[nodiscard]] Result<std::vector<Descriptor>> read_descriptors(ImageReader& reader,
                                                               std::uint32_t files_id);

/// The type that an image file of the time before files.img holds, UND for any other kind.
[[nodiscard]] schema::FdTypes old_file_kind(Kind kind);
/// The sub-message of an entry that `type` names, or null.
[[nodiscard]] const flatbuffers::Table* body_of(const schema::FileEntry& entry,
                                                schema::FdTypes type);
[[nodiscard]] const char* type_name(schema::FdTypes type);  // "REG"; "type 77"

}  // namespace img::model
