// SPDX-License-Identifier: MIT
// Why an operation could not go on. A fault of the *image* that a reader can survive is a Finding
// (check), not an Error; a fault of the program is IMG_ASSERT.
#pragma once

#include <string>
#include <string_view>

namespace img {

enum class Fault {
  io,           // the system refused; sys_errno says how
  corrupt,      // the bytes are not what the format says
  unsupported,  // known, and not handled
  limit,        // larger than FORMAT.md allows
  missing,      // not there
  conflict,     // there already, or in use
  gone,         // the traced process has ended
  denied,       // no permission or capability
  usage,        // the caller asked for something that makes no sense
};

/// `thing: what: why`, and what to do about it where there is something to do. The four are kept
/// apart because `--json` shows them apart.
struct Error {
  Fault fault = Fault::io;
  int sys_errno = 0;
  std::string thing;  // the file, image or process
  std::string what;   // what was being done
  std::string why;
  std::string hint;

  /// One line, without the tool's name.
  [[nodiscard]] std::string line() const;
};

[[nodiscard]] std::string_view fault_name(Fault fault);

/// An error whose `why` is strerror(sys_errno).
[[nodiscard]] Error sys_error(int sys_errno, std::string thing, std::string what);
[[nodiscard]] Error make_error(Fault fault, std::string thing, std::string what, std::string why = {},
                               std::string hint = {});

}  // namespace img
