// SPDX-License-Identifier: MIT
#include "live/plan/files/terminal_settings.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <algorithm>

namespace img::plan {
namespace {

void write_waiting(FileContext& context, const Terminal& terminal, Slot master,
                   const std::string& name) {
  PlanBuilder& builder = *context.builder;
  // What is read from one end was written to the other; nothing is to be changed on its way.
  const KernelTermios raw{0, 0, CS8 | CREAD, 0, 0, {}};
  builder.call(kRestorer, SYS_ioctl, {master, TCSETS, builder.object(raw)},
               "plain settings of " + name);
  const Slot end = terminal.is_master
                       ? context.open_path("/dev/pts/" + std::to_string(terminal.index), O_RDWR)
                       : master;
  builder.call(kRestorer, SYS_write, {end, builder.data(terminal.waiting), terminal.waiting.size()},
               "what waits in " + name);
}

// Settings are those of the master, where it has any.
void set_up_end(PlanBuilder& builder, const Terminal& terminal, Slot master, bool has_settings,
                const std::string& name) {
  const auto set = [&](std::uint64_t request, Value argument, const char* what) {
    builder.call(kRestorer, SYS_ioctl, {master, request, argument}, what + (" of " + name));
  };
  if (terminal.termios && has_settings) {
    set(TCSETS, builder.object(*terminal.termios), "settings");
  }
  if (!terminal.is_master && terminal.uid) {
    const std::string path = "/dev/pts/" + std::to_string(terminal.index);
    builder.call(kRestorer, SYS_fchownat,
                 {AT_FDCWD, builder.text(path), *terminal.uid, *terminal.gid, 0},
                 "owner of " + path);
  }
  if (terminal.locked_termios) {
    set(TIOCSLCKTRMIOS, builder.object(*terminal.locked_termios), "locked settings");
  }
  if (terminal.size) {
    set(TIOCSWINSZ, builder.object(*terminal.size), "size");
  }
  const std::int32_t yes = 1;
  if (terminal.is_master && terminal.packet_mode) {
    set(TIOCPKT, builder.object(yes), "packet mode");
  }
  if (terminal.exclusive) {
    set(TIOCEXCL, 0, "exclusive use");
  }
  if (terminal.is_master && terminal.locked) {
    set(TIOCSPTLCK, builder.object(yes), "lock");
  }
}

}  // namespace

void set_up_terminal(FileContext& context, std::uint32_t index, Slot master,
                     const std::map<std::uint32_t, Terminal>& all) {
  const std::string name = "terminal " + std::to_string(index);
  std::vector<const Terminal*> ends;
  for (const auto& [id, terminal] : all) {
    if (terminal.type == schema::TtyType::PTY && terminal.index == index) {
      ends.push_back(&terminal);
    }
  }
  const bool master_says = std::any_of(
      ends.begin(), ends.end(), [](const Terminal* one) { return one->is_master && one->termios; });
  // What waits comes first: the settings would change it.
  for (const Terminal* end : ends) {
    if (!end->waiting.empty()) {
      write_waiting(context, *end, master, name);
    }
  }
  for (const Terminal* end : ends) {
    set_up_end(*context.builder, *end, master, end->is_master || !master_says, name);
  }
}

}  // namespace img::plan
