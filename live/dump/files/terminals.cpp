// SPDX-License-Identifier: MIT
// Terminals: ptys, consoles, and /dev/tty, which is whichever terminal controls the session. Each
// open file names its terminal; the two ends of a pty are one terminal each.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <set>

#include "live/dump/files/regular_files.h"
#include "live/dump/files/terminal_queue.h"
#include "schema/tty_generated.h"

namespace img::dump {
namespace {

using schema::FdTypes;
using schema::TtyType;

// struct termios as the kernel's ioctls have it, which is not the C library's.
struct KernelTermios {
  std::uint32_t input = 0;
  std::uint32_t output = 0;
  std::uint32_t control = 0;
  std::uint32_t local = 0;
  std::uint8_t line = 0;
  std::array<std::uint8_t, 19> characters{};
};
static_assert(sizeof(KernelTermios) == 36);

struct Terminal {
  TtyType type = TtyType::UNKNOWN;
  std::uint32_t id = 0;
  std::uint32_t index = 0;  // of a pty
  bool is_master = false;
};

// Where there is no index CRIU has a number of its own for each type.
std::optional<Terminal> terminal_of(const OpenFile& file) {
  const unsigned kind = major(file.stat.st_rdev);
  const unsigned number = minor(file.stat.st_rdev);
  const auto single = [](TtyType type, std::uint32_t index) {
    return Terminal{type, index << 1, 0, false};
  };
  if (!S_ISCHR(file.stat.st_mode) || file.is_path_only()) {
    return std::nullopt;
  }
  if (kind == 5 && number == 2) {
    unsigned index = 0;
    if (::ioctl(file.copy.get(), TIOCGPTN, &index) != 0) {
      return std::nullopt;
    }
    return Terminal{TtyType::PTY, (index << 1) + 1, index, true};
  }
  if (kind >= 136 && kind <= 143) {
    const std::uint32_t index = (kind - 136) * 256 + number;
    return Terminal{TtyType::PTY, index << 1, index, false};
  }
  if (kind == 5 && number <= 1) {
    return number == 0 ? single(TtyType::CTTY, 1006) : single(TtyType::CONSOLE, 1002);
  }
  if (kind == 4) {
    return number < 64 ? single(TtyType::VT, 1004) : single(TtyType::SERIAL, 1010);
  }
  return std::nullopt;
}

flatbuffers::Offset<schema::TermiosEntry> termios_entry(flatbuffers::FlatBufferBuilder& builder,
                                                        const KernelTermios& from) {
  // CRIU copies the characters as bytes over an array of words.
  std::array<std::uint32_t, 19> words{};
  std::memcpy(words.data(), from.characters.data(), from.characters.size());
  const auto characters = builder.CreateVector(words.data(), words.size());
  return schema::CreateTermiosEntry(builder, from.input, from.output, from.control, from.local,
                                    from.line, 0, 0, characters);
}

bool flag(int fd, unsigned long request) {
  int value = 0;
  return ::ioctl(fd, request, &value) == 0 && value != 0;
}

class Terminals final : public FileKind {
 public:
  Terminals(FileBench& bench, RegularFiles& regular) : FileKind(bench), regular_(regular) {}
  FdTypes type() const override { return FdTypes::TTY; }
  bool recognises(const OpenFile& file) const override { return terminal_of(file).has_value(); }

  Result<void> collect(OpenFile& file, std::uint32_t id) override {
    const Terminal terminal = *terminal_of(file);
    const std::uint32_t path_id = bench_.new_id();
    IMG_TRY(regular_.collect(file, path_id));
    if (known_.insert(terminal.id).second) {
      IMG_TRY(add_terminal(file, terminal));
    }
    auto& builder = bench_.builder();
    const auto owner = owner_entry(builder, file.owner);
    bench_.add_file(
        type(), id,
        schema::CreateTtyFileEntry(builder, id, terminal.id, file.flags, owner, path_id),
        &schema::FileEntryBuilder::add_tty);
    return {};
  }

  // Put back what was read takes both ends.
  Result<void> finish() override {
    for (const auto& [index, pty] : ptys_) {
      const bool is_whole = pty.master.fd.is_open() && pty.slave.fd.is_open();
      if (is_whole && !pty.master.is_in_packets && !bench_.options().dry_run) {
        IMG_ASSIGN(const PtyQueues queues, look_at_queues(pty.master.fd.get(), pty.slave.fd.get()));
        add_queue(pty.master, queues.of_master);
        add_queue(pty.slave, queues.of_slave);
        continue;
      }
      for (const End* end : {&pty.master, &pty.slave}) {
        if (end->fd.is_open() && waiting_in(end->fd.get()) > 0) {
          bench_.lose(end->name, state::Piece::terminal_input);
        }
      }
    }
    return {};
  }

