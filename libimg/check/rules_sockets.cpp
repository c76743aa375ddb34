// SPDX-License-Identifier: MIT
// SKQ-*, UNX-*, INE-*, NLK-1, PKT-1: sockets, their peers, and what is queued in them.
#include <fmt/core.h>

#include <algorithm>

#include "libimg/check/facts.h"
#include "libimg/check/socket_parts.h"
#include "libimg/check/vma.h"

namespace img::check {
namespace {

constexpr std::uint32_t kStream = 1;
constexpr std::uint32_t kDatagram = 2;
constexpr std::uint32_t kRaw = 3;
constexpr std::uint32_t kSeqpacket = 5;
constexpr std::uint32_t kEstablished = 1;
constexpr std::uint32_t kClose = 7;
constexpr std::uint32_t kListen = 10;
constexpr std::uint32_t kLastState = 12;  // TCP_NEW_SYN_RECV
constexpr std::uint32_t kInet = 2;
constexpr std::uint32_t kInet6 = 10;
constexpr std::uint32_t kTcp = 6;
constexpr std::uint32_t kExternal = 1;  // UnixSkEntry.uflags
constexpr std::uint32_t kCallback = 4;

class SocketRules : public RuleSet {
 public:
  explicit SocketRules(Facts& facts) : facts_(facts) {}

  void record(const Record& record) override {
    if (record.key.seq == 0) {
      return;
    }
    switch (record.key.file.kind) {
      case Kind::inventory:
        has_no_streams_ = record.as<schema::InventoryEntry>()->tcp_close().value_or(false);
        break;
      case Kind::sk_queues: packet(record, *record.as<schema::SkPacketEntry>()); break;
      case Kind::tcp_stream: stream(record, *record.as<schema::TcpStreamEntry>()); break;
      case Kind::mm: rings(*record.as<schema::MmEntry>()); break;
      default: break;
    }
  }

  void finish() override {
    for (const OpenFile& file : facts_.files.files()) {
      if (const auto* socket = file.as<schema::UnixSkEntry>(FdTypes::UNIXSK)) {
        if (!unix_.try_emplace(socket->ino(), socket).second) {
          facts_.report.add(RuleId::UNX_1,
                            facts_.at(file, "usk.ino", std::to_string(socket->ino())),
                            "two sockets have this inode");
        }
      }
    }
    for (const OpenFile& file : facts_.files.files()) {
      judge_socket_options(facts_, file);
      if (const auto* local = file.as<schema::UnixSkEntry>(FdTypes::UNIXSK)) {
        unix_name(file, *local);
        bound(file, local->file_perms());
        unix_peer(file, *local);
      } else if (const auto* inet = file.as<schema::InetSkEntry>(FdTypes::INETSK)) {
        inet_socket(file, *inet);
      } else if (const auto* netlink = file.as<schema::NetlinkSkEntry>(FdTypes::NETLINKSK)) {
        netlink_socket(file, *netlink);
      } else if (const auto* packets = file.as<schema::PacketSockEntry>(FdTypes::PACKETSK)) {
        packet_socket(file, *packets);
      }
    }
    queues();
    for (const FileKey file : facts_.present) {
      if (file.kind == Kind::tcp_stream && !connections_.contains(file.id) &&
          facts_.files_are_whole()) {
        facts_.report.add_plain(RuleId::SET_6, Severity::note, facts_.at(file),
                                "the connection of no socket of the image");
      }
    }
  }

 private:
  struct Packet {
    Where where;
    std::uint32_t id_for = 0;
  };

  void packet(const Record& record, const schema::SkPacketEntry& entry) {
    constexpr std::uint32_t kRights = 1;
    constexpr std::size_t kMaxRights = 253;
    packets_.push_back(
        {facts_.at(record, "id_for", std::to_string(entry.id_for())), entry.id_for()});
    if (entry.scm() == nullptr) {
      return;
    }
    if (entry.scm()->size() > 1) {
      facts_.report.add(RuleId::SKQ_1,
                        facts_.at(record, "scm", std::to_string(entry.scm()->size())),
                        "more than one control message");
    }
    for (const schema::ScmEntry* message : *entry.scm()) {
      if (message->type() != kRights) {
        facts_.report.add(RuleId::SKQ_1,
                          facts_.at(record, "scm.type", std::to_string(message->type())),
                          "only descriptors can be sent along (type 1)");
      }
      if (message->rights() == nullptr) {
        continue;
      }
      if (message->rights()->size() > kMaxRights) {
        facts_.report.add(
            RuleId::SKQ_1,
            facts_.at(record, "scm.rights", std::to_string(message->rights()->size())),
            "more descriptors than one message carries (253)");
      }
      for (const std::uint32_t id : *message->rights()) {
        if (facts_.use_file(id, FdTypes::UND) == nullptr && facts_.files_are_whole()) {
          facts_.report.add(
              RuleId::SKQ_2, facts_.at(record, "scm.rights", std::to_string(id)),
              fmt::format("file {} is under way in a socket, and not in the image", id));
        }
      }
    }
  }

