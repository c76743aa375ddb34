// SPDX-License-Identifier: MIT
// How a directory keeps the files of an image: under which names, and in which bytes. CRIU's way is
// criu_form(); the json room has another. Chains, memory, unknown files and links are the same in
// all of them, and no matter of a form.
#pragma once

#include <memory>
#include <optional>

#include "libimg/base/byte_sink.h"
#include "libimg/criu/wire.h"
#include "libimg/model/record.h"
#include "schema/image_generated.h"

namespace img::criu {

struct FileContext;

/// The bytes of files into records. Used for many files, one after the other.
class AnyParser {
 public:
  virtual ~AnyParser() = default;
  /// Sends the file's records to `sink`; also those of a raw file.
  [[nodiscard]] virtual Result<void> parse(const FileContext& context, model::FileKey key,
                                           const std::string& name, Bytes file,
                                           model::RecordSink& sink) = 0;
};

/// The records of files as their bytes. Used for many files, one after the other.
class AnyComposer {
 public:
  virtual ~AnyComposer() = default;
  /// Starts on another file.
  virtual void begin(model::FileKey file, ByteSink& out) = 0;
  /// Where the pages of this file's chunks go; without it they are dropped.
  virtual void set_memory(ByteSink& memory) = 0;
  [[nodiscard]] virtual Result<void> record(const model::Record& record) = 0;
  /// What comes after the last message. A file that had no record becomes one without messages.
  [[nodiscard]] virtual Result<void> finish() = 0;
};

struct WriterOptions {
  unsigned img_version = 2;
  WordOrder order;
};

class DirectoryForm {
 public:
  virtual ~DirectoryForm() = default;

  [[nodiscard]] virtual schema::Origin origin() const = 0;
  /// Nothing for a name that no file of this form has.
  [[nodiscard]] virtual std::optional<model::FileKey> parse_name(std::string_view name) const = 0;
  [[nodiscard]] virtual std::string name_of(model::FileKey file) const = 0;
  /// Of the image with this inventory.
  [[nodiscard]] virtual WordOrder order_of(Bytes inventory) const = 0;
  /// A core file larger than this is not a zombie's.
  [[nodiscard]] virtual std::uint64_t largest_zombie() const = 0;
  [[nodiscard]] virtual std::unique_ptr<AnyParser> parser() const = 0;
  [[nodiscard]] virtual std::unique_ptr<AnyComposer> composer(WriterOptions options) const = 0;
};

[[nodiscard]] const DirectoryForm& criu_form();

}  // namespace img::criu
