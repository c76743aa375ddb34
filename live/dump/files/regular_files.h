// SPDX-License-Identifier: MIT
// Everything that is opened again by its path: files, directories, device nodes that have no state
// of their own, O_PATH descriptors. Fifos and terminals keep their path here too.
#pragma once

#include "live/dump/files/file_kind.h"
#include "live/dump/files/remaps.h"

namespace img::dump {

class RegularFiles final : public FileKind {
 public:
  explicit RegularFiles(FileBench& bench) : FileKind(bench), remaps_(bench) {}
  [[nodiscard]] schema::FdTypes type() const override { return schema::FdTypes::REG; }
  [[nodiscard]] bool recognises(const OpenFile& file) const override;
  [[nodiscard]] Result<void> collect(OpenFile& file, std::uint32_t id) override;

 private:
  Remaps remaps_;
};

}  // namespace img::dump
