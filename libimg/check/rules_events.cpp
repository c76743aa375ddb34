// SPDX-License-Identifier: MIT
// EPL-*, EVF-1, SIG-1, TFD-1, INO-1, FAN-1, PID-1, BPF-1, TUN-1: descriptors that wait for
// something, and other kinds without a path.
#include <fmt/core.h>

#include <set>
#include <tuple>

#include "libimg/check/facts.h"
#include "schema/netdev_generated.h"

namespace img::check {
namespace {

class EventRules : public RuleSet {
 public:
  explicit EventRules(Facts& facts) : facts_(facts) {}

  void record(const Record& record) override {
    if (record.key.seq == 0) {
      return;
    }
    if (record.key.file.kind == Kind::bpfmap_data) {
      map_data(record, *record.as<schema::BpfmapDataEntry>());
    } else if (record.key.file.kind == Kind::netdev) {
      // The names that tun files are attached to.
      devices_.insert(record.as<schema::NetDeviceEntry>()->name()->str());
    }
  }

  void finish() override {
    for (const TableDescriptor& descriptor : facts_.descriptors) {
      owners_[descriptor.id].push_back(descriptor.table);
    }
    for (const OpenFile& file : facts_.files.files()) {
      judge(file);
    }
    for (const auto& [id, where] : map_data_) {
      if (!maps_.contains(id) && facts_.files_are_whole()) {
        facts_.report.add(RuleId::BPF_1, where, "no map of the image has this id");
      }
    }
  }

 private:
  void judge(const OpenFile& file) {
    switch (file.type) {
      case FdTypes::EVENTPOLL:
        if (const auto* poll = file.as<schema::EventpollFileEntry>(FdTypes::EVENTPOLL)) {
          targets(file, *poll);
        }
        break;
      case FdTypes::EVENTFD:
        if (const auto* event = file.as<schema::EventfdFileEntry>(FdTypes::EVENTFD)) {
          counter(file, *event);
        }
        break;
      case FdTypes::SIGNALFD:
        if (const auto* signals = file.as<schema::SignalfdEntry>(FdTypes::SIGNALFD)) {
          mask(file, *signals);
        }
        break;
      case FdTypes::TIMERFD:
        if (const auto* timer = file.as<schema::TimerfdEntry>(FdTypes::TIMERFD)) {
          clock(file, *timer);
        }
        break;
      case FdTypes::INOTIFY:
        if (const auto* watch = file.as<schema::InotifyFileEntry>(FdTypes::INOTIFY)) {
          watches(file, *watch);
        }
        break;
      case FdTypes::FANOTIFY:
        if (const auto* notify = file.as<schema::FanotifyFileEntry>(FdTypes::FANOTIFY)) {
          marks(file, *notify);
        }
        break;
      default: other(file); break;
    }
  }

  void other(const OpenFile& file) {
    if (const auto* process = file.as<schema::PidfdEntry>(FdTypes::PIDFD)) {
      if (process->nspid() != -1 && facts_.is_whole(Kind::pstree) &&
          facts_.process_of(static_cast<std::uint32_t>(process->nspid())) == nullptr) {
        facts_.report.add(RuleId::PID_1,
                          facts_.at(file, "pidfd.nspid", std::to_string(process->nspid())),
                          "is no task of the image");
      }
    } else if (const auto* map = file.as<schema::BpfmapFileEntry>(FdTypes::BPFMAP)) {
      bpf_map(file, *map);
    } else if (const auto* tun = file.as<schema::TunfileEntry>(FdTypes::TUNF)) {
      if (tun->netdev() != nullptr && facts_.has_any(Kind::netdev) &&
          facts_.is_whole(Kind::netdev) && !devices_.contains(tun->netdev()->str())) {
        facts_.report.add(RuleId::TUN_1, facts_.at(file, "tunf.netdev", tun->netdev()->str()),
                          "is no device of the image");
      }
    }
  }

  void targets(const OpenFile& file, const schema::EventpollFileEntry& poll) {
    const auto owners = owners_.find(file.id);
    if (owners == owners_.end() || poll.tfd() == nullptr || !facts_.is_whole(Kind::fdinfo)) {
      return;  // under way in a socket: nobody's yet
    }
    std::set<std::tuple<std::uint32_t, std::uint32_t, std::uint64_t, std::uint64_t>> seen;
    for (const schema::EventpollTfdEntry* target : *poll.tfd()) {
      target_file(file, *target, owners->second);
      if (!seen.emplace(target->tfd(), target->dev().value_or(0), target->inode().value_or(0),
                        target->pos().value_or(0))
               .second) {
        facts_.report.add(RuleId::EPL_1, facts_.at(file, "epfd.tfd", std::to_string(target->tfd())),
                          fmt::format("waits twice for descriptor {}", target->tfd()));
      }
      bool is_open = false;
      for (const std::uint32_t table : owners->second) {
        is_open = is_open || facts_.descriptor(table, target->tfd()) != nullptr;
      }
      if (!is_open) {
        facts_.report.add(RuleId::EPL_1, facts_.at(file, "epfd.tfd", std::to_string(target->tfd())),
                          fmt::format("waits for descriptor {}, which nobody who holds it has open",
                                      target->tfd()));
      }
    }
  }

