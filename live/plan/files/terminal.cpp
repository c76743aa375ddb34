// SPDX-License-Identifier: MIT
#include "live/plan/files/terminal.h"

#include <sys/sysmacros.h>

namespace img::plan {
namespace {

constexpr unsigned kAuxMajor = 5;  // TTYAUX_MAJOR: ptmx is its minor 2
constexpr unsigned kPtmxMinor = 2;
constexpr unsigned kUnix98Masters = 128;  // majors 128 to 135
constexpr unsigned kUnix98Slaves = 136;

KernelTermios termios_of(const schema::TermiosEntry& entry) {
  KernelTermios out{entry.c_iflag(),
                    entry.c_oflag(),
                    entry.c_cflag(),
                    entry.c_lflag(),
                    static_cast<std::uint8_t>(entry.c_line()),
                    {}};
  // CRIU copies the characters as bytes over an array of words.
  constexpr std::uint32_t kInWord = sizeof(std::uint32_t);
  for (std::uint32_t i = 0;
       entry.c_cc() != nullptr && i / kInWord < entry.c_cc()->size() && i < kControlChars; ++i) {
    out.cc[i] = static_cast<std::uint8_t>(entry.c_cc()->Get(i / kInWord) >> (8 * (i % kInWord)));
  }
  return out;
}

}  // namespace

Terminal terminal_of(const schema::TtyInfoEntry& entry) {
  Terminal terminal;
  terminal.id = entry.id();
  terminal.type = entry.type();
  const unsigned device_major = major(entry.rdev());
  terminal.is_master = (device_major == kAuxMajor && minor(entry.rdev()) == kPtmxMinor) ||
                       (device_major >= kUnix98Masters && device_major < kUnix98Slaves);
  terminal.index = entry.pty() == nullptr ? 0 : entry.pty()->index();
  terminal.locked = entry.locked();
  terminal.exclusive = entry.exclusive();
  terminal.packet_mode = entry.packet_mode();
  terminal.session = entry.sid();
  terminal.foreground = entry.pgrp();
  if (entry.uid() && entry.gid()) {
    terminal.uid = *entry.uid();
    terminal.gid = *entry.gid();
  }
  if (entry.termios() != nullptr) {
    terminal.termios = termios_of(*entry.termios());
  }
  if (entry.termios_locked() != nullptr) {
    terminal.locked_termios = termios_of(*entry.termios_locked());
  }
  if (const schema::WinsizeEntry* size = entry.winsize()) {
    terminal.size = winsize{static_cast<unsigned short>(size->ws_row()),
                            static_cast<unsigned short>(size->ws_col()),
                            static_cast<unsigned short>(size->ws_xpixel()),
                            static_cast<unsigned short>(size->ws_ypixel())};
  }
  return terminal;
}

}  // namespace img::plan
