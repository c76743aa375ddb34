// SPDX-License-Identifier: MIT
// Terminals: pseudoterminals of the tree, the terminal of a shell job, and /dev/tty.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <map>

#include "libimg/base/text.h"
#include "libimg/model/each_record.h"
#include "live/plan/files/image_files.h"
#include "live/plan/files/terminal_settings.h"
#include "live/state/state.h"

namespace img::plan {
namespace {

using model::OpenFile;
using schema::FdTypes;
using schema::TtyFileEntry;
using schema::TtyInfoEntry;
using schema::TtyType;

class Terminals final : public KindPlanner {
 public:
  explicit Terminals(FileContext& context) {
    Result<void> read = model::for_each_message<TtyInfoEntry>(
        context.reader, {model::Kind::tty_info, 0},
        [this](const TtyInfoEntry& entry, const model::Record&) {
          terminals_[entry.id()] = terminal_of(entry);
        });
    if (read) {
      read = model::for_each_message<schema::TtyDataEntry>(
          context.reader, {model::Kind::tty_data, 0},
          [this](const schema::TtyDataEntry& entry, const model::Record&) {
            const auto bytes = std::as_bytes(std::span(entry.data()->data(), entry.data()->size()));
            terminals_[entry.tty_id()].waiting.assign(bytes.begin(), bytes.end());
          });
    }
    if (!read) {
      context.builder->refuse(state::refusal_because(state::Piece::file_in_image, read.error()));
    }
  }

  Result<Slot> open(FileContext& context, const OpenFile& file) override {
    const auto& entry = *file.as<TtyFileEntry>(FdTypes::TTY);
    Slot slot{};
    if (const int fd = context.standard_descriptor(file);
        fd >= 0 && context.inherits("fd[" + std::to_string(fd) + "]", slot)) {
      own_.emplace(entry.tty_info_id(), slot);
      return slot;
    }
    const auto found = terminals_.find(entry.tty_info_id());
    if (found == terminals_.end()) {
      return fail(Fault::missing, "tty-info.img", "terminal " + std::to_string(entry.tty_info_id()),
                  "is not in the image");
    }
    const Terminal& terminal = found->second;
    IMG_ASSIGN(slot, open_terminal(context, terminal, entry));
    any_.emplace(terminal.id, slot);
    return slot;
  }

  Result<void> opened(FileContext& context) override {
    for (const auto& [index, master] : masters_) {
      set_up_terminal(context, index, master, terminals_);
    }
    for (const auto& [index, master] : hung_up_) {
      context.builder->close(master);
    }
    return {};
  }

  /// A session leader takes its terminal while it has a descriptor of it. Where nobody has the end
  /// that it sees any more, the master still says whose it is.
  Result<void> before_install(FileContext& context, Actor actor) override {
    for (const bool by_master : {false, true}) {
      for (const auto& [id, terminal] : terminals_) {
        const auto slot = any_.find(id);
        if (terminal.session == actor.tid && slot != any_.end() &&
            terminal.is_master == by_master && !has_controlled_.contains(actor.tid)) {
          take_control(context, actor, terminal, slot->second);
        }
      }
    }
    return {};
  }

  /// All groups are there; who leads the session need not have a descriptor of its terminal.
  Result<void> installed(FileContext& context, Actor actor, std::uint32_t /*files_id*/) override {
    const auto controlled = has_controlled_.find(actor.tid);
    if (controlled != has_controlled_.end() && controlled->second.foreground != 0) {
      const auto group = static_cast<std::int32_t>(controlled->second.foreground);
      context.builder->call(
          actor, SYS_ioctl,
          {controlled->second.terminal, TIOCSPGRP, context.builder->object(group)},
          "foreground group " + std::to_string(group), kMayFail);
    }
    if (context.options.shell_job) {
      come_to_foreground(context, actor);
    }
    return {};
  }

  bool is_for_each_task(const FileContext&, const OpenFile&) const override { return true; }

  Result<void> complete(FileContext& context, const OpenFile& file, TaskFd at) override {
    const auto& entry = *file.as<TtyFileEntry>(FdTypes::TTY);
    const auto found = terminals_.find(entry.tty_info_id());
    if (found == terminals_.end()) {
      return {};
    }
    if (found->second.type == TtyType::CTTY) {
      PlanBuilder& builder = *context.builder;
      const Slot opened = builder.call(
          at.actor, SYS_openat,
          {AT_FDCWD, builder.text("/dev/tty"), entry.flags() & (O_ACCMODE | O_NONBLOCK)},
          "open /dev/tty");
      context.put_in_place(at, opened);
    }
    return {};
  }

 private:
  struct Controlled {
    Slot terminal{};  // either end
    std::uint32_t foreground = 0;
  };

  /// A job that had our terminal has it again, as if our shell had put it there: who reads it from
  /// the background is stopped. Until it runs all signals are blocked, and so this is allowed.
  void come_to_foreground(FileContext& context, Actor actor) {
    for (const auto& [id, slot] : own_) {
      if (terminals_.at(id).foreground == actor.tid) {
        const auto group = static_cast<std::int32_t>(actor.tid);
        context.builder->call(actor, SYS_ioctl, {slot, TIOCSPGRP, context.builder->object(group)},
                              "come to the foreground", kMayFail);
        return;
      }
    }
  }

