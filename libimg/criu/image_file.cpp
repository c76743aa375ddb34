// SPDX-License-Identifier: MIT
#include "libimg/criu/image_file.h"

#include <fcntl.h>

#include <cerrno>

#include "libimg/base/file.h"

namespace img::criu {

Bytes ImageFileBytes::lend(Bytes bytes) {
  mapped_ = MappedFile();
  damage_.reset();
  return bytes;
}

Failure ImageFileBytes::refuse(DamageKind kind, const std::string& name, std::string text) {
  damage_ = Damage{kind, name, 0, 0, {}, std::move(text)};
  return fail(damage_->error());
}

Result<Bytes> ImageFileBytes::open(int directory, const std::string& name,
                                   const std::string& place) {
  mapped_ = MappedFile();
  damage_.reset();
  const std::string thing = place + "/" + name;
  const Result<UniqueFd> fd = open_regular(directory, name, O_RDONLY, thing);
  if (!fd && fd.error().sys_errno == ENOENT) {
    return refuse(DamageKind::missing, name, "is not there");
  }
  if (!fd && fd.error().fault == Fault::unsupported) {
    return refuse(DamageKind::not_regular, name, fd.error().why);
  }
  if (!fd) {
    return fail(fd.error());
  }
  IMG_ASSIGN(const std::uint64_t size, file_size(fd->get(), thing));
  if (size > read_at_most_) {
    IMG_ASSIGN(mapped_, MappedFile::map(fd->get(), size, thing));
    return mapped_.bytes();
  }
  if (buffer_.size() < size) {
    buffer_.resize(size);
  }
  // One that became shorter is judged by what is there.
  IMG_ASSIGN(const std::size_t have,
             read_until_end(fd->get(), 0, std::span(buffer_).first(size), thing));
  return Bytes(buffer_.data(), have);
}

}  // namespace img::criu
