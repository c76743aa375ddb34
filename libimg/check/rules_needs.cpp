// SPDX-License-Identifier: MIT
// What a restore must be given: INV-5, PST-8, NS-4, TTY-4, TTY-7, UNX-3, INE-4, EXT-1, LCK-2,
// MNT-5, MNT-8. The conditions are those under which criu restore stops without the option.
#include <fmt/core.h>

#include <algorithm>

#include "libimg/check/facts.h"
#include "libimg/check/needs.h"
#include "schema/mounts_generated.h"
#include "schema/namespaces_generated.h"
#include "schema/netdev_generated.h"

namespace img::check {
namespace {

constexpr std::uint32_t kTcp = 6;
constexpr std::uint32_t kClose = 7;
constexpr std::uint32_t kListen = 10;
constexpr std::uint32_t kExternal = 1;  // UnixSkEntry.uflags
constexpr std::uint32_t kCallback = 4;

class NeedRules : public RuleSet {
 public:
  explicit NeedRules(Facts& facts) : facts_(facts) {}

  void record(const Record& record) override {
    if (record.key.seq == 0) {
      return;
    }
    switch (record.key.file.kind) {
      case Kind::core: old_core(record, *record.as<schema::CoreEntry>()); break;
      case Kind::eventpoll_tfd:
      case Kind::inotify_wd:
      case Kind::fanotify_mark:
        old_form(facts_.at(record), "what is waited for is in a file of its own");
        break;
      case Kind::inventory: inventory(record, *record.as<schema::InventoryEntry>()); break;
      case Kind::filelocks:
        if (facts_.restorer == Restorer::stasis) {
          break;  // live-restore sets them by itself
        }
        need(RuleId::LCK_2, facts_.at(record), {{"file-locks", {}, {}}},
             "locks are held, and are gone without it");
        break;
      case Kind::tty_info: terminal(record, *record.as<schema::TtyInfoEntry>()); break;
      case Kind::mountpoints: mount(record, *record.as<schema::MntEntry>()); break;
      case Kind::netdev: device(record, *record.as<schema::NetDeviceEntry>()); break;
      case Kind::netns:
        external_namespace(record, record.as<schema::NetnsEntry>()->ext_key(), "network");
        break;
      case Kind::pidns:
        external_namespace(record, record.as<schema::PidnsEntry>()->ext_key(), "pid");
        break;
      default: break;
    }
  }

  void finish() override {
    if (facts_.is_predump) {
      return;
    }
    root_task();
    terminals();
    sockets();
    for (Need& need : needs_) {
      facts_.report.need(std::move(need), facts_.given);
    }
  }

 private:
  /// Once for each option, at the first place that needs it.
  void need(RuleId rule, Where where, std::vector<RestoreOption> options, std::string why) {
    const bool is_told = std::any_of(needs_.begin(), needs_.end(), [&](const Need& other) {
      return other.options.front().name == options.front().name &&
             other.options.front().key == options.front().key;
    });
    if (!is_told) {
      needs_.push_back({rule, std::move(where), std::move(options), std::move(why), false});
    }
  }

  void old_core(const Record& record, const schema::CoreEntry& core) {
    const bool is_alive = core.tc() != nullptr && core.thread_core() != nullptr;
    if (is_alive && core.tc()->timers() == nullptr) {
      old_form(facts_.at(record, "tc.timers"), "timers are not in the core");
    } else if (is_alive && core.tc()->rlimits() == nullptr) {
      old_form(facts_.at(record, "tc.rlimits"), "resource limits are not in the core");
    }
  }

  void old_form(Where where, const char* what) {
    if (facts_.restorer != Restorer::stasis) {
      need(RuleId::CORE_15, std::move(where), {{"deprecated", {}, {}}},
           fmt::format("{}, as in images of an old CRIU", what));
    }
  }

  void inventory(const Record& record, const schema::InventoryEntry& entry) {
    is_tcp_closed_ = entry.tcp_close().value_or(false);
    if (is_tcp_closed_) {
      need(RuleId::INV_5, facts_.at(record, "tcp_close", "true"), {{"tcp-close", {}, {}}},
           "connections were left out of the dump");
    }
    if (entry.allow_uprobes().value_or(false)) {
      need(RuleId::INV_5, facts_.at(record, "allow_uprobes", "true"), {{"allow-uprobes", {}, {}}},
           "the dump was made with user-space probes allowed");
    }
  }

  void root_task() {
    if (facts_.tree.processes().empty()) {
      return;
    }
    const Process& root = facts_.tree.processes()[0];
    const Where where = facts_.at({Kind::pstree, 0}, 1, "sid", std::to_string(root.sid));
    if (root.sid != root.pid && root.sid != 0) {
      need(RuleId::PST_8, where, {{"shell-job", {}, {}}},
           fmt::format("process {} belongs to session {} of a shell that is not in the image",
                       root.pid, root.sid));
    }
    const bool has_mounts =
        facts_.has_root_ids && root.ids.mnt_ns != 0 && root.ids.mnt_ns != facts_.root_ids.mnt_ns;
    if (has_mounts) {
      need(RuleId::MNT_8, facts_.at({Kind::mountpoints, root.ids.mnt_ns}), {{"root", {}, "DIR"}},
           "the processes have a mount namespace of their own, whose root file system is not in "
           "the image");
    }
  }

  // Terminals. CRIU numbers the ends of a pty: the master of slave 2n is 2n+1; one without termios
  // is hung up and needs no other end.

  void terminal(const Record& record, const schema::TtyInfoEntry& entry) {
    if (entry.type() == schema::TtyType::PTY && entry.termios() != nullptr) {
      ptys_.push_back(
          {entry.id(), facts_.at(record, "id", std::to_string(entry.id())), terminal_key(entry)});
    } else if (entry.type() == schema::TtyType::EXT_TTY) {
      need(RuleId::TTY_7, facts_.at(record, "type", "EXT_TTY"),
           {{"inherit-fd", terminal_key(entry), "N"}}, "the terminal was dumped as external");
    }
  }