  void take_control(FileContext& context, Actor actor, const Terminal& terminal, Slot slot) {
    PlanBuilder& builder = *context.builder;
    const std::string what = "controlling terminal of session " + std::to_string(actor.tid);
    const Slot seen = terminal.is_master
                          ? builder.call(actor, SYS_ioctl, {slot, TIOCGPTPEER, O_RDWR | O_NOCTTY},
                                         "other end of terminal " + std::to_string(terminal.index))
                          : slot;
    builder.call(actor, SYS_ioctl, {seen, TIOCSCTTY, 0}, what);
    if (terminal.is_master) {
      builder.call(actor, SYS_close, {seen}, "close it");
    }
    has_controlled_.emplace(actor.tid, Controlled{slot, terminal.foreground});
  }

  [[nodiscard]] bool has_master(std::uint32_t index) const {
    for (const auto& [id, terminal] : terminals_) {
      if (terminal.type == TtyType::PTY && terminal.is_master && terminal.index == index) {
        return true;
      }
    }
    return false;
  }

  Result<Slot> open_terminal(FileContext& context, const Terminal& terminal,
                             const TtyFileEntry& entry) {
    const std::uint32_t node = entry.regf_id().value_or(entry.id());
    switch (terminal.type) {
      case TtyType::PTY: return open_pty(context, terminal, entry);
      case TtyType::CTTY: return context.open_path("/dev/null", O_RDWR);  // until complete()
      case TtyType::CONSOLE:
      case TtyType::VT:
      case TtyType::SERIAL: return context.open_node(node, entry.flags());
      default: break;
    }
    return fail(state::refusal(state::Piece::terminal_type,
                               "terminal " + std::to_string(terminal.id),
                               "type " + std::to_string(static_cast<int>(terminal.type))));
  }

  Result<Slot> open_pty(FileContext& context, const Terminal& terminal, const TtyFileEntry& entry) {
    const std::string path = "/dev/pts/" + std::to_string(terminal.index);
    if (!has_master(terminal.index)) {
      if (!terminal.termios) {
        return open_hung_up(context, terminal, entry);
      }
      IMG_ASSIGN(const Slot own, take_own_terminal(context, path, entry));
      own_.emplace(terminal.id, own);
      return own;
    }
    if (masters_.count(terminal.index) == 0) {
      masters_.emplace(terminal.index, make_master(context, terminal.index));
    }
    if (!terminal.is_master) {
      return context.open_path(path, entry.flags());
    }
    const Slot master = masters_.at(terminal.index);
    // /dev/ptmx opened again would be another terminal: descriptions of one master are copies of
    // one descriptor.
    context.set_flags(master, entry.flags(), path);
    return master;
  }

  /// Any terminal will do, since nobody will ever see its master again.
  Result<Slot> open_hung_up(FileContext& context, const Terminal& terminal,
                            const TtyFileEntry& entry) {
    PlanBuilder& builder = *context.builder;
    const std::string name = "terminal " + std::to_string(terminal.index) + ", which has hung up";
    const auto [master, is_new] = hung_up_.try_emplace(terminal.index);
    if (is_new) {
      master->second = context.open_path("/dev/ptmx", O_RDWR);
      const std::int32_t unlocked = 0;
      builder.call(kRestorer, SYS_ioctl, {master->second, TIOCSPTLCK, builder.object(unlocked)},
                   "unlock " + name);
    }
    const std::uint32_t flags = entry.flags() & (O_ACCMODE | O_NONBLOCK | O_APPEND);
    return builder.keep(builder.call(kRestorer, SYS_ioctl,
                                     {master->second, TIOCGPTPEER, flags | O_NOCTTY | O_CLOEXEC},
                                     "open " + name));
  }

  static Slot make_master(FileContext& context, std::uint32_t index) {
    PlanBuilder& builder = *context.builder;
    const Slot master = builder.open_terminal(index);
    const std::int32_t unlocked = 0;
    builder.call(kRestorer, SYS_ioctl, {master, TIOCSPTLCK, builder.object(unlocked)},
                 "unlock terminal " + std::to_string(index));
    return master;
  }

  /// --shell-job: the terminal that live-restore itself was called from.
  static Result<Slot> take_own_terminal(FileContext& context, const std::string& path,
                                        const TtyFileEntry& entry) {
    if (!context.options.shell_job) {
      return fail(state::refusal(state::Piece::terminal_foreign, path, {},
                                 "--shell-job takes live-restore's own terminal"));
    }
    if (context.options.terminal < 0) {
      return fail(Fault::missing, path, "is the terminal of a shell job",
                  "live-restore itself has no terminal", "call it from a terminal");
    }
    const Slot own = context.own_descriptor(context.options.terminal);
    return context.reopen(own, entry.flags(), "open live-restore's own terminal");
  }

  std::map<std::uint32_t, Terminal> terminals_;         // by TtyInfoEntry.id
  std::map<std::uint32_t, Slot> masters_;               // by index
  std::map<std::uint32_t, Slot> any_;                   // one descriptor of each terminal
  std::map<std::uint32_t, Slot> own_;                   // of those that are ours
  std::map<std::uint32_t, Controlled> has_controlled_;  // by session leader
  std::map<std::uint32_t, Slot> hung_up_;               // masters, by index
};

}  // namespace

std::unique_ptr<KindPlanner> plan_terminals(FileContext& context) {
  return std::make_unique<Terminals>(context);
}

}  // namespace img::plan
