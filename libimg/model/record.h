// SPDX-License-Identifier: MIT
// The unit that flows between everything that can hold an image: one message of the dump as a
// FlatBuffer, with the bytes that follow it. A store, a CRIU directory, an archive and JSON are
// each an ImageReader, an ImageWriter or both; converting is reading from one into the other.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "libimg/base/bytes.h"
#include "libimg/base/result.h"
#include "schema/image_generated.h"
#include "schema/layout.h"

namespace img::model {

using schema::Kind;

/// What one image file is called by: core of task 66, the one pstree (id 0).
struct FileKey {
  Kind kind = Kind::none;
  std::uint64_t id = 0;
  friend auto operator<=>(const FileKey&, const FileKey&) = default;
};

/// `seq` counts the messages of a file from 1; a pagemap's head is 1, and each record after it a
/// PagemapChunk of up to kChunkEntries entries. A raw file is one record, 1, without a table.
/// Record 0, an ImageFile, is there only where the messages alone do not give the file back.
struct RecordKey {
  FileKey file;
  std::uint64_t seq = 0;
  friend auto operator<=>(const RecordKey&, const RecordKey&) = default;
};

inline constexpr std::size_t kChunkEntries = 4096;

/// The bytes that follow a message, in order; in one part or, from a store, in several. For a
/// PagemapChunk: the memory of its present entries.
struct Payload {
  std::vector<Bytes> parts;

  [[nodiscard]] std::uint64_t size() const {
    std::uint64_t total = 0;
    for (const Bytes part : parts) {
      total += part.size();
    }
    return total;
  }
};

/// Borrowed: valid until the sink returns, or as the source of it says.
struct Record {
  RecordKey key;
  const schema::TableLayout* table = nullptr;  // null: raw bytes, only a payload
  Bytes flatbuffer;                            // a finished, verified buffer whose root is `table`
  /// The protobuf message as it came, where encoding `flatbuffer` would not give it back.
  /// A PagemapChunk: all its entries with their size words.
  Bytes original;
  Payload payload;

  template <class T>  // schema::CoreEntry ...; T must be what `table` says
  [[nodiscard]] const T* as() const {
    return flatbuffers::GetRoot<T>(flatbuffer.data());
  }
};

class RecordSink {
 public:
  virtual ~RecordSink() = default;
  [[nodiscard]] virtual Result<void> record(const Record& record) = 0;
};

/// One image that can be read: of a store, a CRIU directory, JSON.
class ImageReader {
 public:
  virtual ~ImageReader() = default;

  /// What is known of the image as a whole; a foreign image fills only part.
  [[nodiscard]] virtual const schema::ImageHeader& header() const = 0;
  /// How a person would find it: "web.store::redis", "/dumps/1".
  [[nodiscard]] virtual const std::string& place() const = 0;
  /// The image that holds the pages this one leaves out, or null if this one is whole by itself.
  /// Owned by this reader. An error: there is meant to be one, and it cannot be read.
  [[nodiscard]] virtual Result<ImageReader*> parent() = 0;

  /// Every file, ascending.
  [[nodiscard]] virtual Result<std::vector<FileKey>> files() = 0;
  /// All records of one file, in order; nothing if there is no such file. Records (and what they
  /// point to) are valid only inside the sink. Different threads may read different files.
  [[nodiscard]] virtual Result<void> read(FileKey file, RecordSink& sink) = 0;
  /// As read(), but the memory of a pagemap stays where it is, mapped, as long as what is put into
  /// `hold` (and the reader); for those who put several images together.
  [[nodiscard]] virtual Result<void> read_held(FileKey /*pagemap*/, RecordSink& /*sink*/,
                                               std::shared_ptr<const void>& /*hold*/) {
    return fail(Fault::unsupported, place(), "its memory cannot be put together with another's");
  }
  /// The file's own name, for messages: "core-66.img".
  [[nodiscard]] virtual std::string file_name(FileKey file) const = 0;
};

/// One image being written. Nothing of it is visible before commit(); destroying the writer
/// without it leaves nothing behind.
class ImageWriter : public RecordSink {
 public:
  /// Records of one file in order; files in any order, each once. One thread at a time.
  [[nodiscard]] Result<void> record(const Record& record) override = 0;
  [[nodiscard]] virtual Result<void> commit() = 0;
};

}  // namespace img::model
