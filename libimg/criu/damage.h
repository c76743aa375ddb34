// SPDX-License-Identifier: MIT
// What can be wrong with the bytes of an image file, as a reader of them meets it. The check room
// turns these into findings; everybody else into one Error.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "libimg/base/error.h"

namespace img::criu {

enum class DamageKind : std::uint8_t {
  missing,         // a file that others refer to is not there
  not_regular,     // a link, fifo, socket, device or directory where a file must be
  bad_magic,       // header words are not those of the kind that the name says
  truncated,       // the file ends inside a word or a message
  bad_length,      // a size word is negative or larger than what follows
  bad_protobuf,    // the bytes of a message are no protobuf
  missing_field,   // a required field is not there
  too_deep,        // nesting or counts beyond the limits of FORMAT.md
  payload_short,   // fewer bytes after a message than it says
  payload_wrong,   // payload that contradicts its message
  pages_short,     // a pages file holds less than its pagemap says
  pages_shared,    // one pages file, two pagemaps
  not_understood,  // a form that is announced but not known: compressed pages, encryption
  member_outside,  // of an archive: a name or link that leads out of it
  member_type,     // a device, fifo, socket, sparse file
  member_twice,    // two members of one name, or one below what is no directory
  archive_short,   // the archive or its compression ends too early, or is damaged
  archive_limit,   // more members, or more bytes for its size, than a reader takes
  no_image,        // no folder of the archive holds an image
  // The rest are worth a word, and stop no reading.
  trailing,       // bytes after the only message of a file
  pages_excess,   // a pages file holds more than its pagemap says
  unknown_field,  // a field or enum value that the schema does not have
};

[[nodiscard]] constexpr bool stops_reading(DamageKind kind) {
  return kind < DamageKind::trailing;
}

struct Damage {
  DamageKind kind = DamageKind::truncated;
  std::string file;          // core-66.img
  std::uint64_t entry = 0;   // counted from 1; 0: the file as a whole
  std::uint64_t offset = 0;  // of the byte in the file
  std::string field;         // tc.timers.real, where one is concerned
  std::string text;          // what is wrong, without the place

  /// "entry 3, field tc.comm, byte 210: ..."
  [[nodiscard]] std::string place_and_text() const;
  [[nodiscard]] Error error() const;
};

}  // namespace img::criu
