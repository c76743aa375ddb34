// SPDX-License-Identifier: MIT
#include "live/dump/files/sock_diag.h"

#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <vector>

#include "libimg/base/unique_fd.h"

namespace img::dump {
namespace {

constexpr const char* kThing = "sock_diag";

DiagAttributes attributes_in(Bytes bytes) {
  DiagAttributes out;
  while (bytes.size() >= sizeof(nlattr)) {
    const auto head = load<nlattr>(bytes.data());
    if (head.nla_len < sizeof(nlattr) || head.nla_len > bytes.size()) {
      break;
    }
    out[head.nla_type] = bytes.subspan(sizeof(nlattr), head.nla_len - sizeof(nlattr));
    bytes = bytes.subspan(std::min<std::size_t>(round_up(head.nla_len, 4), bytes.size()));
  }
  return out;
}

Result<void> send_request(int fd, Bytes request) {
  std::vector<std::byte> message(NLMSG_HDRLEN + request.size());
  nlmsghdr head{};
  head.nlmsg_len = static_cast<std::uint32_t>(message.size());
  head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  head.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  std::memcpy(message.data(), &head, sizeof head);
  std::memcpy(message.data() + NLMSG_HDRLEN, request.data(), request.size());
  if (::send(fd, message.data(), message.size(), 0) != static_cast<ssize_t>(message.size())) {
    return fail(sys_error(errno, kThing, "send"));
  }
  return {};
}

}  // namespace

Result<void> ask_sock_diag(
    Bytes request, std::size_t fixed,
    const std::function<void(Bytes message, const DiagAttributes& attributes)>& each) {
  const UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!fd.is_open()) {
    return fail(sys_error(errno, kThing, "socket"));
  }
  IMG_TRY(send_request(fd.get(), request));
  std::vector<std::byte> buffer(std::size_t{64} << 10);
  for (;;) {
    const ssize_t got = ::recv(fd.get(), buffer.data(), buffer.size(), 0);
    if (got <= 0) {
      return fail(sys_error(got < 0 ? errno : EIO, kThing, "receive"));
    }
    Bytes rest(buffer.data(), static_cast<std::size_t>(got));
    while (rest.size() >= sizeof(nlmsghdr)) {
      const auto head = load<nlmsghdr>(rest.data());
      if (head.nlmsg_len < NLMSG_HDRLEN || head.nlmsg_len > rest.size()) {
        return fail(Fault::corrupt, kThing, "read an answer", "its length is wrong");
      }
      const Bytes message = rest.subspan(NLMSG_HDRLEN, head.nlmsg_len - NLMSG_HDRLEN);
      if (head.nlmsg_type == NLMSG_DONE) {
        return {};
      }
      if (head.nlmsg_type == NLMSG_ERROR) {
        const int why = message.size() >= sizeof(int) ? -load<int>(message.data()) : EIO;
        return fail(sys_error(why, kThing, "ask"));
      }
      if (message.size() >= fixed) {
        each(message, attributes_in(message.subspan(fixed)));
      }
      rest = rest.subspan(std::min<std::size_t>(NLMSG_ALIGN(head.nlmsg_len), rest.size()));
    }
  }
}

}  // namespace img::dump