  void queues() {
    for (const Packet& packet : packets_) {
      const OpenFile* file = facts_.use_file(packet.id_for, FdTypes::UNIXSK);
      if (!facts_.files_are_whole()) {
        return;
      }
      if (file == nullptr || file->type != FdTypes::UNIXSK) {
        facts_.report.add_plain(
            RuleId::SKQ_1, Severity::error, packet.where,
            fmt::format("{}: criu restore drops this message without a word",
                        file == nullptr ? "no socket has this id" : "is no unix socket"));
      }
    }
  }

  void unix_name(const OpenFile& file, const schema::UnixSkEntry& entry) {
    constexpr std::size_t kMaxName = 108;
    const std::size_t size = entry.name()->size();
    if (size > kMaxName) {
      facts_.report.add(RuleId::UNX_1, facts_.at(file, "usk.name", std::to_string(size)),
                        fmt::format("a name of {} bytes, where 108 fit", size));
    }
    if (entry.deleted().value_or(false) && (size == 0 || entry.name()->Get(0) == 0)) {
      facts_.report.add(RuleId::UNX_1, facts_.at(file, "usk.deleted", "true"),
                        "is deleted, and had no path");
    }
    if (entry.type() != kStream && entry.type() != kDatagram && entry.type() != kSeqpacket) {
      facts_.report.add(RuleId::UNX_2, facts_.at(file, "usk.type", std::to_string(entry.type())),
                        "is no type of unix socket");
    }
    if (entry.state() != kEstablished && entry.state() != kListen && entry.state() != kClose) {
      facts_.report.add(RuleId::UNX_2, facts_.at(file, "usk.state", std::to_string(entry.state())),
                        "is no state of a unix socket");
    }
    if (entry.state() == kListen && entry.type() == kDatagram &&
        (entry.uflags() & kExternal) == 0) {
      facts_.report.add(RuleId::UNX_2, facts_.at(file, "usk.state", std::to_string(entry.state())),
                        "datagram sockets do not listen");
    }
    if (entry.state() == kListen && size == 0) {
      facts_.report.add(RuleId::UNX_4, facts_.at(file, "usk.name", ""),
                        "listens without a name, so nobody can connect");
    }
    if (entry.state() == kListen && entry.peer() != 0) {
      facts_.report.add(RuleId::UNX_4, facts_.at(file, "usk.peer", std::to_string(entry.peer())),
                        "listens, and has a peer");
    }
  }

  void bound(const OpenFile& file, const schema::FilePermsEntry* owner) {
    if (owner != nullptr && (owner->uid() == UINT32_MAX || owner->gid() == UINT32_MAX)) {
      facts_.report.add(
          RuleId::UNX_1,
          facts_.at(file, owner->uid() == UINT32_MAX ? "usk.file_perms.uid" : "usk.file_perms.gid",
                    std::to_string(UINT32_MAX)),
          "is nobody's id");
    }
  }

  void unix_peer(const OpenFile& file, const schema::UnixSkEntry& entry) {
    if (entry.peer() == 0) {
      const bool is_lone = entry.state() == kEstablished && entry.type() != kDatagram &&
                           (entry.uflags() & (kExternal | kCallback)) == 0;
      if (is_lone && entry.shutdown() != schema::SkShutdown::BOTH) {
        facts_.report.add(RuleId::UNX_3, facts_.at(file, "usk.peer", "0"),
                          "is connected to nobody, and not shut down");
      }
      return;
    }
    const auto found = unix_.find(entry.peer());
    const Where where = facts_.at(file, "usk.peer", std::to_string(entry.peer()));
    if (found == unix_.end()) {
      if (facts_.files_are_whole()) {
        facts_.report.add(RuleId::UNX_2, where,
                          fmt::format("the peer of socket {} is not in the image", entry.ino()));
      }
      return;
    }
    const schema::UnixSkEntry& peer = *found->second;
    if (peer.type() != entry.type()) {
      facts_.report.add(RuleId::UNX_2, where,
                        fmt::format("a socket of type {} is connected to one of type {}",
                                    entry.type(), peer.type()));
    } else if (entry.type() != kDatagram && peer.state() != kListen && peer.peer() != 0 &&
               peer.peer() != entry.ino() && (peer.uflags() & kExternal) == 0) {
      facts_.report.add(RuleId::UNX_2, where,
                        fmt::format("its peer is connected to another socket ({})", peer.peer()));
    }
  }

