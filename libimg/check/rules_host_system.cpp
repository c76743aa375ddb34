// SPDX-License-Identifier: MIT
// INV-6, TTY-7, INE-5, NET-5, MNT-8, CGR-6, MFD-2: what the system of the machine has to offer.
#include <arpa/inet.h>
#include <fmt/core.h>

#include <algorithm>
#include <sstream>

#include "libimg/check/facts.h"
#include "libimg/check/host.h"
#include "schema/cgroup_generated.h"
#include "schema/memfd_generated.h"
#include "schema/mounts_generated.h"

namespace img::check {
namespace {

constexpr std::uint32_t kInet = 2;
constexpr std::uint32_t kTcp = 6;
constexpr std::uint32_t kUdp = 17;
constexpr std::uint32_t kListen = 10;

/// A line of /proc/net/tcp, tcp6, udp or udp6.
struct BoundSocket {
  bool is_v6 = false;
  std::array<std::uint32_t, 4> address = {};
  std::uint32_t port = 0;
  std::uint32_t state = 0;
};

std::vector<BoundSocket> parse_sockets(const std::string& text, bool is_v6) {
  std::vector<BoundSocket> sockets;
  std::istringstream lines(text);
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    BoundSocket socket;
    socket.is_v6 = is_v6;
    auto& a = socket.address;
    const int found = is_v6
                          ? std::sscanf(line.c_str(), " %*u: %8x%8x%8x%8x:%x %*[0-9A-Fa-f]:%*x %x",
                                        &a[0], &a[1], &a[2], &a[3], &socket.port, &socket.state)
                          : std::sscanf(line.c_str(), " %*u: %8x:%x %*x:%*x %x", &a[0],
                                        &socket.port, &socket.state);
    if (found == (is_v6 ? 6 : 3)) {
      sockets.push_back(socket);
    }
  }
  return sockets;
}

bool is_any(const std::array<std::uint32_t, 4>& address) {
  return std::all_of(address.begin(), address.end(), [](std::uint32_t word) { return word == 0; });
}

/// Of a type that the restore mounts itself; null: it needs no name.
const char* file_system(std::uint32_t type) {
  switch (static_cast<schema::Fstype>(type)) {
    case schema::Fstype::PROC: return "proc";
    case schema::Fstype::SYSFS: return "sysfs";
    case schema::Fstype::BINFMT_MISC: return "binfmt_misc";
    case schema::Fstype::TMPFS: return "tmpfs";
    case schema::Fstype::DEVPTS: return "devpts";
    case schema::Fstype::SIMFS: return "simfs";
    case schema::Fstype::AUFS: return "aufs";
    case schema::Fstype::MQUEUE: return "mqueue";
    case schema::Fstype::FUSE: return "fuse";
    case schema::Fstype::OVERLAYFS: return "overlay";
    case schema::Fstype::AUTOFS: return "autofs";
    case schema::Fstype::CGROUP: return "cgroup";
    case schema::Fstype::CGROUP2: return "cgroup2";
    default: return nullptr;
  }
}

class HostSystemRules : public RuleSet {
 public:
  explicit HostSystemRules(Facts& facts) : facts_(facts), host_(*facts.host) {}

  void record(const Record& record) override {
    const Kind kind = record.key.file.kind;
    if (record.key.seq == 0) {
      return;
    }
    switch (kind) {
      case Kind::inventory: plugins(record, *record.as<schema::InventoryEntry>()); break;
      case Kind::mountpoints: mount(record, *record.as<schema::MntEntry>()); break;
      case Kind::tty_info: terminal(record, *record.as<schema::TtyInfoEntry>()); break;
      case Kind::memfd: huge(record, *record.as<schema::MemfdInodeEntry>()); break;
      case Kind::cgroup: controllers(record, *record.as<schema::CgroupEntry>()); break;
      case Kind::ifaddr:
      case Kind::route:
      case Kind::route6:
      case Kind::rule: program(record, "ip"); break;
      case Kind::iptables: program(record, "iptables-restore"); break;
      default: break;
    }
  }

  void finish() override {
    std::vector<std::pair<const OpenFile*, const schema::InetSkEntry*>> sockets;
    for (const OpenFile& file : facts_.files.files()) {
      const auto* socket = file.as<schema::InetSkEntry>(FdTypes::INETSK);
      const bool is_here =
          socket != nullptr && (!socket->ns_id() || *socket->ns_id() == facts_.root_ids.net_ns);
      if (is_here) {
        sockets.emplace_back(&file, socket);
      }
    }
    if (sockets.empty()) {
      return;
    }
    read_sockets();
    for (const auto& [file, socket] : sockets) {
      inet(*file, *socket);
    }
  }

