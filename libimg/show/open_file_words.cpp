// SPDX-License-Identifier: MIT
#include "libimg/show/open_file_words.h"

#include <fmt/core.h>

#include "libimg/base/units.h"
#include "libimg/show/words.h"

namespace img::show {
namespace {

using schema::FdTypes;

std::string path_of_regular(Subject& subject, std::uint32_t id) {
  const model::OpenFile* file = subject.open_files().find(id);
  const auto* reg = file == nullptr ? nullptr : file->as<schema::RegFileEntry>(FdTypes::REG);
  return reg == nullptr ? std::string() : reg->name()->str();
}

FileWords of(Subject& subject, const schema::RegFileEntry& reg) {
  FileWords words;
  words.type = reg.mode() ? std::string(file_kind(*reg.mode())) : "file";
  words.path = reg.name()->str();
  words.what = words.path + remap_words(subject, reg.id());
  if (reg.ext().value_or(false)) {
    words.what += " (external)";
  }
  words.access = open_flags(reg.flags());
  words.position = reg.pos();
  words.size = reg.size();
  return words;
}

FileWords of(const schema::InetSkEntry& socket) {
  FileWords words;
  words.type = inet_protocol(socket.family(), socket.type(), socket.proto());
  words.what = inet_address(socket.src_addr(), socket.src_port());
  if (socket.dst_port() != 0) {
    words.what += " -> " + inet_address(socket.dst_addr(), socket.dst_port());
  }
  words.what += " " + socket_state(socket.state());
  words.access = open_flags(socket.flags());
  return words;
}

FileWords of(const schema::UnixSkEntry& socket) {
  FileWords words;
  words.type = "unix " + socket_type(socket.type());
  const std::string name = unix_name(socket.name());
  words.what = fmt::format("socket:[{}]", socket.ino());
  words.what += name.empty() ? "" : " " + name;
  words.what += socket.peer() != 0 ? fmt::format(" -> socket:[{}]", socket.peer()) : "";
  words.what += " " + socket_state(socket.state());
  words.access = open_flags(socket.flags());
  return words;
}

FileWords of(const schema::TimerfdEntry& timer) {
  FileWords words{"timerfd", {}, {}, open_flags(timer.flags()), {}, {}};
  const auto time = [](std::uint64_t seconds, std::uint64_t nanoseconds) {
    return duration_text(std::min<std::uint64_t>(seconds, 1ULL << 33) * kSecond +
                         std::min(nanoseconds, kSecond));
  };
  words.what = clock_name(timer.clockid());
  words.what += timer.vsec() == 0 && timer.vnsec() == 0
                    ? ", disarmed"
                    : ", in " + time(timer.vsec(), timer.vnsec());
  if (timer.isec() != 0 || timer.insec() != 0) {
    words.what += ", every " + time(timer.isec(), timer.insec());
  }
  return words;
}

FileWords of(const schema::EventpollFileEntry& epoll) {
  FileWords words{"epoll", {}, {}, open_flags(epoll.flags()), {}, {}};
  constexpr std::size_t kListed = 16;
  const std::size_t count = epoll.tfd() == nullptr ? 0 : epoll.tfd()->size();
  for (std::size_t index = 0; index < std::min(count, kListed); ++index) {
    words.what += (index == 0 ? "fd " : ", ") +
                  std::to_string(epoll.tfd()->Get(static_cast<unsigned>(index))->tfd());
  }
  words.what += count > kListed ? fmt::format(" and {} more", count - kListed) : "";
  words.what = count == 0 ? "watches nothing" : "watches " + words.what;
  return words;
}

FileWords of(Subject& subject, const schema::TtyFileEntry& tty) {
  FileWords words{"tty", {}, {}, open_flags(tty.flags()), {}, {}};
  words.path = path_of_regular(subject, tty.regf_id().value_or(tty.id()));
  words.what = words.path.empty() ? fmt::format("tty {}", tty.tty_info_id()) : words.path;
  return words;
}

FileWords of(Subject& subject, const schema::MemfdFileEntry& memfd) {
  FileWords words{"memfd",     fmt::format("inode {}", memfd.inode_id()),
                  {},          open_flags(memfd.flags()),
                  memfd.pos(), {}};
  if (const auto* inode = subject.shared_memory().memfd(memfd.inode_id())) {
    const bool is_anonymous = inode->name == "/dev/zero";  // the kernel's name for it
    words.what = is_anonymous ? "shared anonymous memory" : "memfd:" + inode->name;
    words.size = inode->size;
  }
  return words;
}

FileWords of(const schema::NetlinkSkEntry& socket) {
  return {"netlink",
          fmt::format("{}{}", netlink_protocol(socket.protocol()),
                      socket.portid() != 0 ? fmt::format(" port {}", socket.portid()) : ""),
          {},
          open_flags(socket.flags()),
          {},
          {}};
}

template <class T>
std::size_t size_of(const T* vector) {
  return vector == nullptr ? 0 : vector->size();
}

/// Those that take one line.
FileWords simple_words(const model::OpenFile& file) {
  using namespace schema;
  FileWords words;
  if (const auto* pipe = file.as<PipeEntry>(FdTypes::PIPE)) {
    return {"pipe", fmt::format("pipe:[{}]", pipe->pipe_id()), {}, open_flags(pipe->flags()), {},
            {}};
  }
  if (const auto* event = file.as<EventfdFileEntry>(FdTypes::EVENTFD)) {
    return {"eventfd", fmt::format("count {}", event->counter()),
            {},        open_flags(event->flags()),
            {},        {}};
  }
  if (const auto* signal = file.as<SignalfdEntry>(FdTypes::SIGNALFD)) {
    return {"signalfd", signal_set(signal->signal_mask()), {}, open_flags(signal->flags()), {}, {}};
  }
  if (const auto* watch = file.as<InotifyFileEntry>(FdTypes::INOTIFY)) {
    return {"inotify", fmt::format("{} watches", size_of(watch->wd())),
            {},        open_flags(watch->flags()),
            {},        {}};
  }
  if (const auto* mark = file.as<FanotifyFileEntry>(FdTypes::FANOTIFY)) {
    return {"fanotify", fmt::format("{} marks", size_of(mark->mark())),
            {},         open_flags(mark->flags()),
            {},         {}};
  }
  if (const auto* packet = file.as<PacketSockEntry>(FdTypes::PACKETSK)) {
    return {
        "packet", fmt::format("protocol {:#x} interface {}", packet->protocol(), packet->ifindex()),
        {},       open_flags(packet->flags()),
        {},       {}};
  }
  if (const auto* space = file.as<NsFileEntry>(FdTypes::NS)) {
    return {"namespace",
            fmt::format("{} namespace {}", namespace_type(space->ns_cflag()), space->ns_id()),
            {},
            open_flags(space->flags()),
            {},
            {}};
  }
  if (const auto* tun = file.as<TunfileEntry>(FdTypes::TUNF)) {
    return {"tun", tun->netdev() == nullptr ? "not attached" : tun->netdev()->str(), {}, {}, {},
            {}};
  }
  if (const auto* map = file.as<BpfmapFileEntry>(FdTypes::BPFMAP)) {
    return {"bpf map", fmt::format("{} (id {})", map->map_name()->string_view(), map->map_id()),
            {},        open_flags(map->flags()),
            {},        {}};
  }
  if (const auto* pid = file.as<PidfdEntry>(FdTypes::PIDFD)) {
    return {"pidfd",
            pid->nspid() < 0 ? "of a process that is gone" : fmt::format("of {}", pid->nspid()),
            {},
            open_flags(pid->flags()),
            {},
            {}};
  }
  if (file.as<ExtFileEntry>(FdTypes::EXT) != nullptr) {
    return {"external", "restored by --inherit-fd or a plug-in", {}, {}, {}, {}};
  }
  return {model::type_name(file.type), fmt::format("file {}", file.id), {}, {}, {}, {}};
}

}  // namespace

std::string remap_words(Subject& subject, std::uint32_t file_id) {
  const Remap* remap = subject.remap_of(file_id);
  if (remap == nullptr) {
    return {};
  }
  switch (remap->type) {
    case schema::RemapType::GHOST: return " (deleted, content in the image)";
    case schema::RemapType::LINKED: return " (deleted, kept by a link)";
    case schema::RemapType::PROCFS: return " (of a process that is gone)";
  }
  return " (deleted)";
}

FileWords words_of(Subject& subject, const model::OpenFile& file) {
  using namespace schema;
  if (const auto* reg = file.as<RegFileEntry>(FdTypes::REG)) {
    return of(subject, *reg);
  }
  if (const auto* socket = file.as<InetSkEntry>(FdTypes::INETSK)) {
    return of(*socket);
  }
  if (const auto* socket = file.as<UnixSkEntry>(FdTypes::UNIXSK)) {
    return of(*socket);
  }
  if (const auto* socket = file.as<NetlinkSkEntry>(FdTypes::NETLINKSK)) {
    return of(*socket);
  }
  if (const auto* timer = file.as<TimerfdEntry>(FdTypes::TIMERFD)) {
    return of(*timer);
  }
  if (const auto* epoll = file.as<EventpollFileEntry>(FdTypes::EVENTPOLL)) {
    return of(*epoll);
  }
  if (const auto* tty = file.as<TtyFileEntry>(FdTypes::TTY)) {
    return of(subject, *tty);
  }
  if (const auto* memfd = file.as<MemfdFileEntry>(FdTypes::MEMFD)) {
    return of(subject, *memfd);
  }
  if (const auto* fifo = file.as<FifoEntry>(FdTypes::FIFO)) {
    const std::uint32_t id = fifo->regf_id().value_or(fifo->id());
    const std::string path = path_of_regular(subject, id);
    return {"fifo", path.empty() ? fmt::format("fifo:[{}]", fifo->pipe_id()) : path, path, {}, {},
            {}};
  }
  return simple_words(file);
}

std::string file_words(Subject& subject, std::uint32_t id) {
  const model::OpenFile* file = subject.open_files().find(id);
  return file == nullptr ? fmt::format("file {} (missing)", id) : words_of(subject, *file).what;
}

}  // namespace img::show