  static std::string terminal_key(const schema::TtyInfoEntry& entry) {
    return fmt::format("tty[{:x}:{:x}]", entry.rdev(), entry.dev().value_or(0));
  }

  void terminals() {
    std::sort(ptys_.begin(), ptys_.end(), [](const Pty& a, const Pty& b) { return a.id < b.id; });
    std::size_t alone = 0;
    for (const Pty& pty : ptys_) {
      const bool is_slave = pty.id % 2 == 0;
      const bool has_master = std::any_of(ptys_.begin(), ptys_.end(),
                                          [&](const Pty& other) { return other.id == pty.id + 1; });
      if (!is_slave || has_master) {
        continue;
      }
      if (++alone > 1) {
        facts_.report.add(RuleId::TTY_4, pty.where,
                          "a second terminal whose other end is not in the image: only one can be "
                          "given");
      }
      need(RuleId::TTY_4, pty.where,
           {{"shell-job", {}, {}}, {"orphan-pts-master", {}, {}}, {"inherit-fd", pty.key, "N"}},
           "the other end of the terminal is not in the image");
    }
  }

  void sockets() {
    std::unordered_map<std::uint32_t, const schema::UnixSkEntry*> by_inode;
    for (const OpenFile& file : facts_.files.files()) {
      if (const auto* socket = file.as<schema::UnixSkEntry>(FdTypes::UNIXSK)) {
        by_inode.try_emplace(socket->ino(), socket);
      }
    }
    for (const OpenFile& file : facts_.files.files()) {
      if (const auto* socket = file.as<schema::UnixSkEntry>(FdTypes::UNIXSK)) {
        const auto peer = by_inode.find(socket->peer());
        if ((socket->uflags() & (kExternal | kCallback)) == 0 && peer != by_inode.end() &&
            (peer->second->uflags() & kExternal) != 0) {
          need(RuleId::UNX_3, facts_.at(file, "usk.peer", std::to_string(socket->peer())),
               {{"ext-unix-sk", {}, {}},
                {"inherit-fd", fmt::format("socket:[{}]", socket->ino()), "N"}},
               "a socket is connected to one outside of the image");
        }
      } else if (const auto* inet = file.as<schema::InetSkEntry>(FdTypes::INETSK)) {
        if (inet->proto() == kTcp && inet->state() != kListen && inet->state() != kClose &&
            !is_tcp_closed_) {
          need(RuleId::INE_4, facts_.at(file, "isk.state", std::to_string(inet->state())),
               {{"tcp-established", {}, {}}, {"tcp-close", {}, {}}}, "a TCP connection is open");
        }
      } else if (const auto* reg = file.as<schema::RegFileEntry>(FdTypes::REG)) {
        if (reg->ext().value_or(false)) {
          need(RuleId::EXT_1, facts_.at(file, "reg.ext", "true"),
               {{"inherit-fd", reg->name()->str(), "N"}}, "the file was dumped as external");
        }
      }
    }
  }

  void mount(const Record& record, const schema::MntEntry& entry) {
    const bool is_old = entry.ext_mount().value_or(false);
    if (!is_old && entry.ext_key() == nullptr) {
      return;
    }
    const std::string key = is_old ? entry.root()->str() : entry.ext_key()->str();
    const Where where = facts_.at(record, is_old ? "root" : "ext_key", key);
    const std::string what =
        fmt::format("what is mounted at {} was dumped as external", entry.mountpoint()->str());
    if (key == "CRIU:AUTOGENERATED") {
      need(RuleId::MNT_5, where, {{"external", "mnt[]", {}}}, what);
    } else if (key == "CRIU:EXTERNAL_DEV") {
      need(RuleId::MNT_5, where, {{"external", entry.source()->str(), "DEVICE"}}, what);
    } else {
      need(RuleId::MNT_5, where, {{"external", "mnt[" + key + "]", "PATH"}}, what);
    }
  }

  void external_namespace(const Record& record, const flatbuffers::String* key, const char* kind) {
    if (key != nullptr && key->size() != 0) {
      need(RuleId::NS_4, facts_.at(record, "ext_key", key->str()),
           {{"inherit-fd", key->str(), "N"}, {"join-ns", {}, "NS:FILE"}},
           fmt::format("the {} namespace was dumped as external", kind));
    }
  }

  void device(const Record& record, const schema::NetDeviceEntry& entry) {
    const std::string name = entry.name()->str();
    if (entry.type() == schema::NdType::MACVLAN) {
      need(RuleId::NS_4, facts_.at(record, "type", "MACVLAN"),
           {{"external", "macvlan[" + name + "]", "DEVICE"}},
           fmt::format("network device {} hangs on one outside of the image", name));
    } else if (entry.type() == schema::NdType::VETH && !entry.peer_nsid()) {
      need(RuleId::NS_4, facts_.at(record, "type", "VETH"),
           {{"external", "veth[" + name + "]", "DEVICE@BRIDGE"},
            {"external", "netdev[" + name + "]", "DEVICE"}},
           fmt::format("the other end of network device {} is outside of the image", name));
    }
  }

  struct Pty {
    std::uint32_t id = 0;
    Where where;
    std::string key;
  };

  Facts& facts_;
  bool is_tcp_closed_ = false;
  std::vector<Need> needs_;
  std::vector<Pty> ptys_;
};

}  // namespace

std::unique_ptr<RuleSet> need_rules(Facts& facts) {
  return std::make_unique<NeedRules>(facts);
}

}  // namespace img::check