 private:
  void plugins(const Record& record, const schema::InventoryEntry& entry) {
    if (entry.plugins_entry() == nullptr || entry.plugins_entry()->plugins() == nullptr) {
      return;
    }
    std::vector<std::string> places = {"usr/lib/criu/", "usr/local/lib/criu/", "usr/lib64/criu/",
                                       "usr/lib/x86_64-linux-gnu/criu/"};
    if (const std::string_view given = facts_.given.value("libdir"); !given.empty()) {
      places = {std::string(given.substr(given.front() == '/' ? 1 : 0)) + "/"};
    }
    for (const auto* name : *entry.plugins_entry()->plugins()) {
      const bool is_there =
          name->string_view().find('/') == std::string_view::npos &&
          std::any_of(places.begin(), places.end(), [&](const std::string& place) {
            return host_.has(place + name->str()) || host_.has(place + name->str() + ".so");
          });
      if (!is_there) {
        facts_.report.add(
            RuleId::INV_6, facts_.at(record, "plugins_entry.plugins", name->str()),
            fmt::format("plugin {} is not installed on this machine", name->string_view()));
      }
    }
  }

  void mount(const Record& record, const schema::MntEntry& entry) {
    const char* name = file_system(entry.fstype());
    if (name == nullptr || entry.ext_key() != nullptr || entry.ext_mount().value_or(false)) {
      return;
    }
    if (!file_systems_) {
      file_systems_ = host_.text("proc/filesystems").value_or("");
    }
    if (!file_systems_->empty() &&
        file_systems_->find("\t" + std::string(name) + "\n") == std::string::npos) {
      facts_.report.add(RuleId::MNT_8, Severity::warning, facts_.at(record, "fstype", name),
                        fmt::format("this kernel does not list {}: its module may have to be "
                                    "loaded",
                                    name));
    }
  }

  void terminal(const Record& record, const schema::TtyInfoEntry& entry) {
    const bool is_device =
        entry.type() == schema::TtyType::VT || entry.type() == schema::TtyType::SERIAL;
    const std::uint32_t major = entry.rdev() >> 8 & 0xfff;
    const std::uint32_t minor = (entry.rdev() & 0xff) | (entry.rdev() >> 12 & 0xfff00);
    if (is_device && host_.has("sys/dev/char") &&
        !host_.has(fmt::format("sys/dev/char/{}:{}", major, minor))) {
      facts_.report.add(RuleId::TTY_7,
                        facts_.at(record, "rdev", fmt::format("{}:{}", major, minor)),
                        "this machine does not have that terminal");
    }
  }

  void huge(const Record& record, const schema::MemfdInodeEntry& entry) {
    constexpr std::uint32_t kShift = 26;  // MFD_HUGE_SHIFT
    const std::uint32_t flag = entry.hugetlb_flag().value_or(0);
    if (flag >> kShift == 0 || flag >> kShift > 40) {
      return;
    }
    const std::uint64_t kibibytes = (1ULL << (flag >> kShift)) >> 10;
    if (!host_.has(fmt::format("sys/kernel/mm/hugepages/hugepages-{}kB", kibibytes))) {
      facts_.report.add(RuleId::MFD_2,
                        facts_.at(record, "hugetlb_flag", fmt::format("0x{:x}", flag)),
                        fmt::format("this machine has no pages of {} KiB", kibibytes));
    }
  }

  void program(const Record& record, const char* name) {
    if (record.payload.size() != 0 && !host_.has_program(name)) {
      facts_.report.add(
          RuleId::NET_5, facts_.at(record.key.file),
          fmt::format("needs the program {}, which this machine does not have", name));
    }
  }

  /// Directories below them are made by the restore, unless it is told not to.
  void controllers(const Record& record, const schema::CgroupEntry& entry) {
    const Result<std::string> own = host_.text("proc/self/cgroup");
    if (!own) {
      facts_.report.not_asked(RuleId::CGR_6, "/proc/self/cgroup cannot be read");
      return;
    }
    for (flatbuffers::uoffset_t i = 0; entry.sets() != nullptr && i < entry.sets()->size(); ++i) {
      const schema::CgSetEntry& set = *entry.sets()->Get(i);
      if (set.id() == facts_.root_cg_set || set.ctls() == nullptr) {
        continue;
      }
      for (const schema::CgMemberEntry* member : *set.ctls()) {
        const std::string name = member->name()->str();
        if (!is_mounted(*own, name) && told_.insert(name).second) {
          facts_.report.add(RuleId::CGR_6, facts_.at(record, "sets.ctls.name", name),
                            fmt::format("this machine has no cgroup hierarchy \"{}\"", name));
        }
      }
    }
  }

