// SPDX-License-Identifier: MIT
// Sockets of TCP, UDP and raw IP that have no connection to somebody: listeners, bound and
// connected UDP, those not used yet.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cstring>

#include "live/plan/files/sockets.h"
#include "live/state/state.h"

namespace img::plan {
namespace {

constexpr std::uint32_t kTcpEstablished = 1;
constexpr std::uint32_t kTcpClosed = 7;
constexpr std::uint32_t kTcpListen = 10;

using Words = flatbuffers::Vector<std::uint32_t>;

class Inet final : public KindPlanner {
 public:
  Result<Slot> open(FileContext& context, const model::OpenFile& file) override {
    const auto& entry = *file.as<schema::InetSkEntry>(schema::FdTypes::INETSK);
    Slot slot{};
    if (context.inherits("socket:[" + std::to_string(entry.ino()) + "]", slot)) {
      return slot;
    }
    IMG_TRY(check(entry));
    PlanBuilder& builder = *context.builder;
    const std::string name = name_of(entry);
    slot = builder.keep(builder.call(
        kRestorer, SYS_socket, {entry.family(), entry.type() | SOCK_CLOEXEC, entry.proto()}, name));
    set_socket_options(context, slot, *entry.opts(), name);
    set_ip_options(builder, slot, entry, name);
    if ((entry.src_port() != 0 || !is_any(entry.src_addr())) && !has_ended(entry)) {
      bind(context, slot, entry, name);
    }
    if (entry.state() == kTcpListen) {
      builder.call(kRestorer, SYS_listen, {slot, entry.backlog()}, "listen on " + name);
    } else if (entry.dst_port() != 0 || entry.state() == kTcpEstablished) {
      const DataId to = address(context, entry, *entry.dst_addr(), entry.dst_port());
      builder.call(kRestorer, SYS_connect, {slot, to, size_of(entry)}, "connect " + name);
    }
    shut_down(context, slot, entry.shutdown().value_or(schema::SkShutdown::NONE), name);
    context.set_flags(slot, entry.flags(), name);
    return slot;
  }

 private:
  static std::string name_of(const schema::InetSkEntry& entry) {
    const char* kind = entry.type() == SOCK_STREAM  ? "TCP"
                       : entry.type() == SOCK_DGRAM ? "UDP"
                                                    : "raw";
    return std::string(kind) + " socket:[" + std::to_string(entry.ino()) + "], port " +
           std::to_string(entry.src_port());
  }

  static Result<void> check(const schema::InetSkEntry& entry) {
    const std::uint32_t words = entry.family() == AF_INET ? 1 : 4;
    const auto has = [words](const Words* address) {
      return address != nullptr && address->size() >= words;
    };
    if ((entry.family() != AF_INET && entry.family() != AF_INET6) || !has(entry.src_addr()) ||
        !has(entry.dst_addr())) {
      return fail(Fault::corrupt, name_of(entry), "has no address of its family");
    }
    if (entry.type() == SOCK_STREAM && entry.state() != kTcpListen &&
        (entry.dst_port() != 0 || entry.state() == kTcpEstablished)) {
      return fail(state::refusal(
          state::Piece::tcp_connected, name_of(entry), {},
          "--inherit-fd N:socket:[" + std::to_string(entry.ino()) + "] gives it another"));
    }
    return {};
  }

  static bool is_any(const Words* address) {
    for (const std::uint32_t word : *address) {
      if (word != 0) {
        return false;
      }
    }
    return true;
  }

  /// A connection that both sides have closed: it has given its port back.
  static bool has_ended(const schema::InetSkEntry& entry) {
    return entry.type() == SOCK_STREAM && entry.state() == kTcpClosed &&
           entry.shutdown().value_or(schema::SkShutdown::NONE) != schema::SkShutdown::NONE;
  }

  static std::uint32_t size_of(const schema::InetSkEntry& entry) {
    return entry.family() == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  }

  static DataId address(FileContext& context, const schema::InetSkEntry& entry, const Words& words,
                        std::uint32_t port) {
    if (entry.family() == AF_INET) {
      sockaddr_in to{};
      to.sin_family = AF_INET;
      to.sin_port = htons(static_cast<std::uint16_t>(port));
      to.sin_addr.s_addr = words.Get(0);
      return context.builder->object(to);
    }
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    to.sin6_port = htons(static_cast<std::uint16_t>(port));
    std::memcpy(&to.sin6_addr, words.data(), sizeof(to.sin6_addr));
    if (entry.ifname() != nullptr) {
      const auto device = context.interfaces().find(entry.ifname()->str());
      if (device != context.interfaces().end()) {
        to.sin6_scope_id = device->second;
      }
    }
    return context.builder->object(to);
  }

