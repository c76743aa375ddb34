// SPDX-License-Identifier: MIT
// sockets: who talks to whom, and how much is on its way. What is on its way is not shown.
#include <fmt/core.h>

#include "libimg/show/views.h"
#include "libimg/show/words.h"
#include "schema/sockets_generated.h"

namespace img::show {
namespace {

using schema::FdTypes;

const std::vector<Column> kColumns = {{"id", "ID", Align::right},
                                      {"family", ""},
                                      {"protocol", "PROTO"},
                                      {"state", "STATE"},
                                      {"inode", "INODE", Align::right},
                                      {"receive_queue", "RECV-Q", Align::right},
                                      {"send_queue", "SEND-Q", Align::right},
                                      {"backlog", ""},
                                      {"local", "LOCAL"},
                                      {"peer", "PEER"},
                                      {"peer_inode", ""},
                                      {"network_namespace", ""}};

struct Socket {
  std::string_view family;
  std::string protocol;
  std::string state;
  std::optional<std::uint32_t> inode;
  std::optional<std::uint64_t> received;
  std::optional<std::uint64_t> sent;
  std::optional<std::uint32_t> backlog;
  std::string local;
  std::string peer;
  std::optional<std::uint32_t> peer_inode;
  flatbuffers::Optional<std::uint32_t> net_ns;
};

template <class Number>
Value count_if(const Number& number) {
  return number ? Value::count(*number) : Value::none();
}

Value text_if(const std::string& text) {
  return text.empty() ? Value::none() : Value::text(text);
}

void add(Page& page, std::uint32_t id, const Socket& socket) {
  page.row({Value::count(id), Value::text(socket.family), Value::text(socket.protocol),
            Value::text(socket.state), count_if(socket.inode), count_if(socket.received),
            count_if(socket.sent), count_if(socket.backlog), text_if(socket.local),
            text_if(socket.peer), count_if(socket.peer_inode), count_if(socket.net_ns)});
}

/// Bytes in sk-queues.img by the socket that will read them.
std::unordered_map<std::uint32_t, std::uint64_t> queued(Subject& subject) {
  std::unordered_map<std::uint32_t, std::uint64_t> bytes;
  subject.each<schema::SkPacketEntry>({Kind::sk_queues, 0},
                                      [&bytes](const schema::SkPacketEntry& packet, auto&) {
                                        bytes[packet.id_for()] += packet.length();
                                      });
  return bytes;
}

Socket of(Subject& subject, const schema::InetSkEntry& entry) {
  Socket socket;
  socket.family = "inet";
  socket.protocol = inet_protocol(entry.family(), entry.type(), entry.proto());
  socket.state = socket_state(entry.state());
  socket.inode = entry.ino();
  socket.local = inet_address(entry.src_addr(), entry.src_port());
  socket.peer = entry.dst_port() == 0 ? "" : inet_address(entry.dst_addr(), entry.dst_port());
  socket.net_ns = entry.ns_id();
  if (socket.state == "LISTEN") {
    socket.backlog = entry.backlog();
  }
  const FileKey stream{Kind::tcp_stream, entry.ino()};
  if (subject.has(stream)) {
    subject.each<schema::TcpStreamEntry>(stream, [&](const schema::TcpStreamEntry& tcp, auto&) {
      socket.received = tcp.inq_len();
      socket.sent = tcp.outq_len();
    });
  }
  return socket;
}

Socket of(const schema::UnixSkEntry& entry,
          const std::unordered_map<std::uint32_t, std::uint64_t>& queues) {
  Socket socket;
  socket.family = "unix";
  socket.protocol = "unix " + socket_type(entry.type());
  socket.state = socket_state(entry.state());
  socket.inode = entry.ino();
  const auto queue = queues.find(entry.id());
  if (queue != queues.end()) {
    socket.received = queue->second;
  }
  if (socket.state == "LISTEN") {
    socket.backlog = entry.backlog();
  }
  socket.local = unix_name(entry.name());
  if (entry.peer() != 0) {
    socket.peer = fmt::format("socket:[{}]", entry.peer());
    socket.peer_inode = entry.peer();
  }
  socket.net_ns = entry.ns_id();
  return socket;
}

Socket of(const schema::NetlinkSkEntry& entry) {
  Socket socket;
  socket.family = "netlink";
  socket.protocol = "netlink " + netlink_protocol(entry.protocol());
  socket.state = entry.state() == 0 ? "unconnected" : "connected";
  socket.inode = entry.ino();
  socket.local = entry.portid() == 0 ? "" : fmt::format("port {}", entry.portid());
  socket.net_ns = entry.ns_id();
  return socket;
}

Socket of(const schema::PacketSockEntry& entry) {
  Socket socket;
  socket.family = "packet";
  socket.protocol = fmt::format("packet {:#06x}", entry.protocol());
  socket.state = "-";
  socket.local =
      entry.ifindex() == 0 ? "any interface" : fmt::format("interface {}", entry.ifindex());
  socket.net_ns = entry.ns_id();
  return socket;
}

}  // namespace

void show_sockets(Subject& subject, Page& page) {
  page.begin("sockets", "Sockets");
  const auto queues = queued(subject);
  bool any = false;
  page.begin_table("sockets", kColumns);
  for (const model::OpenFile& file : subject.open_files().files()) {
    if (!subject.is_chosen_file(file.id)) {
      continue;
    }
    Socket socket;
    if (const auto* inet = file.as<schema::InetSkEntry>(FdTypes::INETSK)) {
      socket = of(subject, *inet);
    } else if (const auto* local = file.as<schema::UnixSkEntry>(FdTypes::UNIXSK)) {
      socket = of(*local, queues);
    } else if (const auto* netlink = file.as<schema::NetlinkSkEntry>(FdTypes::NETLINKSK)) {
      socket = of(*netlink);
    } else if (const auto* packet = file.as<schema::PacketSockEntry>(FdTypes::PACKETSK)) {
      socket = of(*packet);
    } else {
      continue;
    }
    any = true;
    add(page, file.id, socket);
  }
  page.end_table();
  if (!any) {
    page.say("No sockets.");
  }
  page.end();
}

}  // namespace img::show
