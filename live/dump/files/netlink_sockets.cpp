// SPDX-License-Identifier: MIT
// Netlink sockets: their address is all their state. What waits to be read in one cannot be sent
// again.
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <bit>
#include <cerrno>

#include "live/dump/files/file_kind.h"
#include "live/dump/files/socket_options.h"

namespace img::dump {
namespace {

constexpr std::uint32_t kBound = 7;      // as TCP_CLOSE, what the kernel says of one that is bound
constexpr std::uint32_t kConnected = 1;  // NETLINK_CONNECTED

/// The words of the groups that it is a member of, without zeros at the end.
std::vector<std::uint32_t> groups_of(int fd) {
  std::array<std::uint32_t, 64> words{};
  socklen_t length = sizeof words;
  if (::getsockopt(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, words.data(), &length) != 0) {
    return {};
  }
  std::vector<std::uint32_t> out(words.begin(),
                                 words.begin() + std::min<std::size_t>(length / 4, words.size()));
  while (!out.empty() && out.back() == 0) {
    out.pop_back();
  }
  return out;
}

class NetlinkSockets final : public FileKind {
 public:
  using FileKind::FileKind;
  schema::FdTypes type() const override { return schema::FdTypes::NETLINKSK; }
  bool recognises(const OpenFile& file) const override { return family_of(file) == AF_NETLINK; }

  Result<void> collect(OpenFile& file, std::uint32_t id) override {
    IMG_ASSIGN(const bool is_ours, is_in_own_network(bench_, file));
    if (!is_ours) {
      return {};
    }
    const int fd = file.copy.get();
    pollfd poll{fd, POLLIN, 0};
    if (::poll(&poll, 1, 0) != 0) {
      bench_.refuse(file, state::Piece::netlink_queue);
      return {};
    }
    const std::vector<std::uint32_t> groups = groups_of(fd);
    if (groups.size() > 1) {
      bench_.refuse(file, state::Piece::netlink_groups);
      return {};
    }
    sockaddr_nl own{};
    sockaddr_nl peer{};
    socklen_t length = sizeof own;
    socklen_t peer_length = sizeof peer;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &length) != 0 ||
        ::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &peer_length) != 0) {
      return fail(sys_error(errno, file.name(), "ask for its address"));
    }
    add(file, id, own, peer, groups);
    return {};
  }

 private:
  void add(const OpenFile& file, std::uint32_t id, const sockaddr_nl& own, const sockaddr_nl& peer,
           const std::vector<std::uint32_t>& groups) {
    const int fd = file.copy.get();
    const bool is_connected = peer.nl_pid != 0 || peer.nl_groups != 0;
    // The address has the group as one bit of a mask.
    const std::uint32_t group =
        peer.nl_groups == 0 ? 0 : static_cast<std::uint32_t>(std::countr_zero(peer.nl_groups)) + 1;
    auto& builder = bench_.builder();
    const auto words = groups.empty() ? 0 : builder.CreateVector(groups);
    const auto owner = owner_entry(builder, file.owner);
    const auto options = options_entry(builder, fd, true);
    bench_.add_file(type(), id,
                    schema::CreateNetlinkSkEntry(
                        builder, id, static_cast<std::uint32_t>(file.stat.st_ino),
                        socket_number(fd, SOL_SOCKET, SO_PROTOCOL),
                        is_connected      ? kConnected
                        : own.nl_pid != 0 ? kBound
                                          : 0,
                        file.flags, own.nl_pid, words, peer.nl_pid, group, owner, options),
                    &schema::FileEntryBuilder::add_nlsk);
  }
};

}  // namespace

std::unique_ptr<FileKind> make_netlink_sockets(FileBench& bench) {
  return std::make_unique<NetlinkSockets>(bench);
}

}  // namespace img::dump