  void inet_socket(const OpenFile& file, const schema::InetSkEntry& entry) {
    const auto at = [&](const char* field, std::uint64_t value) {
      return facts_.at(file, fmt::format("isk.{}", field), std::to_string(value));
    };
    if (entry.family() != kInet && entry.family() != kInet6) {
      facts_.report.add(RuleId::INE_1, at("family", entry.family()),
                        "is neither IPv4 (2) nor IPv6 (10)");
      return;
    }
    if (entry.type() != kStream && entry.type() != kDatagram && entry.type() != kRaw) {
      facts_.report.add(RuleId::INE_1, at("type", entry.type()),
                        "is neither stream (1) nor datagram (2) nor raw (3)");
    } else if (!has_protocol(entry)) {
      facts_.report.add(RuleId::INE_1, at("proto", entry.proto()),
                        fmt::format("no socket of type {} has this protocol", entry.type()));
    }
    for (const auto& [field, words] :
         {std::pair{"src_addr", entry.src_addr()}, std::pair{"dst_addr", entry.dst_addr()}}) {
      const std::size_t have = words == nullptr ? 0 : words->size();
      if (entry.family() == kInet ? have < 1 : have != 4) {
        facts_.report.add(RuleId::INE_1, at(field, have),
                          fmt::format("an address of {} words", have));
      }
    }
    for (const auto& [field, port] :
         {std::pair{"src_port", entry.src_port()}, std::pair{"dst_port", entry.dst_port()}}) {
      if (port > 0xffff) {
        facts_.report.add(RuleId::INE_1, at(field, port), "is no port");
      }
    }
    if (entry.state() == 0 || entry.state() > kLastState) {
      facts_.report.add(RuleId::INE_2, at("state", entry.state()), "is no state of a socket");
    } else if (entry.state() == kListen && entry.proto() != kTcp) {
      facts_.report.add(RuleId::INE_2, at("state", entry.state()), "only TCP listens");
    }
    if (entry.v6only().value_or(false) && entry.family() == kInet) {
      facts_.report.add(RuleId::INE_6, at("v6only", 1), "is set on an IPv4 socket");
    }
    connection(file, entry);
  }

  static bool has_protocol(const schema::InetSkEntry& entry) {
    constexpr std::uint32_t kOfDatagrams[] = {0, 1, 17, 58, 136};  // ping and UDP, IPv4 and 6
    constexpr std::uint32_t kOfStreams[] = {0, kTcp, 132, 262};    // SCTP, MPTCP
    const auto has = [&](const auto& all) {
      return std::find(std::begin(all), std::end(all), entry.proto()) != std::end(all);
    };
    return entry.type() == kRaw || (entry.type() == kStream ? has(kOfStreams) : has(kOfDatagrams));
  }

  void connection(const OpenFile& file, const schema::InetSkEntry& entry) {
    // CRIU takes each TCP socket with a port at the other end for a connection.
    const bool is_connection =
        entry.proto() == kTcp &&
        (entry.dst_port() != 0 || (entry.state() != kListen && entry.state() != kClose));
    if (entry.proto() == kTcp) {
      connections_.insert(entry.ino());
    }
    if (!is_connection) {
      return;
    }
    if (entry.dst_port() == 0) {
      facts_.report.add(RuleId::INE_3, facts_.at(file, "isk.dst_port", "0"),
                        "a connection to no port");
    }
    if (!has_no_streams_ && !facts_.has(Kind::tcp_stream, entry.ino())) {
      facts_.report.add(
          RuleId::INE_3, facts_.at({Kind::tcp_stream, entry.ino()}),
          fmt::format("is not there, and the connection of socket {} needs it", entry.ino()));
    }
  }

