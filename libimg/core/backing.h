// SPDX-License-Identifier: MIT
// What lies under the pages that a process has of its own: nothing but zeros, a shared object whose
// pages are in the image, a deleted file that the image carries, or a file of this host. Programs
// and libraries are read from the host only where their build id is the one in the image: so no
// image can have another file of the host put into a core.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "libimg/base/mapped_file.h"
#include "libimg/core/process_memory.h"
#include "libimg/model/address_space.h"
#include "libimg/model/file_table.h"
#include "libimg/model/remap.h"
#include "libimg/model/shared_memory.h"

namespace img::core {

struct Backing {
  enum class Kind : std::uint8_t {
    zeros,   // anonymous memory
    absent,  // the image does not have it: a debugger reads the file, if it finds it
    pages,   // of the shared object `id`
    ghost,   // the deleted file `id`
    host,    // the program or library `id` of the host, whole
  };
  Kind kind = Kind::zeros;
  std::uint64_t id = 0;
  friend auto operator<=>(const Backing&, const Backing&) = default;

  [[nodiscard]] bool has_content() const { return kind > Kind::absent; }
};

class Backings {
 public:
  [[nodiscard]] static Result<Backings> read(model::ImageReader& reader);

  [[nodiscard]] Backing of(const Mapping& mapping);
  /// What a mapping is of, as /proc/PID/maps has it; empty: no file.
  [[nodiscard]] std::string name_of(const Mapping& mapping) const;

  /// The parts of it that are there; no memory is touched.
  [[nodiscard]] Result<void> for_each_part(
      const Backing& backing,
      const std::function<void(std::uint64_t offset, std::uint64_t bytes)>& use);
  /// Their bytes; addresses are offsets.
  [[nodiscard]] Result<void> visit(const Backing& backing, model::MemorySink& sink);

 private:
  explicit Backings(model::ImageReader& reader) : reader_(&reader) {}
  [[nodiscard]] Result<void> read_tables();
  [[nodiscard]] Backing of_file(const model::OpenFile& file);
  [[nodiscard]] Bytes host_file(std::uint32_t id);

  model::ImageReader* reader_;
  model::FileTable files_;
  std::unordered_map<std::uint32_t, model::Remap> remaps_;
  model::SharedMemory shared_;
  std::unordered_map<std::uint32_t, MappedFile> on_host_;  // by file id; empty: not ours
};

}  // namespace img::core
