// SPDX-License-Identifier: MIT
// ELF cores of the processes of an image, as the kernel would have written them at the dump: all
// threads with their registers, the leader first, and the memory that is in the image. Reads the
// image and programs of this host, and writes into descriptors; runs nothing.
//
//   IMG_ASSIGN(CoreMaker maker, CoreMaker::open(reader));
//   IMG_ASSIGN(const Core core, maker.write(process, fd, "out/core.66", progress));
#pragma once

#include <cstdint>
#include <string>

#include "libimg/core/backing.h"
#include "libimg/core/core_file.h"
#include "libimg/model/process_tree.h"

namespace img::core {

/// What was made of a process.
struct Core {
  std::uint64_t threads = 0;
  std::uint64_t bytes = 0;    // of the file
  std::uint64_t written = 0;  // without its holes
};

class CoreMaker {
 public:
  [[nodiscard]] static Result<CoreMaker> open(model::ImageReader& reader);

  [[nodiscard]] const model::ProcessTree& tree() const { return tree_; }
  /// Why this process can have no core, though nothing is wrong with it; empty: it can.
  [[nodiscard]] static std::string refusal(const model::Process& process);
  /// Into an empty regular file. `thing` is what errors call it.
  [[nodiscard]] Result<Core> write(const model::Process& process, int fd, const std::string& thing,
                                   const Progress& progress);

 private:
  CoreMaker(model::ImageReader& reader, model::ProcessTree tree, Backings backings)
      : reader_(&reader), tree_(std::move(tree)), backings_(std::move(backings)) {}

  [[nodiscard]] Result<std::uint64_t> write_notes(ByteSink& to, Width width,
                                                  const model::Process& process,
                                                  const ProcessMemory& memory);

  model::ImageReader* reader_;
  model::ProcessTree tree_;
  Backings backings_;
};

}  // namespace img::core
