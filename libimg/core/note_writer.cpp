// SPDX-License-Identifier: MIT
#include "libimg/core/note_writer.h"

#include "libimg/core/packer.h"

namespace img::core {

constexpr std::size_t kAlignment = 4;

Result<void> NoteWriter::begin(std::string_view name, std::uint32_t type, std::uint32_t size) {
  Packer head;
  head.put(static_cast<std::uint32_t>(name.size() + 1));
  head.put(size);
  head.put(type);
  head.put_text(name, round_up(name.size() + 1, kAlignment));
  return add(head.bytes());
}

Result<void> NoteWriter::add(Bytes content) {
  written_ += content.size();
  return to_.write(content);
}

Result<void> NoteWriter::end() {
  constexpr std::byte kZeros[kAlignment] = {};
  return add(Bytes(kZeros).first(round_up(written_, kAlignment) - written_));
}

Result<void> NoteWriter::note(std::string_view name, std::uint32_t type, Bytes content) {
  IMG_TRY(begin(name, type, static_cast<std::uint32_t>(content.size())));
  IMG_TRY(add(content));
  return end();
}

}  // namespace img::core