  /// Some files are always ready, and the kernel refuses to wait for them.
  void target_file(const OpenFile& poll, const schema::EventpollTfdEntry& target,
                   const std::vector<std::uint32_t>& owners) {
    for (const std::uint32_t table : owners) {
      const TableDescriptor* descriptor = facts_.descriptor(table, target.tfd());
      const OpenFile* file =
          descriptor == nullptr ? nullptr : facts_.use_file(descriptor->id, FdTypes::UND);
      if (file == nullptr) {
        continue;
      }
      const auto* regular = file->as<schema::RegFileEntry>(FdTypes::REG);
      constexpr std::uint32_t kTypeBits = 0170000;
      constexpr std::uint32_t kRegular = 0100000;
      constexpr std::uint32_t kDirectory = 0040000;
      const std::uint32_t type = regular == nullptr ? 0 : regular->mode().value_or(0) & kTypeBits;
      const bool is_always_ready =
          (type == kRegular || type == kDirectory) &&
          regular->name()->string_view().find("proc/") == std::string_view::npos &&
          regular->name()->string_view().find("sys/") == std::string_view::npos;
      if (is_always_ready || file->id == poll.id) {
        facts_.report.add(RuleId::EPL_1, facts_.at(poll, "epfd.tfd", std::to_string(target.tfd())),
                          file->id == poll.id
                              ? "waits for itself"
                              : fmt::format("waits for descriptor {}, a file or directory, which "
                                            "cannot be waited for",
                                            target.tfd()));
        return;
      }
    }
  }

  void counter(const OpenFile& file, const schema::EventfdFileEntry& event) {
    if (event.counter() > UINT32_MAX) {
      facts_.report.add(
          RuleId::EVF_1, facts_.at(file, "efd.counter", fmt::format("0x{:x}", event.counter())),
          event.counter() == UINT64_MAX ? "is what no eventfd can hold"
                                        : fmt::format("comes back as {}: the upper half is lost",
                                                      event.counter() & UINT32_MAX));
    }
  }

  void mask(const OpenFile& file, const schema::SignalfdEntry& entry) {
    constexpr std::uint64_t kKill = 1ULL << (9 - 1);
    constexpr std::uint64_t kStop = 1ULL << (19 - 1);
    if ((entry.signal_mask() & (kKill | kStop)) != 0) {
      facts_.report.add(RuleId::SIG_1, Severity::warning,
                        facts_.at(file, "sgfd.sigmask", fmt::format("0x{:x}", entry.signal_mask())),
                        "waits for SIGKILL or SIGSTOP, which no one can");
    }
  }

  void clock(const OpenFile& file, const schema::TimerfdEntry& timer) {
    constexpr std::uint32_t kFlags = 3;
    switch (timer.clockid()) {
      case 0:
      case 1:
      case 7:
      case 8:
      case 9: break;
      default:
        facts_.report.add(RuleId::TFD_1,
                          facts_.at(file, "tfd.clockid", std::to_string(timer.clockid())),
                          "is no clock that a timerfd can have");
    }
    for (const auto& [field, value] :
         {std::pair{"insec", timer.insec()}, std::pair{"vnsec", timer.vnsec()}}) {
      if (value >= 1'000'000'000) {
        facts_.report.add(RuleId::TFD_1,
                          facts_.at(file, fmt::format("tfd.{}", field), std::to_string(value)),
                          "more nanoseconds than a second has");
      }
    }
    if ((timer.settime_flags() & ~kFlags) != 0) {
      facts_.report.add(
          RuleId::TFD_1,
          facts_.at(file, "tfd.settime_flags", fmt::format("0x{:x}", timer.settime_flags())),
          "has flags that timerfd_settime does not know");
    }
  }

  void handle(const OpenFile& file, const char* field, const schema::FhEntry& entry, RuleId rule) {
    constexpr std::uint32_t kMaxHandle = 128;
    const std::size_t bytes =
        entry.handle() == nullptr ? 0 : entry.handle()->size() * sizeof(std::uint64_t);
    if (entry.bytes() > kMaxHandle || entry.bytes() > bytes) {
      facts_.report.add(
          rule, facts_.at(file, field, std::to_string(entry.bytes())),
          fmt::format("a file handle of {} bytes, of which {} are there", entry.bytes(), bytes));
    }
  }

