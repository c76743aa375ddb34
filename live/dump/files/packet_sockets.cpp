// SPDX-License-Identifier: MIT
// Packet sockets, as sock_diag(7) tells about them. What waits in one is lost.
#include <arpa/inet.h>
#include <linux/packet_diag.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>

#include "live/dump/files/file_kind.h"
#include "live/dump/files/sock_diag.h"
#include "live/dump/files/socket_options.h"
#include "live/dump/namespace_ids.h"

namespace img::dump {
namespace {

struct PacketSocket {
  std::uint32_t type = 0;
  std::uint32_t protocol = 0;  // in network order
  packet_diag_info facts{};
  std::vector<packet_diag_mclist> groups;
  std::optional<packet_diag_ring> receiving;
  std::optional<packet_diag_ring> sending;
  std::optional<std::uint32_t> fanout;
};

template <class T>
std::optional<T> value(const DiagAttributes& attributes, std::uint16_t type) {
  const auto found = attributes.find(type);
  return found != attributes.end() && found->second.size() >= sizeof(T)
             ? std::optional(load<T>(found->second.data()))
             : std::nullopt;
}

PacketSocket socket_in(const packet_diag_msg& head, const DiagAttributes& attributes) {
  PacketSocket out;
  out.type = head.pdiag_type;
  out.protocol = htons(head.pdiag_num);
  out.facts = value<packet_diag_info>(attributes, PACKET_DIAG_INFO).value_or(packet_diag_info{});
  out.receiving = value<packet_diag_ring>(attributes, PACKET_DIAG_RX_RING);
  out.sending = value<packet_diag_ring>(attributes, PACKET_DIAG_TX_RING);
  out.fanout = value<std::uint32_t>(attributes, PACKET_DIAG_FANOUT);
  if (const auto list = attributes.find(PACKET_DIAG_MCLIST); list != attributes.end()) {
    out.groups.resize(list->second.size() / sizeof(packet_diag_mclist));
    std::memcpy(out.groups.data(), list->second.data(),
                out.groups.size() * sizeof(packet_diag_mclist));
  }
  return out;
}

flatbuffers::Offset<schema::PacketRing> ring_entry(flatbuffers::FlatBufferBuilder& builder,
                                                   const std::optional<packet_diag_ring>& ring) {
  return ring ? schema::CreatePacketRing(builder, ring->pdr_block_size, ring->pdr_block_nr,
                                         ring->pdr_frame_size, ring->pdr_frame_nr,
                                         ring->pdr_retire_tmo, ring->pdr_sizeof_priv,
                                         ring->pdr_features)
              : 0;
}

class PacketSockets final : public FileKind {
 public:
  using FileKind::FileKind;
  schema::FdTypes type() const override { return schema::FdTypes::PACKETSK; }
  bool recognises(const OpenFile& file) const override { return family_of(file) == AF_PACKET; }

  Result<void> collect(OpenFile& file, std::uint32_t id) override {
    IMG_ASSIGN(const bool is_ours, is_in_own_network(bench_, file));
    if (!is_ours) {
      return {};
    }
    IMG_TRY(read_list());
    const auto found = list_.find(static_cast<std::uint32_t>(file.stat.st_ino));
    if (found == list_.end()) {
      return fail(Fault::missing, file.name(), "find it", "the kernel does not list it");
    }
    if (file.has_unread()) {
      bench_.lose(file, state::Piece::udp_queue);
    }
    add(file, id, found->second);
    return {};
  }

 private:
  Result<void> read_list() {
    if (has_list_) {
      return {};
    }
    has_list_ = true;
    packet_diag_req request{};
    request.sdiag_family = AF_PACKET;
    request.pdiag_show =
        PACKET_SHOW_INFO | PACKET_SHOW_MCLIST | PACKET_SHOW_RING_CFG | PACKET_SHOW_FANOUT;
    return ask_sock_diag(std::as_bytes(std::span(&request, 1)), sizeof(packet_diag_msg),
                         [this](Bytes message, const DiagAttributes& attributes) {
                           const auto head = load<packet_diag_msg>(message.data());
                           list_.emplace(head.pdiag_ino, socket_in(head, attributes));
                         });
  }

  void add(const OpenFile& file, std::uint32_t id, const PacketSocket& socket) {
    auto& builder = bench_.builder();
    const packet_diag_info& facts = socket.facts;
    std::vector<flatbuffers::Offset<schema::PacketMclist>> groups;
    for (const packet_diag_mclist& one : socket.groups) {
      const std::size_t length = std::min<std::size_t>(one.pdmc_alen, sizeof one.pdmc_addr);
      const auto address = builder.CreateVector(one.pdmc_addr, length);
      groups.push_back(schema::CreatePacketMclist(
          builder, static_cast<std::uint32_t>(one.pdmc_index), one.pdmc_type, address));
    }
    const auto owner = owner_entry(builder, file.owner);
    const auto options = options_entry(builder, file.copy.get(), false);
    const auto group_list = groups.empty() ? 0 : builder.CreateVector(groups);
    const auto receiving = ring_entry(builder, socket.receiving);
    const auto sending = ring_entry(builder, socket.sending);
    const auto has = [&](std::uint32_t flag) { return (facts.pdi_flags & flag) != 0; };
    schema::PacketSockEntryBuilder entry(builder);
    entry.add_id(id);
    entry.add_type(socket.type);
    entry.add_protocol(socket.protocol);
    entry.add_flags(file.flags);
    entry.add_ifindex(facts.pdi_index);
    entry.add_fown(owner);
    entry.add_opts(options);
    entry.add_version(facts.pdi_version);
    entry.add_reserve(facts.pdi_reserve);
    entry.add_aux_data(has(PDI_AUXDATA));
    entry.add_orig_dev(has(PDI_ORIGDEV));
    entry.add_vnet_hdr(has(PDI_VNETHDR));
    entry.add_loss(has(PDI_LOSS));
    entry.add_timestamp(facts.pdi_tstamp);
    entry.add_copy_thresh(facts.pdi_copy_thresh);
    entry.add_mclist(group_list);
    if (socket.fanout) {
      entry.add_fanout(*socket.fanout);
    }
    entry.add_rx_ring(receiving);
    entry.add_tx_ring(sending);
    entry.add_ns_id(host_namespace_id(CLONE_NEWNET));
    bench_.add_file(type(), id, entry.Finish(), &schema::FileEntryBuilder::add_psk);
  }

  bool has_list_ = false;
  std::map<std::uint32_t, PacketSocket> list_;  // by inode
};

}  // namespace

std::unique_ptr<FileKind> make_packet_sockets(FileBench& bench) {
  return std::make_unique<PacketSockets>(bench);
}

}  // namespace img::dump
