// SPDX-License-Identifier: MIT
// The files that an image is in CRIU's form, each as its bytes: for what has to know how large a
// file is before it can be written. Memory is never gathered: it is read when it is wanted.
#pragma once

#include <map>
#include <string>

#include "libimg/base/byte_sink.h"
#include "libimg/base/spool.h"
#include "libimg/criu/directory_writer.h"
#include "libimg/model/record.h"

namespace img::convert {

class ImageFiles {
 public:
  /// Looks through the page maps.
  [[nodiscard]] static Result<ImageFiles> of(model::ImageReader& image);

  /// Names of all files, ascending.
  [[nodiscard]] std::vector<std::string> names() const;
  [[nodiscard]] bool has(const std::string& name) const { return files_.contains(name); }
  /// Calls `sized` with the size of the file, then gives its bytes to the sink that it returns.
  using Sized = std::function<Result<ByteSink*>(std::uint64_t size)>;
  [[nodiscard]] Result<void> write(const std::string& name, const Sized& sized);

 private:
  struct File {
    model::FileKey key;           // none: there is only memory
    model::FileKey pagemap = {};  // whose memory comes first
    std::uint64_t memory = 0;
  };
  explicit ImageFiles(model::ImageReader& image);
  [[nodiscard]] Result<void> look_at(model::FileKey pagemap);
  [[nodiscard]] Result<Bytes> compose(model::FileKey key);

  model::ImageReader* image_;
  criu::WriterOptions options_;
  std::map<std::string, File> files_;
  Spool spool_;
};

/// What the header says of the files' form.
[[nodiscard]] criu::WriterOptions writer_options(const model::ImageReader& image);

/// Kinds that stand for an archive around the image, not for files of it.
[[nodiscard]] bool is_of_archive(schema::Kind kind);
/// Records that neither a CRIU directory nor its JSON has a file for.
[[nodiscard]] bool has_no_file(schema::Kind kind);

}  // namespace img::convert