  void watches(const OpenFile& file, const schema::InotifyFileEntry& entry) {
    constexpr std::uint32_t kKnownFlags = 0x80800;  // IN_CLOEXEC, IN_NONBLOCK
    constexpr std::uint32_t kEvents = 0xfff;
    if ((entry.flags() & ~kKnownFlags) != 0) {
      facts_.report.add(RuleId::INO_1,
                        facts_.at(file, "ify.flags", fmt::format("0x{:x}", entry.flags())),
                        "inotify_init1() takes only IN_NONBLOCK and IN_CLOEXEC");
    }
    if (entry.wd() == nullptr) {
      return;
    }
    std::uint64_t last = 0;
    bool is_first = true;
    for (const schema::InotifyWdEntry* watch : *entry.wd()) {
      if (!is_first && watch->wd() <= last) {
        // CRIU sorts them; two alike cannot be made.
        facts_.report.add(RuleId::INO_1, watch->wd() == last ? Severity::error : Severity::note,
                          facts_.at(file, "ify.wd.wd", std::to_string(watch->wd())),
                          watch->wd() == last ? "two watches have this number"
                                              : "stands after a watch of a higher number");
      }
      if (watch->wd() == 0 || watch->wd() > INT32_MAX || (watch->mask() & kEvents) == 0) {
        const bool is_mask = (watch->mask() & kEvents) == 0;
        facts_.report.add(RuleId::INO_1,
                          is_mask
                              ? facts_.at(file, "ify.wd.mask", fmt::format("0x{:x}", watch->mask()))
                              : facts_.at(file, "ify.wd.wd", std::to_string(watch->wd())),
                          is_mask ? "waits for no event" : "is no number of a watch");
      }
      last = watch->wd();
      is_first = false;
      handle(file, "ify.wd.f_handle.bytes", *watch->f_handle(), RuleId::INO_1);
    }
  }

  void marks(const OpenFile& file, const schema::FanotifyFileEntry& entry) {
    if (entry.mark() == nullptr) {
      return;
    }
    for (const schema::FanotifyMarkEntry* mark : *entry.mark()) {
      const auto type = static_cast<std::int32_t>(mark->type());
      if (mark->type() == schema::MarkType::INODE) {
        if (mark->ie() == nullptr) {
          facts_.report.add(RuleId::FAN_1, facts_.at(file, "ffy.mark.ie"),
                            "is not set, and the mark is on an inode");
        } else {
          handle(file, "ffy.mark.ie.f_handle.bytes", *mark->ie()->f_handle(), RuleId::FAN_1);
        }
      } else if (mark->type() != schema::MarkType::MOUNT) {
        facts_.report.add(RuleId::FAN_1, facts_.at(file, "ffy.mark.type", std::to_string(type)),
                          "is no kind of mark");
      } else if (mark->me() == nullptr) {
        facts_.report.add(RuleId::FAN_1, facts_.at(file, "ffy.mark.me"),
                          "is not set, and the mark is on a mount");
      } else if (!facts_.mounts.empty() && facts_.is_whole(Kind::mountpoints) &&
                 !facts_.mounts.contains(mark->me()->mnt_id())) {
        facts_.report.add(
            RuleId::FAN_1,
            facts_.at(file, "ffy.mark.me.mnt_id", std::to_string(mark->me()->mnt_id())),
            "is no mount of the image");
      }
    }
  }

  void bpf_map(const OpenFile& file, const schema::BpfmapFileEntry& map) {
    constexpr std::uint32_t kHash = 1;
    constexpr std::uint32_t kArray = 2;
    maps_.emplace(map.map_id(), std::pair{map.key_size(), map.value_size()});
    if (map.map_type() != kHash && map.map_type() != kArray) {
      facts_.report.add(RuleId::BPF_1,
                        facts_.at(file, "bpf.map_type", std::to_string(map.map_type())),
                        "is no type of map that can be restored (1 and 2 can)");
    }
    if (map.key_size() == 0 || map.value_size() == 0) {
      facts_.report.add(RuleId::BPF_1,
                        facts_.at(file, "bpf.key_size", std::to_string(map.key_size())),
                        "a map with keys or values of no bytes");
    }
    const auto data = data_sizes_.find(map.map_id());
    if (data != data_sizes_.end() && data->second.keys != data->second.count * map.key_size()) {
      facts_.report.add(RuleId::BPF_1, data->second.where,
                        fmt::format("{} bytes of keys, where {} keys of {} bytes are said",
                                    data->second.keys, data->second.count, map.key_size()));
    }
  }

  void map_data(const Record& record, const schema::BpfmapDataEntry& entry) {
    map_data_.emplace_back(entry.map_id(),
                           facts_.at(record, "map_id", std::to_string(entry.map_id())));
    data_sizes_.insert_or_assign(
        entry.map_id(),
        MapData{entry.keys_bytes(), entry.count(),
                facts_.at(record, "keys_bytes", std::to_string(entry.keys_bytes()))});
  }

  struct MapData {
    std::uint64_t keys = 0;
    std::uint64_t count = 0;
    Where where;
  };

  Facts& facts_;
  std::unordered_map<std::uint32_t, std::vector<std::uint32_t>> owners_;  // tables, by file id
  std::unordered_set<std::string> devices_;
  std::unordered_map<std::uint32_t, std::pair<std::uint32_t, std::uint32_t>> maps_;
  std::vector<std::pair<std::uint32_t, Where>> map_data_;
  std::unordered_map<std::uint32_t, MapData> data_sizes_;
};

}  // namespace

std::unique_ptr<RuleSet> event_rules(Facts& facts) {
  return std::make_unique<EventRules>(facts);
}

}  // namespace img::check
