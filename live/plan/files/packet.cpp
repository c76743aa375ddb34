// SPDX-License-Identifier: MIT
// Packet sockets: frames as they come from a device. What waits in them, and in their rings, is
// gone by the time of a restore, as it would be on a busy network.
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "live/plan/files/sockets.h"

namespace img::plan {
namespace {

using schema::PacketSockEntry;

constexpr int kSocketPacket = 10;  // SOCK_PACKET, which is bound to a device by name

class PacketSockets final : public KindPlanner {
 public:
  Result<Slot> open(FileContext& context, const model::OpenFile& file) override {
    const auto& entry = *file.as<PacketSockEntry>(schema::FdTypes::PACKETSK);
    PlanBuilder& builder = *context.builder;
    const std::string name = "packet socket " + std::to_string(entry.id());
    const Slot slot = builder.keep(builder.call(
        kRestorer, SYS_socket, {AF_PACKET, entry.type() | SOCK_CLOEXEC, entry.protocol()}, name));
    if (entry.type() == kSocketPacket) {
      IMG_TRY(bind_by_name(context, slot, entry, name));
    } else {
      bind(builder, slot, entry, name);
      set_packet_options(builder, slot, entry, name);
      IMG_TRY(add_memberships(builder, slot, entry, name));
    }
    set_socket_options(context, slot, *entry.opts(), name);
    context.set_flags(slot, entry.flags(), name);
    return slot;
  }

 private:
  static void bind(PlanBuilder& builder, Slot slot, const PacketSockEntry& entry,
                   const std::string& name) {
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_ifindex = static_cast<int>(entry.ifindex());
    builder.call(kRestorer, SYS_bind, {slot, builder.object(to), sizeof to},
                 "bind " + name + " to device " + std::to_string(entry.ifindex()));
  }

  static Result<void> bind_by_name(FileContext& context, Slot slot, const PacketSockEntry& entry,
                                   const std::string& name) {
    if (entry.ifindex() == 0) {
      return {};
    }
    for (const auto& [device, index] : context.interfaces()) {
      if (index == entry.ifindex()) {
        sockaddr to{};
        to.sa_family = AF_PACKET;
        device.copy(to.sa_data, sizeof to.sa_data - 1);
        context.builder->call(kRestorer, SYS_bind, {slot, context.builder->object(to), sizeof to},
                              "bind " + name + " to " + device);
        return {};
      }
    }
    return fail(Fault::missing, name, "network device " + std::to_string(entry.ifindex()),
                "is not there");
  }

  static void set_packet_options(PlanBuilder& builder, Slot slot, const PacketSockEntry& entry,
                                 const std::string& name) {
    const std::string what = "option of " + name;
    const auto set = [&](int option, std::uint32_t value) {
      if (value != 0) {
        set_option(builder, slot, SOL_PACKET, option, value, what);
      }
    };
    set(PACKET_VERSION, entry.version());
    set(PACKET_RESERVE, entry.reserve());
    set(PACKET_TIMESTAMP, entry.timestamp());
    set(PACKET_COPY_THRESH, entry.copy_thresh());
    set(PACKET_AUXDATA, entry.aux_data() ? 1 : 0);
    set(PACKET_ORIGDEV, entry.orig_dev() ? 1 : 0);
    set(PACKET_VNET_HDR, entry.vnet_hdr() ? 1 : 0);
    set(PACKET_LOSS, entry.loss() ? 1 : 0);
    add_ring(builder, slot, PACKET_RX_RING, entry.rx_ring(), "ring of " + name);
    add_ring(builder, slot, PACKET_TX_RING, entry.tx_ring(), "ring of " + name);
    if (entry.fanout()) {
      set_option(builder, slot, SOL_PACKET, PACKET_FANOUT, *entry.fanout(), "fanout of " + name);
    }
  }

  static void add_ring(PlanBuilder& builder, Slot slot, int option, const schema::PacketRing* ring,
                       const std::string& what) {
    if (ring == nullptr) {
      return;
    }
    tpacket_req3 request{};
    request.tp_block_size = ring->block_size();
    request.tp_block_nr = ring->block_nr();
    request.tp_frame_size = ring->frame_size();
    request.tp_frame_nr = ring->frame_nr();
    request.tp_retire_blk_tov = ring->retire_tmo();
    request.tp_sizeof_priv = ring->sizeof_priv();
    request.tp_feature_req_word = ring->features();
    builder.call(kRestorer, SYS_setsockopt,
                 {slot, SOL_PACKET, option, builder.object(request), sizeof request}, what);
  }

  static Result<void> add_memberships(PlanBuilder& builder, Slot slot, const PacketSockEntry& entry,
                                      const std::string& name) {
    constexpr std::size_t kLongest = 32;
    struct {
      int device;
      unsigned short type;
      unsigned short length;
      std::array<unsigned char, kLongest> address;
    } request{};
    for (std::uint32_t i = 0; entry.mclist() != nullptr && i < entry.mclist()->size(); ++i) {
      const schema::PacketMclist& one = *entry.mclist()->Get(i);
      if (one.addr()->size() > kLongest) {
        return fail(Fault::corrupt, name, "an address of " + std::to_string(one.addr()->size()),
                    "it has at most 32 bytes");
      }
      request = {static_cast<int>(one.index()),
                 static_cast<unsigned short>(one.type()),
                 static_cast<unsigned short>(one.addr()->size()),
                 {}};
      std::copy(one.addr()->begin(), one.addr()->end(), request.address.begin());
      builder.call(
          kRestorer, SYS_setsockopt,
          {slot, SOL_PACKET, PACKET_ADD_MEMBERSHIP, builder.object(request), sizeof request},
          "membership of " + name);
    }
    return {};
  }
};

}  // namespace

std::unique_ptr<KindPlanner> plan_packet_sockets() {
  return std::make_unique<PacketSockets>();
}

}  // namespace img::plan
