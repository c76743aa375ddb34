// SPDX-License-Identifier: MIT
#include "libimg/core/host_elf.h"

#include <fcntl.h>

#include "libimg/base/build_id.h"
#include "libimg/base/file.h"

namespace img::core {
MappedFile same_file_on_host(const schema::RegFileEntry& file) {
  const std::string path = file.name()->str();
  if (file.build_id() == nullptr || file.build_id()->size() == 0 || !path.starts_with('/')) {
    return {};
  }
  const Result<UniqueFd> fd = open_regular(AT_FDCWD, path, O_RDONLY, path);
  if (!fd) {
    return {};
  }
  const Result<std::uint64_t> size = file_size(fd->get(), path);
  if (!size || (file.size() && *file.size() != *size)) {
    return {};
  }
  Result<MappedFile> mapped = MappedFile::map(fd->get(), *size, path);
  const std::span words(file.build_id()->data(), file.build_id()->size());
  if (!mapped || !is_build_id(gnu_build_id(mapped->bytes()), words)) {
    return {};
  }
  return std::move(*mapped);
}

}  // namespace img::core
