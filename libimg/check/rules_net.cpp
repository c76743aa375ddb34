// SPDX-License-Identifier: MIT
// NET-*: network namespaces and their devices.
#include <fmt/core.h>

#include "libimg/check/facts.h"
#include "schema/netdev_generated.h"

namespace img::check {
namespace {

using schema::NdType;

class NetRules : public RuleSet {
 public:
  explicit NetRules(Facts& facts) : facts_(facts) {}

  void record(const Record& record) override {
    if (record.key.seq == 0) {
      return;
    }
    switch (record.key.file.kind) {
      case Kind::netdev: device(record, *record.as<schema::NetDeviceEntry>()); break;
      case Kind::netns:
        peers(record, *record.as<schema::NetnsEntry>());
        settings(record, *record.as<schema::NetnsEntry>());
        break;
      case Kind::netns_ct:
      case Kind::netns_exp: connections(record); break;
      default: break;
    }
  }

  void finish() override {
    for (const auto& [ns, master, where] : masters_) {
      if (!devices_.contains({ns, master})) {
        facts_.report.add(RuleId::NET_1, where, "is no device of the namespace");
      }
    }
  }

 private:
  void device(const Record& record, const schema::NetDeviceEntry& entry) {
    const auto type = static_cast<std::int32_t>(entry.type());
    if (type < static_cast<std::int32_t>(NdType::LOOPBACK) ||
        type > static_cast<std::int32_t>(NdType::SIT)) {
      facts_.report.add(RuleId::NET_1, facts_.at(record, "type", std::to_string(type)),
                        "is no kind of device");
    }
    if ((entry.type() == NdType::MACVLAN && entry.macvlan() == nullptr) ||
        (entry.type() == NdType::SIT && entry.sit() == nullptr) ||
        (entry.type() == NdType::TUN && entry.tun() == nullptr)) {
      facts_.report.add(RuleId::NET_1, facts_.at(record, "type", std::to_string(type)),
                        "the part that its type needs is not set");
    }
    const std::uint64_t ns = record.key.file.id;
    if (!devices_.insert({ns, entry.ifindex()}).second) {
      facts_.report.add(RuleId::NET_1,
                        facts_.at(record, "ifindex", std::to_string(entry.ifindex())),
                        "two devices have this index");
    }
    if (entry.peer_nsid() && !has_namespace(*entry.peer_nsid())) {
      facts_.report.add(RuleId::NET_1,
                        facts_.at(record, "peer_nsid", std::to_string(*entry.peer_nsid())),
                        "is no network namespace of the image");
    }
    if (entry.master()) {
      masters_.emplace_back(ns, *entry.master(),
                            facts_.at(record, "master", std::to_string(*entry.master())));
    }
    constexpr std::size_t kMaxName = 15;
    if (entry.name()->size() > kMaxName) {
      facts_.report.add(RuleId::NET_1, facts_.at(record, "name", entry.name()->str()),
                        "a name of more than 15 bytes");
    }
    if (entry.sit() != nullptr) {
      tunnel(record, *entry.sit());
    }
  }

  void tunnel(const Record& record, const schema::SitEntry& sit) {
    constexpr std::size_t kWords = 4;
    const std::pair<const char*, const flatbuffers::Vector<std::uint32_t>*> addresses[] = {
        {"sit.local", sit.local()},
        {"sit.remote", sit.remote()},
        {"sit.rd_prefix", sit.rd_prefix()},
        {"sit.relay_prefix", sit.relay_prefix()},
    };
    for (const auto& [field, words] : addresses) {
      if (words != nullptr && words->size() > kWords) {
        facts_.report.add(RuleId::NET_2, facts_.at(record, field, std::to_string(words->size())),
                          "an address of more than 4 words");
      }
    }
    if (sit.rd_prefixlen().value_or(0) > 128 || sit.relay_prefixlen().value_or(0) > 32) {
      facts_.report.add(RuleId::NET_2, facts_.at(record, "sit.rd_prefixlen"),
                        "a prefix longer than its address");
    }
  }

  [[nodiscard]] bool has_namespace(std::uint32_t id) const {
    return facts_.has(Kind::netns, id) || facts_.has(Kind::netdev, id);
  }

  void peers(const Record& record, const schema::NetnsEntry& entry) {
    if (entry.nsids() == nullptr) {
      return;
    }
    for (const schema::NetnsId* id : *entry.nsids()) {
      if (!has_namespace(id->target_ns_id())) {
        facts_.report.add(
            RuleId::NET_4,
            facts_.at(record, "nsids.target_ns_id", std::to_string(id->target_ns_id())),
            "is no network namespace of the image");
      }
    }
  }

  /// CRIU 4.2 knows one setting of each; where there is another number it stops.
  void settings(const Record& record, const schema::NetnsEntry& entry) {
    for (const auto& [field, list] : {std::pair{"unix_conf", entry.unix_conf()},
                                      std::pair{"ipv4_sysctl", entry.ipv4_sysctl()}}) {
      if (list != nullptr && list->size() > 1) {
        facts_.report.add(RuleId::NET_3, facts_.at(record, field, std::to_string(list->size())),
                          fmt::format("{} settings, where criu 4.2 knows 1", list->size()));
      }
    }
  }

  /// A stream of netlink messages, each with its length in front.
  void connections(const Record& record) {
    constexpr std::size_t kHeader = 16;
    if (record.payload.parts.size() != 1) {
      return;
    }
    const Bytes all = record.payload.parts.front();
    std::size_t at = 0;
    while (at < all.size()) {
      const std::size_t left = all.size() - at;
      const std::uint32_t length =
          left < sizeof(std::uint32_t) ? 0 : load<std::uint32_t>(all.data() + at);
      if (length < kHeader || length > left) {
        Where where = facts_.at(record.key.file, 0, "nlmsg_len", std::to_string(length));
        where.offset = at;
        facts_.report.add(RuleId::NET_6, std::move(where),
                          fmt::format("a message of {} bytes, {} are left", length, left));
        return;
      }
      at += std::min<std::size_t>(round_up(length, 4), left);
    }
  }

  Facts& facts_;
  std::set<std::pair<std::uint64_t, std::uint32_t>> devices_;
  std::vector<std::tuple<std::uint64_t, std::uint32_t, Where>> masters_;
};

}  // namespace

std::unique_ptr<RuleSet> net_rules(Facts& facts) {
  return std::make_unique<NetRules>(facts);
}

}  // namespace img::check
