// SPDX-License-Identifier: MIT
#include "live/dump/files/unix_diag.h"

#include <linux/unix_diag.h>
#include <sys/socket.h>

#include "live/dump/files/sock_diag.h"

namespace img::dump {
namespace {

template <class T>
T value(const DiagAttributes& attributes, std::uint16_t type) {
  const auto found = attributes.find(type);
  return found != attributes.end() && found->second.size() >= sizeof(T)
             ? load<T>(found->second.data())
             : T{};
}

UnixSocketState state_in(const unix_diag_msg& head, const DiagAttributes& attributes) {
  UnixSocketState out;
  out.type = head.udiag_type;
  out.state = head.udiag_state;
  out.peer = value<std::uint32_t>(attributes, UNIX_DIAG_PEER);
  out.shutdown = value<std::uint8_t>(attributes, UNIX_DIAG_SHUTDOWN);
  const auto queues = value<unix_diag_rqlen>(attributes, UNIX_DIAG_RQLEN);
  out.waiting = queues.udiag_rqueue;
  out.limit = queues.udiag_wqueue;
  if (const auto name = attributes.find(UNIX_DIAG_NAME); name != attributes.end()) {
    out.name = as_text(name->second);
  }
  if (const auto waiting = attributes.find(UNIX_DIAG_ICONS); waiting != attributes.end()) {
    out.unaccepted.resize(waiting->second.size() / sizeof(std::uint32_t));
    std::memcpy(out.unaccepted.data(), waiting->second.data(),
                out.unaccepted.size() * sizeof(std::uint32_t));
  }
  return out;
}

}  // namespace

Result<UnixSocketTable> list_unix_sockets() {
  unix_diag_req request{};
  request.sdiag_family = AF_UNIX;
  request.udiag_states = ~0U;
  request.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_ICONS | UDIAG_SHOW_RQLEN;
  UnixSocketTable out;
  IMG_TRY(ask_sock_diag(std::as_bytes(std::span(&request, 1)), sizeof(unix_diag_msg),
                        [&](Bytes message, const DiagAttributes& attributes) {
                          const auto head = load<unix_diag_msg>(message.data());
                          out[head.udiag_ino] = state_in(head, attributes);
                        }));
  return out;
}

}  // namespace img::dump