  static void bind(FileContext& context, Slot slot, const schema::InetSkEntry& entry,
                   const std::string& name) {
    PlanBuilder& builder = *context.builder;
    const bool reuses = entry.opts()->reuseaddr().value_or(false);
    // A port whose last connections are still in TIME_WAIT is ours to take again.
    if (!reuses && entry.type() == SOCK_STREAM) {
      set_option(builder, slot, SOL_SOCKET, SO_REUSEADDR, 1, "take the port of " + name);
    }
    // It may have been bound to an address that this machine did not have, or has no more.
    const bool is_v6 = entry.family() == AF_INET6;
    const auto free_bind = [&](std::uint32_t value) {
      set_option(builder, slot, is_v6 ? SOL_IPV6 : SOL_IP, is_v6 ? IPV6_FREEBIND : IP_FREEBIND,
                 value, "bind " + name + " wherever it was");
    };
    const bool is_free = entry.ip_opts() != nullptr && entry.ip_opts()->freebind().value_or(false);
    if (!is_free) {
      free_bind(1);
    }
    const DataId from = address(context, entry, *entry.src_addr(), entry.src_port());
    builder.call(kRestorer, SYS_bind, {slot, from, size_of(entry)}, "bind " + name);
    if (!is_free) {
      free_bind(0);
    }
    if (!reuses && entry.type() == SOCK_STREAM) {
      set_option(builder, slot, SOL_SOCKET, SO_REUSEADDR, 0, "option of " + name);
    }
  }

  static void set_ip_options(PlanBuilder& builder, Slot slot, const schema::InetSkEntry& entry,
                             const std::string& name) {
    const std::string what = "option of " + name;
    const bool is_v6 = entry.family() == AF_INET6;
    const auto set = [&](int level, int option, std::uint32_t value) {
      set_option(builder, slot, level, option, value, what);
    };
    // Of a raw socket it cannot be set: its protocol counts as the port it is bound to.
    if (is_v6 && entry.v6only() && entry.type() != SOCK_RAW) {
      set(SOL_IPV6, IPV6_V6ONLY, *entry.v6only() ? 1 : 0);
    }
    if (const schema::IpOptsEntry* options = entry.ip_opts()) {
      if (options->freebind().value_or(false)) {
        set(is_v6 ? SOL_IPV6 : SOL_IP, is_v6 ? IPV6_FREEBIND : IP_FREEBIND, 1);
      }
      if (options->pktinfo().value_or(false)) {
        set(is_v6 ? SOL_IPV6 : SOL_IP, is_v6 ? IPV6_RECVPKTINFO : IP_PKTINFO, 1);
      }
      if (options->tos().value_or(0) != 0) {
        set(is_v6 ? SOL_IPV6 : SOL_IP, is_v6 ? IPV6_TCLASS : IP_TOS, *options->tos());
      }
      if (!is_v6 && options->ttl()) {
        set(SOL_IP, IP_TTL, *options->ttl());
      }
      if (options->raw() != nullptr) {
        set_raw_options(builder, slot, entry, *options->raw(), what);
      }
    }
    if (entry.type() == SOCK_STREAM) {
      set_tcp_options(entry, set);
    }
  }

  static void set_raw_options(PlanBuilder& builder, Slot slot, const schema::InetSkEntry& entry,
                              const schema::IpOptsRawEntry& raw, const std::string& what) {
    if (raw.hdrincl().value_or(false)) {
      const bool is_v6 = entry.family() == AF_INET6;
      constexpr int kIpv6Hdrincl = 36;
      set_option(builder, slot, is_v6 ? SOL_IPV6 : SOL_IP, is_v6 ? kIpv6Hdrincl : IP_HDRINCL, 1,
                 what);
    }
    if (raw.nodefrag().value_or(false)) {
      set_option(builder, slot, SOL_IP, IP_NODEFRAG, 1, what);
    }
    if (raw.icmpv_filter() != nullptr && raw.icmpv_filter()->size() != 0) {
      constexpr int kFilter = 1;  // ICMP_FILTER, ICMPV6_FILTER
      const int level = entry.family() == AF_INET6 ? SOL_ICMPV6 : SOL_RAW;
      const auto words = std::span(raw.icmpv_filter()->data(), raw.icmpv_filter()->size());
      builder.call(kRestorer, SYS_setsockopt,
                   {slot, level, kFilter, builder.data(std::as_bytes(words)), words.size_bytes()},
                   what);
    }
  }

  template <class Set>
  static void set_tcp_options(const schema::InetSkEntry& entry, const Set& set) {
    const auto set_all = [&](std::optional<std::uint32_t> count, std::optional<std::uint32_t> idle,
                             std::optional<std::uint32_t> interval) {
      if (count) {
        set(SOL_TCP, TCP_KEEPCNT, *count);
      }
      if (idle) {
        set(SOL_TCP, TCP_KEEPIDLE, *idle);
      }
      if (interval) {
        set(SOL_TCP, TCP_KEEPINTVL, *interval);
      }
    };
    const schema::SkOptsEntry& old = *entry.opts();
    set_all(old.tcp_keepcnt(), old.tcp_keepidle(), old.tcp_keepintvl());
    if (const schema::TcpOptsEntry* options = entry.tcp_opts()) {
      set_all(options->keepcnt(), options->keepidle(), options->keepintvl());
      if (options->nodelay().value_or(false)) {
        set(SOL_TCP, TCP_NODELAY, 1);
      }
      if (options->cork().value_or(false)) {
        set(SOL_TCP, TCP_CORK, 1);
      }
    }
  }
};

}  // namespace

std::unique_ptr<KindPlanner> plan_inet_sockets() {
  return std::make_unique<Inet>();
}

}  // namespace img::plan