  /// Lines are `ID:NAMES:PATH`; the unified hierarchy has no name.
  static bool is_mounted(const std::string& own, std::string_view name) {
    std::istringstream lines(own);
    for (std::string line; std::getline(lines, line);) {
      const std::size_t first = line.find(':');
      const std::size_t second = line.find(':', first + 1);
      if (second == std::string::npos) {
        continue;
      }
      const std::string_view names = std::string_view(line).substr(first + 1, second - first - 1);
      const std::string padded = "," + std::string(names) + ",";
      if (names == name || padded.find("," + std::string(name) + ",") != std::string::npos) {
        return true;
      }
    }
    return false;
  }

  void read_sockets() {
    for (const auto& [path, is_v6, protocol] :
         {std::tuple{"proc/net/tcp", false, kTcp}, std::tuple{"proc/net/tcp6", true, kTcp},
          std::tuple{"proc/net/udp", false, kUdp}, std::tuple{"proc/net/udp6", true, kUdp}}) {
      if (const Result<std::string> all = host_.text(path)) {
        auto parsed = parse_sockets(*all, is_v6);
        auto& list = protocol == kTcp ? tcp_ : udp_;
        list.insert(list.end(), parsed.begin(), parsed.end());
      }
    }
  }

  void inet(const OpenFile& file, const schema::InetSkEntry& socket) {
    const std::size_t words = socket.family() == kInet ? 1 : 4;
    if (socket.src_addr() == nullptr || socket.src_addr()->size() < words) {
      return;
    }
    std::array<std::uint32_t, 4> address = {};
    for (std::size_t i = 0; i < words; ++i) {
      address[i] = socket.src_addr()->Get(static_cast<unsigned>(i));
    }
    if (socket.ifname() != nullptr && socket.ifname()->size() != 0 &&
        std::find(host_.machine().interfaces.begin(), host_.machine().interfaces.end(),
                  socket.ifname()->str()) == host_.machine().interfaces.end()) {
      facts_.report.add(RuleId::INE_5, facts_.at(file, "isk.ifname", socket.ifname()->str()),
                        "this machine has no such network device");
    }
    const bool is_free_to_bind =
        socket.ip_opts() != nullptr && socket.ip_opts()->freebind().value_or(false);
    if (!is_free_to_bind && !is_configured(socket.family() != kInet, address)) {
      facts_.report.add(RuleId::INE_5, facts_.at(file, "isk.src_addr"),
                        "this machine does not have that address");
    }
    taken(file, socket, address);
  }

  [[nodiscard]] bool is_configured(bool is_v6, std::array<std::uint32_t, 4> address) const {
    constexpr std::uint32_t kMapped = 0xffff;
    if (is_v6 && address[0] == 0 && address[1] == 0 && ntohl(address[2]) == kMapped) {
      is_v6 = false;
      address = {address[3]};
    }
    const std::uint32_t first = ntohl(address[0]) >> 24;
    const bool is_special = is_v6 ? first == 0xff : first == 127 || first >= 224;
    if (is_any(address) || is_special || host_.machine().addresses.empty()) {
      return true;
    }
    return std::any_of(
        host_.machine().addresses.begin(), host_.machine().addresses.end(),
        [&](const HostAddress& own) { return own.is_v6 == is_v6 && own.words == address; });
  }

  /// Only what cannot go together: two listeners or two datagram sockets of one family that did
  /// not ask to share.
  void taken(const OpenFile& file, const schema::InetSkEntry& socket,
             const std::array<std::uint32_t, 4>& address) {
    const bool is_listener = socket.proto() == kTcp && socket.state() == kListen;
    const bool is_udp = socket.proto() == kUdp;
    const bool may_share = socket.opts()->so_reuseport().value_or(false) ||
                           (is_udp && socket.opts()->reuseaddr().value_or(false));
    if ((!is_listener && !is_udp) || may_share || socket.src_port() == 0) {
      return;
    }
    for (const BoundSocket& other : is_udp ? udp_ : tcp_) {
      const bool is_same_place =
          other.is_v6 == (socket.family() != kInet) && other.port == socket.src_port() &&
          (is_udp || other.state == kListen) &&
          (is_any(address) || is_any(other.address) || other.address == address);
      if (is_same_place) {
        facts_.report.add(RuleId::INE_5,
                          facts_.at(file, "isk.src_port", std::to_string(socket.src_port())),
                          fmt::format("port {} is in use on this machine", socket.src_port()));
        return;
      }
    }
  }

  Facts& facts_;
  const Host& host_;
  std::optional<std::string> file_systems_;
  std::set<std::string> told_;
  std::vector<BoundSocket> tcp_;
  std::vector<BoundSocket> udp_;
};

}  // namespace

std::unique_ptr<RuleSet> host_system_rules(Facts& facts) {
  return std::make_unique<HostSystemRules>(facts);
}

}  // namespace img::check
