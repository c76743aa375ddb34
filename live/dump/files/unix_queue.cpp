// SPDX-License-Identifier: MIT
#include "live/dump/files/unix_queue.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace img::dump {
namespace {

/// More than the largest packet that a socket's buffer, doubled as it is, lets through by default.
constexpr std::size_t kPacketBytes = std::size_t{4} << 20;
constexpr std::size_t kControlBytes = 4096;  // 253 descriptors at most, and credentials

/// The offset that MSG_PEEK reads at is the socket's own: it is put back.
class PeekOffset {
 public:
  [[nodiscard]] static Result<PeekOffset> begin(const OpenFile& file) {
    int before = -1;
    socklen_t length = sizeof before;
    const int fd = file.copy.get();
    const int zero = 0;
    if (::getsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &before, &length) != 0 ||
        ::setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &zero, sizeof zero) != 0) {
      return fail(sys_error(errno, file.name(), "setsockopt(SO_PEEK_OFF)"));
    }
    return PeekOffset(fd, before);
  }
  PeekOffset(PeekOffset&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), before_(other.before_) {}
  PeekOffset& operator=(PeekOffset&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(before_, other.before_);
    return *this;
  }
  ~PeekOffset() {
    if (fd_ >= 0) {
      ::setsockopt(fd_, SOL_SOCKET, SO_PEEK_OFF, &before_, sizeof before_);
    }
  }

 private:
  PeekOffset(int fd, int before) : fd_(fd), before_(before) {}
  int fd_;
  int before_;
};

struct Packet {
  Bytes bytes;
  std::vector<UniqueFd> descriptors;
  bool is_odd = false;  // carries what cannot be sent again
};

class Queue {
 public:
  Queue(const OpenFile& file, std::uint32_t id, FileBench& bench, const TakeInFlight& take)
      : file_(file), id_(id), bench_(bench), take_(take) {}

  Result<void> add() {
    IMG_ASSIGN(const PeekOffset offset, PeekOffset::begin(file_));
    for (;;) {
      Packet packet;
      IMG_ASSIGN(const bool is_there, peek(packet));
      if (!is_there) {
        return {};
      }
      if (packet.is_odd) {
        bench_.refuse(file_, state::Piece::unix_credentials);
        return {};
      }
      IMG_TRY(add_one(packet));
    }
  }

 private:
  Result<bool> peek(Packet& packet) {
    IMG_ASSIGN(const std::span<std::byte> room, bench_.payloads().room(kPacketBytes));
    alignas(cmsghdr) std::array<char, kControlBytes> control;
    iovec into{room.data(), room.size()};
    msghdr message{};
    message.msg_iov = &into;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t got =
        ::recvmsg(file_.copy.get(), &message, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    bench_.payloads().shrink(room, got > 0 ? static_cast<std::size_t>(got) : 0);
    if (got < 0 && errno != EAGAIN) {
      return fail(sys_error(errno, file_.name(), "look at what is queued"));
    }
    if (got <= 0) {
      return false;
    }
    take_control(message, packet);
    packet.is_odd = packet.is_odd || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
    packet.bytes = room.first(static_cast<std::size_t>(got));
    return true;
  }

  static void take_control(msghdr& message, Packet& packet) {
    for (cmsghdr* one = CMSG_FIRSTHDR(&message); one != nullptr; one = CMSG_NXTHDR(&message, one)) {
      if (one->cmsg_level != SOL_SOCKET || one->cmsg_type != SCM_RIGHTS) {
        packet.is_odd = true;
        continue;
      }
      const std::size_t count = (one->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (std::size_t i = 0; i < count; ++i) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(one) + i * sizeof fd, sizeof fd);
        packet.descriptors.emplace_back(fd);
      }
    }
  }

  Result<void> add_one(Packet& packet) {
    std::vector<std::uint32_t> rights;
    for (UniqueFd& fd : packet.descriptors) {
      IMG_ASSIGN(const std::uint32_t id, take_(std::move(fd)));
      rights.push_back(id);
    }
    auto& builder = bench_.builder();
    std::vector<flatbuffers::Offset<schema::ScmEntry>> control;
    if (!rights.empty()) {
      const auto ids = builder.CreateVector(rights);
      control.push_back(schema::CreateScmEntry(builder, SCM_RIGHTS, ids));
    }
    const auto list = control.empty() ? 0 : builder.CreateVector(control);
    bench_.records().add(Kind::sk_queues, 0,
                         schema::CreateSkPacketEntry(
                             builder, id_, static_cast<std::uint32_t>(packet.bytes.size()), list),
                         {packet.bytes});
    return {};
  }

  const OpenFile& file_;
  std::uint32_t id_;
  FileBench& bench_;
  const TakeInFlight& take_;
};

}  // namespace

Result<void> add_unix_queue(const OpenFile& file, std::uint32_t id, FileBench& bench,
                            const TakeInFlight& take) {
  return Queue(file, id, bench, take).add();
}

}  // namespace img::dump