  void stream(const Record& record, const schema::TcpStreamEntry& entry) {
    constexpr std::uint32_t kTimestamps = 1;
    constexpr std::uint32_t kScale = 4;
    if (!entry.unsq_len()) {
      facts_.report.add(RuleId::INE_3, facts_.at(record, "unsq_len"), "is not set");
    } else if (*entry.unsq_len() > entry.outq_len()) {
      facts_.report.add(
          RuleId::INE_3, facts_.at(record, "unsq_len", std::to_string(*entry.unsq_len())),
          fmt::format("more bytes not sent than there are in the queue ({})", entry.outq_len()));
    }
    if ((entry.opt_mask() & kScale) != 0 && !entry.rcv_wscale()) {
      facts_.report.add(RuleId::INE_3, facts_.at(record, "rcv_wscale"),
                        "is not set, though window scaling is on");
    }
    if ((entry.opt_mask() & kTimestamps) != 0 && !entry.timestamp()) {
      facts_.report.add(RuleId::INE_3, facts_.at(record, "timestamp"),
                        "is not set, though timestamps are on");
    }
    judge_tcp_window(facts_, record, entry);
    constexpr std::uint32_t kMaxScale = 14;
    if (entry.snd_wscale() > kMaxScale || entry.rcv_wscale().value_or(0) > kMaxScale) {
      facts_.report.add(RuleId::INE_3,
                        facts_.at(record, "snd_wscale", std::to_string(entry.snd_wscale())),
                        "windows are scaled by at most 14 bits");
    }
  }

  void netlink_socket(const OpenFile& file, const schema::NetlinkSkEntry& entry) {
    constexpr std::uint32_t kProtocols = 32;  // MAX_LINKS
    if (entry.protocol() >= kProtocols) {
      facts_.report.add(RuleId::NLK_1,
                        facts_.at(file, "nlsk.protocol", std::to_string(entry.protocol())),
                        "is no netlink protocol");
    }
    if (entry.groups() != nullptr && entry.groups()->size() > 1) {
      facts_.report.add(RuleId::NLK_1,
                        facts_.at(file, "nlsk.groups", std::to_string(entry.groups()->size())),
                        "more groups than can be restored (32)");
    }
  }

  void rings(const schema::MmEntry& mm) {
    for (flatbuffers::uoffset_t i = 0; mm.vmas() != nullptr && i < mm.vmas()->size(); ++i) {
      if (vma::is(*mm.vmas()->Get(i), vma::kSocket)) {
        mapped_.insert(mm.vmas()->Get(i)->shmid());
      }
    }
  }

  void packet_socket(const OpenFile& file, const schema::PacketSockEntry& entry) {
    constexpr std::size_t kMaxAddress = 32;
    constexpr std::uint32_t kPacket = 10;      // SOCK_PACKET
    constexpr std::uint32_t kLastVersion = 2;  // TPACKET_V3
    if (entry.type() != kRaw && entry.type() != kDatagram && entry.type() != kPacket) {
      facts_.report.add(RuleId::PKT_1, facts_.at(file, "psk.type", std::to_string(entry.type())),
                        "is no type of packet socket");
    }
    if (entry.version() > kLastVersion) {
      facts_.report.add(RuleId::PKT_1,
                        facts_.at(file, "psk.version", std::to_string(entry.version())),
                        "is no version of packet sockets");
    }
    if (entry.mclist() != nullptr) {
      for (const schema::PacketMclist* group : *entry.mclist()) {
        if (group->addr()->size() > kMaxAddress) {
          facts_.report.add(
              RuleId::PKT_1,
              facts_.at(file, "psk.mclist.addr", std::to_string(group->addr()->size())),
              "an address of more than 32 bytes");
        }
      }
    }
    if ((entry.rx_ring() != nullptr || entry.tx_ring() != nullptr) && !mapped_.contains(file.id) &&
        facts_.is_whole(Kind::mm)) {
      facts_.report.add(RuleId::PKT_1, Severity::note, facts_.at(file, "psk.rx_ring"),
                        "a ring that no task has mapped");
    }
  }

  Facts& facts_;
  bool has_no_streams_ = false;
  std::vector<Packet> packets_;
  std::unordered_map<std::uint32_t, const schema::UnixSkEntry*> unix_;  // by inode
  std::unordered_set<std::uint64_t> connections_;
  std::unordered_set<std::uint64_t> mapped_;  // packet sockets, by file id
};

}  // namespace

std::unique_ptr<RuleSet> socket_rules(Facts& facts) {
  return std::make_unique<SocketRules>(facts);
}

}  // namespace img::check