 private:
  /// One end of a pty, for what waits in it.
  struct End {
    std::uint32_t id = 0;
    UniqueFd fd;
    bool is_in_packets = false;
    std::string name;
  };
  struct Pty {
    End master;
    End slave;
  };
  struct Session {
    std::uint32_t id = 0;
    std::uint32_t foreground = 0;
  };

  // The kernel answers about a slave only to a task that it controls; the stat of one says as much.
  Session session_of(const OpenFile& file, const Terminal& terminal) {
    if (terminal.is_master) {
      pid_t session = 0;
      pid_t group = 0;
      if (::ioctl(file.copy.get(), TIOCGSID, &session) != 0 || session <= 0) {
        return {};
      }
      ::ioctl(file.copy.get(), TIOCGPGRP, &group);
      return {static_cast<std::uint32_t>(session), static_cast<std::uint32_t>(group)};
    }
    for (const trace::FrozenProcess& frozen : bench_.processes()) {
      const procfs::Stat& process = frozen.stat;
      const bool is_its = terminal.type == TtyType::CTTY
                              ? process.pid == file.pid && process.tty != 0
                              : static_cast<dev_t>(process.tty) == file.stat.st_rdev;
      if (is_its) {
        return {static_cast<std::uint32_t>(process.session),
                static_cast<std::uint32_t>(std::max(process.tty_group, 0))};
      }
    }
    return {};
  }

  Result<void> add_terminal(const OpenFile& file, const Terminal& terminal) {
    const int fd = file.copy.get();
    const Session session = session_of(file, terminal);
    if (session.id != 0 && !bench_.options().shell_job &&
        !bench_.is_member(static_cast<pid_t>(session.id))) {
      bench_.refuse(file, state::Piece::terminal_foreign, "--shell-job");
      return {};
    }
    KernelTermios termios;
    KernelTermios locked;
    winsize size{};
    const bool hung_up = ::ioctl(fd, TCGETS, &termios) != 0;
    if (!hung_up &&
        (::ioctl(fd, TIOCGLCKTRMIOS, &locked) != 0 || ::ioctl(fd, TIOCGWINSZ, &size) != 0)) {
      return fail(sys_error(errno, file.name(), "ask the terminal"));
    }
    if (!hung_up && terminal.type == TtyType::PTY) {
      IMG_TRY(remember_end(file, terminal));
    }
    auto& builder = bench_.builder();
    const auto settings = hung_up ? 0 : termios_entry(builder, termios);
    const auto locks = hung_up ? 0 : termios_entry(builder, locked);
    const auto window = hung_up ? 0
                                : schema::CreateWinsizeEntry(builder, size.ws_row, size.ws_col,
                                                             size.ws_xpixel, size.ws_ypixel);
    const auto pty =
        terminal.type == TtyType::PTY ? schema::CreateTtyPtyEntry(builder, terminal.index) : 0;
    bench_.records().add(
        Kind::tty_info, 0,
        schema::CreateTtyInfoEntry(
            builder, terminal.id, terminal.type, terminal.is_master && flag(fd, TIOCGPTLCK),
            flag(fd, TIOCGEXCL), terminal.is_master && flag(fd, TIOCGPKT), session.id,
            session.foreground, static_cast<std::uint32_t>(file.stat.st_rdev), settings, locks,
            window, pty, static_cast<std::uint32_t>(file.stat.st_dev), file.stat.st_uid,
            file.stat.st_gid));
    return {};
  }

  Result<void> remember_end(const OpenFile& file, const Terminal& terminal) {
    End& end = terminal.is_master ? ptys_[terminal.index].master : ptys_[terminal.index].slave;
    end.id = terminal.id;
    end.fd.reset(::fcntl(file.copy.get(), F_DUPFD_CLOEXEC, 0));
    end.is_in_packets = terminal.is_master && flag(file.copy.get(), TIOCGPKT);
    if (!end.fd.is_open()) {
      return fail(sys_error(errno, file.name(), "dup"));
    }
    end.name = file.name();
    return {};
  }

  void add_queue(const End& end, const std::vector<std::byte>& bytes) {
    if (!bytes.empty()) {
      auto& builder = bench_.builder();
      const auto data =
          builder.CreateVector(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
      bench_.records().add(Kind::tty_data, 0, schema::CreateTtyDataEntry(builder, end.id, data));
    }
  }

  RegularFiles& regular_;
  std::set<std::uint32_t> known_;
  std::map<std::uint32_t, Pty> ptys_;
};

}  // namespace

std::unique_ptr<FileKind> make_terminals(FileBench& bench, RegularFiles& regular) {
  return std::make_unique<Terminals>(bench, regular);
}

}  // namespace img::dump
