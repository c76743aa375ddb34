// SPDX-License-Identifier: MIT
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "live/plan/files/sockets.h"

namespace img::plan {
namespace {

constexpr std::uint32_t kConnected = 1;  // NETLINK_CONNECTED

class Netlink final : public KindPlanner {
 public:
  Result<Slot> open(FileContext& context, const model::OpenFile& file) override {
    const auto& entry = *file.as<schema::NetlinkSkEntry>(schema::FdTypes::NETLINKSK);
    PlanBuilder& builder = *context.builder;
    const std::string name = "netlink socket:[" + std::to_string(entry.ino()) + "]";
    const Slot slot = builder.keep(builder.call(
        kRestorer, SYS_socket, {AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, entry.protocol()}, name));
    set_socket_options(context, slot, *entry.opts(), name);
    const std::uint32_t groups =
        entry.groups() != nullptr && entry.groups()->size() != 0 ? entry.groups()->Get(0) : 0;
    if (entry.portid() != 0 || groups != 0) {
      builder.call(kRestorer, SYS_bind,
                   {slot, address(builder, entry.portid(), groups), sizeof(sockaddr_nl)},
                   "bind " + name);
    }
    if (entry.state() == kConnected) {
      const std::uint32_t group =
          entry.dst_group() == 0 ? 0 : 1U << ((entry.dst_group() - 1) & 31U);
      builder.call(kRestorer, SYS_connect,
                   {slot, address(builder, entry.dst_portid(), group), sizeof(sockaddr_nl)},
                   "connect " + name);
    }
    context.set_flags(slot, entry.flags(), name);
    return slot;
  }

 private:
  static DataId address(PlanBuilder& builder, std::uint32_t port, std::uint32_t groups) {
    sockaddr_nl to{};
    to.nl_family = AF_NETLINK;
    to.nl_pid = port;
    to.nl_groups = groups;
    return builder.object(to);
  }
};

}  // namespace

std::unique_ptr<KindPlanner> plan_netlink_sockets() {
  return std::make_unique<Netlink>();
}

}  // namespace img::plan
