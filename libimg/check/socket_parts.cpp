// SPDX-License-Identifier: MIT
#include "libimg/check/socket_parts.h"

#include <fmt/core.h>

namespace img::check {
namespace {

struct Option {
  const char* field;
  std::uint64_t value;
  std::uint64_t least;
  std::uint64_t most;
};

void judge(Facts& facts, const OpenFile& file, const char* part, const Option& option) {
  if (option.value < option.least || option.value > option.most) {
    facts.report.add(
        RuleId::SKO_1,
        facts.at(file, fmt::format("{}.{}", part, option.field), std::to_string(option.value)),
        fmt::format("is not within {} to {}, and the kernel takes nothing else", option.least,
                    option.most));
  }
}

constexpr std::uint64_t kMaxSeconds = 32767;  // MAX_TCP_KEEPIDLE, MAX_TCP_KEEPINTVL
constexpr std::uint64_t kMaxProbes = 127;     // MAX_TCP_KEEPCNT

void shared(Facts& facts, const OpenFile& file, const char* part,
            const schema::SkOptsEntry* options) {
  if (options == nullptr) {
    return;
  }
  constexpr std::uint64_t kLastMicrosecond = 999'999;
  constexpr std::uint64_t kBothLocked = 3;
  const Option all[] = {
      {"opts.so_snd_tmo_usec", options->so_snd_tmo_usec(), 0, kLastMicrosecond},
      {"opts.so_rcv_tmo_usec", options->so_rcv_tmo_usec(), 0, kLastMicrosecond},
      {"opts.so_buf_lock", options->so_buf_lock().value_or(0), 0, kBothLocked},
      {"opts.tcp_keepcnt", options->tcp_keepcnt().value_or(1), 1, kMaxProbes},
      {"opts.tcp_keepidle", options->tcp_keepidle().value_or(1), 1, kMaxSeconds},
      {"opts.tcp_keepintvl", options->tcp_keepintvl().value_or(1), 1, kMaxSeconds},
  };
  for (const Option& option : all) {
    judge(facts, file, part, option);
  }
}

void of_inet(Facts& facts, const OpenFile& file, const schema::InetSkEntry& entry) {
  constexpr std::uint32_t kDefaultTtl = UINT32_MAX;
  constexpr std::uint64_t kMaxTtl = 255;
  if (const auto* tcp = entry.tcp_opts()) {
    const Option all[] = {
        {"tcp_opts.keepcnt", tcp->keepcnt().value_or(1), 1, kMaxProbes},
        {"tcp_opts.keepidle", tcp->keepidle().value_or(1), 1, kMaxSeconds},
        {"tcp_opts.keepintvl", tcp->keepintvl().value_or(1), 1, kMaxSeconds},
    };
    for (const Option& option : all) {
      judge(facts, file, "isk", option);
    }
  }
  const auto* ip = entry.ip_opts();
  if (ip != nullptr && ip->ttl().value_or(kDefaultTtl) != kDefaultTtl) {
    judge(facts, file, "isk", {"ip_opts.ttl", *ip->ttl(), 1, kMaxTtl});
  }
}

/// Sequence numbers go round.
bool is_after(std::uint32_t a, std::uint32_t b) {
  return static_cast<std::int32_t>(b - a) < 0;
}

}  // namespace

void judge_socket_options(Facts& facts, const OpenFile& file) {
  if (const auto* local = file.as<schema::UnixSkEntry>(FdTypes::UNIXSK)) {
    shared(facts, file, "usk", local->opts());
  } else if (const auto* inet = file.as<schema::InetSkEntry>(FdTypes::INETSK)) {
    shared(facts, file, "isk", inet->opts());
    of_inet(facts, file, *inet);
  } else if (const auto* netlink = file.as<schema::NetlinkSkEntry>(FdTypes::NETLINKSK)) {
    shared(facts, file, "nlsk", netlink->opts());
  } else if (const auto* packets = file.as<schema::PacketSockEntry>(FdTypes::PACKETSK)) {
    shared(facts, file, "psk", packets->opts());
  }
}

// What TCP_REPAIR_WINDOW refuses.
void judge_tcp_window(Facts& facts, const Record& record, const schema::TcpStreamEntry& entry) {
  if (!entry.snd_wnd()) {
    return;  // an image from before windows were kept
  }
  const std::uint32_t largest = entry.max_window().value_or(0);
  const auto wrong = [&](const char* field, std::uint32_t value, std::string why) {
    facts.report.add(RuleId::INE_3, facts.at(record, field, std::to_string(value)), std::move(why));
  };
  if (largest < *entry.snd_wnd()) {
    wrong("max_window", largest,
          fmt::format("is less than the window there is ({})", *entry.snd_wnd()));
  }
  const std::uint32_t wl1 = entry.snd_wl1().value_or(0);
  const std::uint32_t end = entry.inq_seq() + entry.rcv_wnd().value_or(0);
  if (is_after(wl1, end)) {
    wrong("snd_wl1", wl1, fmt::format("is after all that could have come ({})", end));
  }
  const std::uint32_t wup = entry.rcv_wup().value_or(0);
  if (is_after(wup, entry.inq_seq())) {
    wrong("rcv_wup", wup, fmt::format("is after what has come ({})", entry.inq_seq()));
  }
}

}  // namespace img::check
