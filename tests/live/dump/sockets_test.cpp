// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "tests/live/dump/open_files.h"

namespace img::live_test {
namespace {

using model::Kind;
using schema::FdTypes;
using state::Piece;

const schema::UnixSkEntry& unix_socket(const Collected& collected, int number) {
  return *file(collected, number, FdTypes::UNIXSK).usk();
}

const schema::InetSkEntry& inet_socket(const Collected& collected, int number) {
  return *file(collected, number, FdTypes::INETSK).isk();
}

std::string name_of(const schema::UnixSkEntry& socket) {
  return {reinterpret_cast<const char*>(socket.name()->data()), socket.name()->size()};
}

std::pair<sockaddr_un, socklen_t> address(const std::string& name) {
  sockaddr_un out{};
  out.sun_family = AF_UNIX;
  std::memcpy(out.sun_path, name.data(), name.size());
  const std::size_t end = !name.empty() && name[0] != '\0' ? 1 : 0;
  return {out, static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + end)};
}

int bound(int type, const std::string& name) {
  const int fd = ::socket(AF_UNIX, type, 0);
  const auto [where, length] = address(name);
  ::bind(fd, reinterpret_cast<const sockaddr*>(&where), length);
  return fd;
}

void connect_to(int fd, const std::string& name) {
  const auto [where, length] = address(name);
  ::connect(fd, reinterpret_cast<const sockaddr*>(&where), length);
}

void send_descriptors(int through, const std::string& text, std::initializer_list<int> fds) {
  char control[256] = {};
  iovec part{const_cast<char*>(text.data()), text.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
  cmsghdr* head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
  std::memcpy(CMSG_DATA(head), fds.begin(), fds.size() * sizeof(int));
  ::sendmsg(through, &message, 0);
}

std::string unused_path() {
  return "/tmp/stasis-socket-" + std::to_string(::getpid());
}

TEST(OpenFiles, UnixPairWithQueue) {
  const Opener opener([] {
    int ends[2];
    ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends);
    ASSERT_EQ(::write(ends[0], "hello ", 6), 6);
    ASSERT_EQ(::write(ends[0], "world", 5), 5);
    ::shutdown(ends[0], SHUT_WR);
  });
  for (int round = 0; round < 2; ++round) {  // looking takes nothing out
    const Collected collected(opener.pid());
    const auto& one = unix_socket(collected, 3);
    const auto& other = unix_socket(collected, 4);
    EXPECT_EQ(one.peer(), other.ino());
    EXPECT_EQ(other.peer(), one.ino());
    EXPECT_EQ(one.type(), static_cast<unsigned>(SOCK_STREAM));
    EXPECT_EQ(one.state(), 1U);
    EXPECT_EQ(one.flags(), static_cast<unsigned>(O_RDWR | O_NONBLOCK));
    EXPECT_EQ(one.shutdown(), flatbuffers::Optional(schema::SkShutdown::WRITE));
    EXPECT_EQ(other.shutdown(), flatbuffers::Optional(schema::SkShutdown::READ));
    EXPECT_TRUE(collected.refusals().empty());
    std::string text;
    for (const auto& packet : collected.messages(Kind::sk_queues)) {
      EXPECT_EQ(flatbuffers::GetRoot<schema::SkPacketEntry>(packet.bytes.data())->id_for(),
                other.id());
      text += packet.payload;
    }
    EXPECT_EQ(text, "hello world");
  }
}

TEST(OpenFiles, UnixPackets) {
  const Opener opener([] {
    int ends[2];
    ::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends);
    ASSERT_EQ(::write(ends[0], "one", 3), 3);
    ASSERT_EQ(::write(ends[0], std::string(100'000, 'x').data(), 100'000), 100'000);
    ASSERT_EQ(::write(ends[0], "three", 5), 5);
  });
  const Collected collected(opener.pid());
  const auto& packets = collected.messages(Kind::sk_queues);
  ASSERT_EQ(packets.size(), 3U);
  EXPECT_EQ(packets[0].payload, "one");
  EXPECT_EQ(packets[1].payload, std::string(100'000, 'x'));
  EXPECT_EQ(packets[2].payload, "three");
}

TEST(OpenFiles, UnixQueueWithDescriptors) {
  const Opener opener([] {
    int ends[2];
    ::socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    const int known = ::open("/etc/passwd", O_RDONLY);
    const int unknown = ::open("/etc/group", O_RDONLY);
    send_descriptors(ends[0], "a", {known, unknown});
    send_descriptors(ends[0], "b", {unknown});
    ::close(unknown);
  });
  const Collected collected(opener.pid());
  ASSERT_EQ(collected.failure(), "");
  const auto packets = collected.all<schema::SkPacketEntry>(Kind::sk_queues);
  ASSERT_EQ(packets.size(), 2U) << "descriptors hold packets apart";
  ASSERT_NE(packets[0]->scm(), nullptr);
  const auto* rights = packets[0]->scm()->Get(0)->rights();
  ASSERT_EQ(rights->size(), 2U);
  EXPECT_EQ(rights->Get(0), collected.descriptor(5)->id());
  const auto* group = collected.by_id(rights->Get(1));
  ASSERT_NE(group, nullptr);
  EXPECT_EQ(group->reg()->name()->str(), "/etc/group");
  EXPECT_EQ(packets[1]->scm()->Get(0)->rights()->Get(0), rights->Get(1)) << "the same file";
}

TEST(OpenFiles, UnixPairInFlight) {
  const Opener opener([] {
    int carrier[2];
    int passed[2];
    ::socketpair(AF_UNIX, SOCK_STREAM, 0, carrier);
    ::socketpair(AF_UNIX, SOCK_STREAM, 0, passed);
    ASSERT_EQ(::write(passed[0], "inner", 5), 5);
    send_descriptors(carrier[0], "x", {passed[1]});
    ::close(passed[1]);
  });
  const Collected collected(opener.pid());
  ASSERT_EQ(collected.failure(), "");
  EXPECT_TRUE(collected.refusals().empty()) << "the peer is on its way, not outside";
  ASSERT_EQ(collected.messages(Kind::sk_queues).size(), 2U) << "one of them inside of the other";
}

TEST(OpenFiles, EpollInFlight) {
  for (const bool is_lost : {false, true}) {
    const Opener opener([is_lost] {
      int ends[2];
      ::socketpair(AF_UNIX, SOCK_DGRAM, 0, ends);
      const int event = ::eventfd(0, 0);
      const int epoll = ::epoll_create1(0);
      epoll_event what{EPOLLIN, {.u64 = 9}};
      ::epoll_ctl(epoll, EPOLL_CTL_ADD, event, &what);
      send_descriptors(ends[0], "x", {epoll, event});
      ::close(epoll);
      ::dup2(event, 20);
      ::close(event);
      if (is_lost) {
        ::close(20);  // it lives on in the socket only
      }
    });
    const Collected collected(opener.pid());
    EXPECT_EQ(collected.refuses(Piece::epoll_escaped), is_lost);
    const auto packets = collected.all<schema::SkPacketEntry>(Kind::sk_queues);
    if (is_lost || packets.empty()) {
      EXPECT_TRUE(is_lost);
      continue;
    }
    const auto* epoll = collected.by_id(packets[0]->scm()->Get(0)->rights()->Get(0))->epfd();
    ASSERT_NE(epoll->tfd(), nullptr);
    EXPECT_EQ(epoll->tfd()->Get(0)->tfd(), 20U) << "where it is now";
    EXPECT_EQ(epoll->tfd()->Get(0)->data(), 9U);
  }
}

TEST(OpenFiles, RefusesQueuedCredentials) {
  const Opener opener([] {
    int ends[2];
    ::socketpair(AF_UNIX, SOCK_DGRAM, 0, ends);
    const int on = 1;
    ::setsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    ASSERT_EQ(::write(ends[0], "x", 1), 1);
  });
  EXPECT_TRUE(Collected(opener.pid()).refuses(Piece::unix_credentials));
}

TEST(OpenFiles, UnixListener) {
  const std::string path = unused_path();
  const Opener opener([&] {
    const int listener = bound(SOCK_STREAM, path);
    ::listen(listener, 7);
    const int client = ::socket(AF_UNIX, SOCK_STREAM, 0);
    connect_to(client, path);  // never accepted
  });
  const Collected collected(opener.pid());
  ASSERT_EQ(collected.failure(), "");
  const auto& listener = unix_socket(collected, 3);
  EXPECT_EQ(listener.state(), 10U);
  EXPECT_EQ(listener.backlog(), 7U);
  EXPECT_EQ(name_of(listener), path + std::string(1, '\0'));
  ASSERT_NE(listener.file_perms(), nullptr);
  EXPECT_TRUE(S_ISSOCK(listener.file_perms()->mode()));
  EXPECT_FALSE(listener.deleted().has_value());
  EXPECT_EQ(unix_socket(collected, 4).peer(), listener.ino());
  EXPECT_TRUE(collected.refusals().empty());
  ::unlink(path.c_str());
}

TEST(OpenFiles, UnixNames) {
  const std::string path = unused_path();
  const Opener opener([&] {
    bound(SOCK_STREAM, std::string("\0abstract", 9) + std::to_string(::getpid()));
    bound(SOCK_DGRAM, path);
    ::unlink(path.c_str());
    ASSERT_EQ(::chdir("/tmp"), 0);
    bound(SOCK_DGRAM, path.substr(5));
    ::socket(AF_UNIX, SOCK_SEQPACKET, 0);
  });
  const Collected collected(opener.pid());
  ASSERT_EQ(collected.failure(), "");
  EXPECT_EQ(name_of(unix_socket(collected, 3)).substr(0, 9), std::string("\0abstract", 9));
  EXPECT_EQ(unix_socket(collected, 3).file_perms(), nullptr);
  EXPECT_EQ(unix_socket(collected, 4).deleted(), flatbuffers::Optional(true));
  EXPECT_EQ(unix_socket(collected, 5).name_dir()->str(), "/tmp");
  EXPECT_EQ(name_of(unix_socket(collected, 6)), "");
  EXPECT_EQ(unix_socket(collected, 6).state(), 7U);
  ::unlink(path.c_str());
}

TEST(OpenFiles, RefusesUnacceptedData) {
  const std::string path = unused_path();
  const Opener opener([&] {
    ::listen(bound(SOCK_STREAM, path), 7);
    const int client = ::socket(AF_UNIX, SOCK_STREAM, 0);
    connect_to(client, path);
    ASSERT_EQ(::write(client, "x", 1), 1);
  });
  EXPECT_TRUE(Collected(opener.pid()).refuses(Piece::unix_unaccepted_data));
  ::unlink(path.c_str());
}

TEST(OpenFiles, RefusesUnacceptedClosed) {
  const std::string path = unused_path();
  const Opener opener([&] {
    ::listen(bound(SOCK_STREAM, path), 7);
    const int client = ::socket(AF_UNIX, SOCK_STREAM, 0);
    connect_to(client, path);
    ::close(client);
  });
  EXPECT_TRUE(Collected(opener.pid()).refuses(Piece::unix_unaccepted_closed));
  ::unlink(path.c_str());
}

TEST(OpenFiles, RefusesOutsidePeer) {
  const std::string path = unused_path();
  const int listener = bound(SOCK_STREAM, path);
  ::listen(listener, 7);
  const auto connect_as = [&](int number) {
    const int client = ::socket(AF_UNIX, SOCK_STREAM, 0);
    connect_to(client, path);
    if (number != client) {
      ::dup2(client, number);
      ::close(client);
    }
  };
  {
    const Opener opener([&] { connect_as(9); });
    const int accepted = ::accept(listener, nullptr, nullptr);
    EXPECT_TRUE(Collected(opener.pid()).refuses(Piece::unix_outside));
    ::close(accepted);
  }
  {
    const Opener opener([&] { connect_as(1); });
    const int accepted = ::accept(listener, nullptr, nullptr);
    const Collected collected(opener.pid());
    EXPECT_TRUE(collected.refusals().empty()) << "the restore gives it another output";
    const auto& ours = unix_socket(collected, 1);
    const auto files = collected.all<schema::FileEntry>(Kind::files);
    const auto* peer = files.back()->usk();
    ASSERT_NE(peer, nullptr);
    EXPECT_EQ(peer->ino(), ours.peer());
    EXPECT_EQ(peer->uflags(), 1U);
    ::close(accepted);
  }
  ::close(listener);
  ::unlink(path.c_str());
}

// Files are seen from every network, so one may connect to a listener that this one does not list.
TEST(OpenFiles, RefusesUnixConnectionThatIsNotListed) {
  const std::string path = unused_path();
  const Opener elsewhere([&] {
    ASSERT_EQ(::unshare(CLONE_NEWNET), 0);
    ::listen(bound(SOCK_STREAM, path), 7);
  });
  const Opener opener([&] { connect_to(::socket(AF_UNIX, SOCK_STREAM, 0), path); });
  EXPECT_TRUE(Collected(opener.pid()).refuses(Piece::unix_dangling));
  ::unlink(path.c_str());
}

TEST(OpenFiles, UnixServiceByName) {
  const std::string path = unused_path();
  const int service = bound(SOCK_DGRAM, path);
  const Opener opener([&] { connect_to(::socket(AF_UNIX, SOCK_DGRAM, 0), path); });
  const Collected collected(opener.pid());
  EXPECT_TRUE(collected.refusals().empty());
  const auto files = collected.all<schema::FileEntry>(Kind::files);
  ASSERT_NE(files.back()->usk(), nullptr);
  EXPECT_EQ(name_of(*files.back()->usk()), path + std::string(1, '\0'));
  ::close(service);
  ::unlink(path.c_str());
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return out;
}

int listening(const sockaddr_in& where, int backlog) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::bind(fd, reinterpret_cast<const sockaddr*>(&where), sizeof where);
  ::listen(fd, backlog);
  return fd;
}

std::uint16_t port_of(int fd) {
  sockaddr_in where{};
  socklen_t length = sizeof where;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&where), &length);
  return ntohs(where.sin_port);
}

TEST(OpenFiles, TcpListener) {
  const Opener opener([] {
    const int fd = listening(loopback(0), 5);
    const int on = 1;
    const int buffer = 40'000;
    const linger lingers{1, 3};
    ::setsockopt(fd, SOL_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &lingers, sizeof lingers);
    ::socket(AF_INET, SOCK_STREAM, 0);
    const int six = ::socket(AF_INET6, SOCK_STREAM, 0);
    sockaddr_in6 any{};
    any.sin6_family = AF_INET6;
    any.sin6_addr = in6addr_loopback;
    ::setsockopt(six, SOL_IPV6, IPV6_V6ONLY, &on, sizeof on);
    ::setsockopt(six, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    ::bind(six, reinterpret_cast<const sockaddr*>(&any), sizeof any);
    ::listen(six, 9);
  });
  const Collected collected(opener.pid());
  ASSERT_EQ(collected.failure(), "");
  const auto& listener = inet_socket(collected, 3);
  EXPECT_EQ(listener.family(), static_cast<unsigned>(AF_INET));
  EXPECT_EQ(listener.proto(), static_cast<unsigned>(IPPROTO_TCP));
  EXPECT_EQ(listener.state(), 10U);
  EXPECT_EQ(listener.backlog(), 5U);
  EXPECT_NE(listener.src_port(), 0U);
  EXPECT_EQ(listener.dst_port(), 0U);
  ASSERT_EQ(listener.src_addr()->size(), 1U);
  EXPECT_EQ(listener.src_addr()->Get(0), htonl(INADDR_LOOPBACK));
  EXPECT_EQ(listener.tcp_opts()->nodelay(), flatbuffers::Optional(true));
  EXPECT_EQ(listener.opts()->reuseaddr(), flatbuffers::Optional(true));
  EXPECT_EQ(listener.opts()->so_rcvbuf(), 80'000U);
  EXPECT_EQ(listener.opts()->so_buf_lock(), flatbuffers::Optional<std::uint32_t>(2));
  EXPECT_EQ(listener.opts()->so_linger(), flatbuffers::Optional<std::uint32_t>(3));
  EXPECT_EQ(inet_socket(collected, 4).state(), 7U);
  const auto& six = inet_socket(collected, 5);
  EXPECT_EQ(six.backlog(), 9U);
  EXPECT_EQ(six.src_addr()->size(), 4U);
  EXPECT_EQ(six.src_addr()->Get(3), htonl(1));
  EXPECT_EQ(six.v6only(), flatbuffers::Optional(true));
  EXPECT_EQ(six.opts()->so_reuseport(), flatbuffers::Optional(true));
}

TEST(OpenFiles, RefusesConnectedTcp) {
  const Opener opener([] {
    const int listener = listening(loopback(0), 5);
    const sockaddr_in where = loopback(port_of(listener));
    ::connect(::socket(AF_INET, SOCK_STREAM, 0), reinterpret_cast<const sockaddr*>(&where),
              sizeof where);
    ::accept(listener, nullptr, nullptr);
  });
  EXPECT_TRUE(Collected(opener.pid()).refuses(Piece::tcp_connected));
}

TEST(OpenFiles, RefusesUnreadTcp) {
  for (const bool has_data : {false, true}) {
    const Opener opener([has_data] {
      const int listener = listening(loopback(0), 5);
      const sockaddr_in where = loopback(port_of(listener));
      const int client = ::socket(AF_INET, SOCK_STREAM, 0);
      ::connect(client, reinterpret_cast<const sockaddr*>(&where), sizeof where);
      const int server = ::accept(listener, nullptr, nullptr);
      if (has_data) {
        ASSERT_EQ(::write(server, "x", 1), 1);
      }
      ::shutdown(client, SHUT_WR);
      ::shutdown(server, SHUT_WR);
      ::usleep(10'000);
    });
    const Collected collected(opener.pid());
    EXPECT_EQ(collected.refuses(Piece::tcp_unread), has_data);
    EXPECT_FALSE(collected.refuses(Piece::tcp_connected));
  }
}

TEST(OpenFiles, RefusesTcpInFlight) {
  const Opener opener([] {
    const int listener = listening(loopback(0), 5);
    const sockaddr_in where = loopback(port_of(listener));
    ::connect(::socket(AF_INET, SOCK_STREAM, 0), reinterpret_cast<const sockaddr*>(&where),
              sizeof where);
  });
  EXPECT_TRUE(Collected(opener.pid()).refuses(Piece::tcp_in_flight));
}

TEST(OpenFiles, UdpSockets) {
  const Opener opener([] {
    const int one = ::socket(AF_INET, SOCK_DGRAM, 0);
    const int on = 1;
    const sockaddr_in any = loopback(0);
    ::setsockopt(one, SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
    ::bind(one, reinterpret_cast<const sockaddr*>(&any), sizeof any);
    const sockaddr_in where = loopback(port_of(one));
    const int other = ::socket(AF_INET, SOCK_DGRAM, 0);
    ::connect(other, reinterpret_cast<const sockaddr*>(&where), sizeof where);
    ::shutdown(other, SHUT_WR);
    ::socket(AF_INET6, SOCK_DGRAM, 0);
  });
  const Collected collected(opener.pid());
  ASSERT_EQ(collected.failure(), "");
  const auto& one = inet_socket(collected, 3);
  EXPECT_EQ(one.state(), 7U);
  EXPECT_EQ(one.opts()->so_broadcast(), flatbuffers::Optional(true));
  const auto& other = inet_socket(collected, 4);
  EXPECT_EQ(other.state(), 1U);
  EXPECT_EQ(other.dst_port(), one.src_port());
  EXPECT_EQ(other.shutdown(), flatbuffers::Optional(schema::SkShutdown::WRITE));
  EXPECT_EQ(inet_socket(collected, 5).src_addr()->size(), 4U);
  EXPECT_TRUE(collected.refusals().empty());
}

TEST(OpenFiles, LosesDatagrams) {
  const Opener opener([] {
    const int one = ::socket(AF_INET, SOCK_DGRAM, 0);
    const sockaddr_in any = loopback(0);
    ::bind(one, reinterpret_cast<const sockaddr*>(&any), sizeof any);
    const sockaddr_in where = loopback(port_of(one));
    ::sendto(one, "x", 1, 0, reinterpret_cast<const sockaddr*>(&where), sizeof where);
  });
  EXPECT_TRUE(Collected(opener.pid()).loses(Piece::udp_queue));
}

TEST(OpenFiles, RefusesCorkedUdp) {
  const Opener opener([] {
    const int on = 1;
    ::setsockopt(::socket(AF_INET, SOCK_DGRAM, 0), SOL_UDP, UDP_CORK, &on, sizeof on);
  });
  EXPECT_TRUE(Collected(opener.pid()).refuses(Piece::udp_corked));
}

TEST(OpenFiles, RefusesProtocol) {
  const Opener opener([] { ::socket(AF_INET, SOCK_STREAM, 262); });  // IPPROTO_MPTCP
  const Collected collected(opener.pid());
  if (!collected.refusals().empty()) {
    EXPECT_TRUE(collected.refuses(Piece::socket_protocol));
  }
}

TEST(OpenFiles, RefusesOtherNetwork) {
  bool is_possible = false;
  const Opener opener([&] {
    is_possible = ::unshare(CLONE_NEWNET) == 0;
    ::socket(AF_INET, SOCK_DGRAM, 0);
    ::socket(AF_UNIX, SOCK_DGRAM, 0);
  });
  const Collected collected(opener.pid());
  EXPECT_EQ(collected.refusals().size(), 2U);
  EXPECT_TRUE(collected.refuses(Piece::socket_network));
}

int netlink(std::uint32_t groups) {
  const int fd = ::socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  sockaddr_nl where{};
  where.nl_family = AF_NETLINK;
  where.nl_groups = groups;
  ::bind(fd, reinterpret_cast<const sockaddr*>(&where), sizeof where);
  return fd;
}

TEST(OpenFiles, Netlink) {
  const Opener opener([] {
    netlink(1U << 30);  // a group that is quiet
    ::socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT);
  });
  const Collected collected(opener.pid());
  const auto& bound_one = *file(collected, 3, FdTypes::NETLINKSK).nlsk();
  EXPECT_EQ(bound_one.protocol(), 0U);
  EXPECT_NE(bound_one.portid(), 0U);
  EXPECT_EQ(bound_one.state(), 7U);
  ASSERT_NE(bound_one.groups(), nullptr);
  EXPECT_EQ(bound_one.groups()->Get(0), 1U << 30);
  const auto& other = *file(collected, 4, FdTypes::NETLINKSK).nlsk();
  EXPECT_EQ(other.protocol(), 15U);
  EXPECT_EQ(other.portid(), 0U);
  EXPECT_EQ(other.groups(), nullptr);
}

TEST(OpenFiles, PacketSocket) {
  const UniqueFd possible(::socket(AF_PACKET, SOCK_RAW, 0));
  if (!possible.is_open()) {
    GTEST_SKIP() << "this user may not use packet sockets";
  }
  const Opener opener([] {
    const int fd = ::socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK, htons(ETH_P_ARP));
    sockaddr_ll device{};
    device.sll_family = AF_PACKET;
    device.sll_ifindex = 1;
    ::bind(fd, reinterpret_cast<const sockaddr*>(&device), sizeof device);
    const int version = TPACKET_V2;
    ::setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version);
    const tpacket_req ring{4096, 1, 2048, 2};
    ::setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &ring, sizeof ring);
    packet_mreq all{};
    all.mr_ifindex = 1;
    all.mr_type = PACKET_MR_PROMISC;
    ::setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all);
  });
  const Collected collected(opener.pid());
  const auto& socket = *file(collected, 3, FdTypes::PACKETSK).psk();
  EXPECT_EQ(socket.type(), static_cast<unsigned>(SOCK_DGRAM));
  EXPECT_EQ(socket.protocol(), htons(ETH_P_ARP));
  EXPECT_EQ(socket.ifindex(), 1U);
  EXPECT_EQ(socket.flags(), static_cast<unsigned>(O_RDWR | O_NONBLOCK));
  EXPECT_EQ(socket.version(), unsigned{TPACKET_V2});
  ASSERT_NE(socket.rx_ring(), nullptr);
  EXPECT_EQ(socket.rx_ring()->frame_size(), 2048U);
  EXPECT_EQ(socket.tx_ring(), nullptr);
  ASSERT_NE(socket.mclist(), nullptr);
  EXPECT_EQ(socket.mclist()->Get(0)->type(), unsigned{PACKET_MR_PROMISC});
  EXPECT_FALSE(socket.fanout());
}

TEST(OpenFiles, RefusesNetlinkGroups) {
  const Opener opener([] {
    const int group = 33;
    ::setsockopt(netlink(0), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group);
  });
  EXPECT_TRUE(Collected(opener.pid()).refuses(Piece::netlink_groups));
}

TEST(OpenFiles, RefusesNetlinkQueue) {
  const Opener opener([] {
    const int fd = netlink(0);
    const nlmsghdr nonsense{sizeof nonsense, 999, NLM_F_REQUEST | NLM_F_ACK, 1, 0};
    ::send(fd, &nonsense, sizeof nonsense, 0);
  });
  EXPECT_TRUE(Collected(opener.pid()).refuses(Piece::netlink_queue));
}

}  // namespace
}  // namespace img::live_test
