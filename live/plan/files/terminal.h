// SPDX-License-Identifier: MIT
// A terminal as an image has it: settings, size, whose session it controls. Who opens it how is not
// its business.
#pragma once

#include <termios.h>

#include <sys/ioctl.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "schema/tty_generated.h"

namespace img::plan {

inline constexpr std::size_t kControlChars = 19;

/// struct termios of the kernel; glibc's is longer.
struct KernelTermios {
  std::uint32_t iflag, oflag, cflag, lflag;
  std::uint8_t line;
  std::array<std::uint8_t, kControlChars> cc;
};

/// One terminal; of a pseudoterminal both ends are one.
struct Terminal {
  std::uint32_t id = 0;
  schema::TtyType type = schema::TtyType::UNKNOWN;
  bool is_master = false;
  std::uint32_t index = 0;
  bool locked = false;
  bool exclusive = false;
  bool packet_mode = false;
  std::uint32_t session = 0;
  std::uint32_t foreground = 0;
  std::optional<std::uint32_t> uid;  // of its node
  std::optional<std::uint32_t> gid;
  std::optional<KernelTermios> termios;  // none: its other end has hung up
  std::optional<KernelTermios> locked_termios;
  std::optional<winsize> size;
  std::vector<std::byte> waiting;  // to be read from it
};

[[nodiscard]] Terminal terminal_of(const schema::TtyInfoEntry& entry);

}  // namespace img::plan
