// SPDX-License-Identifier: MIT
// Unix sockets: single ones, pairs, connections to a listener of the tree, and what is queued.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <map>
#include <optional>
#include <vector>

#include "libimg/base/text.h"
#include "libimg/model/each_record.h"
#include "live/plan/files/sockets.h"

namespace img::plan {
namespace {

using model::OpenFile;
using schema::FdTypes;
using schema::UnixSkEntry;

constexpr std::uint32_t kListen = 10;      // TCP_LISTEN
constexpr std::uint32_t kEstablished = 1;  // TCP_ESTABLISHED
constexpr int kSendFlags = MSG_DONTWAIT | MSG_NOSIGNAL;
constexpr std::uint64_t kMostQueued = std::uint64_t{64} << 20;

Bytes name_of(const UnixSkEntry& entry) {
  return entry.name() == nullptr
             ? Bytes{}
             : std::as_bytes(std::span(entry.name()->data(), entry.name()->size()));
}

bool is_abstract(Bytes name) {
  return !name.empty() && name.front() == std::byte{0};
}

std::string label(const UnixSkEntry& entry) {
  return "unix socket:[" + std::to_string(entry.ino()) + "]";
}

std::string path_of(const UnixSkEntry& entry) {
  const Bytes name = name_of(entry);
  std::string path(as_text(name));
  return path.substr(0, path.find('\0'));
}

/// A packet that waits in a socket.
struct Packet {
  std::vector<std::byte> bytes;
  std::vector<std::uint32_t> rights;  // ids of the files that go with it
};

class UnixSockets final : public KindPlanner {
 public:
  explicit UnixSockets(FileContext& context) {
    for (const OpenFile& file : context.table.files()) {
      if (const auto* entry = file.as<UnixSkEntry>(FdTypes::UNIXSK)) {
        by_ino_.emplace(entry->ino(), entry);
      }
    }
    if (const Result<void> read = read_queues(context); !read) {
      context.builder->refuse(read.error());
    }
  }

  Result<Slot> open(FileContext& context, const OpenFile& file) override {
    const auto& entry = *file.as<UnixSkEntry>(FdTypes::UNIXSK);
    IMG_TRY(make(context, entry, file));
    return made_.at(entry.ino());
  }

  Result<void> opened(FileContext& context) override {
    for (const auto& [ino, slot] : std::map(made_)) {
      IMG_TRY(send_queue(context, *by_ino_.at(ino)));
    }
    for (const auto& [ino, slot] : made_) {
      const UnixSkEntry& entry = *by_ino_.at(ino);
      shut_down(context, slot, entry.shutdown().value_or(schema::SkShutdown::NONE), label(entry));
    }
    for (const auto& [ino, slot] : senders_) {
      context.builder->close(slot);
    }
    for (const std::string& path : deleted_) {
      const auto [folder, name] = context.place_of(path);
      context.builder->call(kRestorer, SYS_unlinkat, {folder, name, 0},
                            "delete " + escaped(path) + ", as it was", kMayFail);
    }
    return {};
  }

 private:
  [[nodiscard]] const UnixSkEntry* find(std::uint32_t ino) const {
    const auto found = by_ino_.find(ino);
    return found == by_ino_.end() ? nullptr : found->second;
  }

  Result<void> make(FileContext& context, const UnixSkEntry& entry, const OpenFile& file) {
    if (made_.count(entry.ino()) != 0) {
      return {};
    }
    Slot slot{};
    if (takes_own(context, entry, file, slot)) {
      made_.emplace(entry.ino(), slot);
      outside_.push_back(entry.ino());
      return {};
    }
    const UnixSkEntry* peer = entry.peer() == 0 ? nullptr : find(entry.peer());
    if (peer != nullptr && peer->peer() == entry.ino() && peer != &entry) {
      return make_pair(context, entry, *peer);
    }
    if (peer == nullptr && entry.state() == kEstablished && entry.type() != SOCK_DGRAM) {
      return make_half(context, entry);
    }
    slot = make_single(context, entry);
    made_.emplace(entry.ino(), slot);
    if (peer != nullptr) {
      const OpenFile* target = context.table.find(peer->id(), FdTypes::UNIXSK);
      if (peer != &entry && target != nullptr) {
        IMG_TRY(context.slot_of(target->id, FdTypes::UNIXSK));
      }
      IMG_TRY(connect(context, slot, *peer));
    }
    return {};
  }

  /// The caller has named a descriptor for it, or it is one of the root's standard descriptors and
  /// its other end is not in the image.
  bool takes_own(FileContext& context, const UnixSkEntry& entry, const OpenFile& file,
                 Slot& slot) const {
    const int fd = context.standard_descriptor(file);
    if (context.inherits("socket:[" + std::to_string(entry.ino()) + "]", slot) ||
        (fd >= 0 && context.inherits("fd[" + std::to_string(fd) + "]", slot))) {
      return true;
    }
    if (fd < 0 || entry.peer() == 0 || find(entry.peer()) != nullptr) {
      return false;
    }
    slot = context.own_descriptor(fd);
    context.builder->note("descriptor " + std::to_string(fd) +
                          " was a socket to a process outside the tree; it is live-restore's own"
                          " now");
    return true;
  }

  static Slot new_socket(FileContext& context, const UnixSkEntry& entry, const std::string& what) {
    PlanBuilder& builder = *context.builder;
    return builder.keep(
        builder.call(kRestorer, SYS_socket, {AF_UNIX, entry.type() | SOCK_CLOEXEC, 0}, what));
  }

  Slot make_single(FileContext& context, const UnixSkEntry& entry) {
    const Slot slot = new_socket(context, entry, label(entry));
    set_socket_options(context, slot, *entry.opts(), label(entry));
    bind(context, slot, entry);
    if (entry.state() == kListen) {
      context.builder->call(kRestorer, SYS_listen, {slot, entry.backlog()},
                            "listen on " + label(entry));
    }
    context.set_flags(slot, entry.flags());
    return slot;
  }

  /// Both ends are in the image.
  Result<void> make_pair(FileContext& context, const UnixSkEntry& one, const UnixSkEntry& other) {
    if (one.type() != SOCK_DGRAM && (!name_of(one).empty() || !name_of(other).empty())) {
      const bool one_is_server = is_server(one, other);
      return make_connection(context, one_is_server ? one : other, one_is_server ? other : one);
    }
    const auto [first, second] = socket_pair(context, one);
    finish_end(context, one, first, true);
    finish_end(context, other, second, true);
    return {};
  }

  std::pair<Slot, Slot> socket_pair(FileContext& context, const UnixSkEntry& entry) {
    PlanBuilder& builder = *context.builder;
    const DataId ends = builder.data(8);
    builder.call(kRestorer, SYS_socketpair, {AF_UNIX, entry.type() | SOCK_CLOEXEC, 0, ends},
                 "pair of " + label(entry));
    const Slot first = builder.load(ends, 0);
    const Slot second = builder.load(ends, 4);
    const Slot kept = builder.keep(first);
    return {kept, builder.keep(second)};
  }

  void finish_end(FileContext& context, const UnixSkEntry& entry, Slot slot, bool binds) {
    set_socket_options(context, slot, *entry.opts(), label(entry));
    if (binds) {
      bind(context, slot, entry);
    }
    context.set_flags(slot, entry.flags());
    made_.emplace(entry.ino(), slot);
  }

  /// A connection whose other end has been closed: what it had sent may still be queued.
  Result<void> make_half(FileContext& context, const UnixSkEntry& entry) {
    if (entry.peer() != 0) {
      return fail(Fault::unsupported, label(entry), "is connected to a process outside the tree",
                  "its other end is not in the image",
                  "--inherit-fd N:socket:[" + std::to_string(entry.ino()) + "] gives it another");
    }
    const auto [ours, theirs] = socket_pair(context, entry);
    finish_end(context, entry, ours, false);
    senders_.emplace(entry.ino(), theirs);
    return {};
  }

  /// The end that accept(2) made has the listener's name.
  [[nodiscard]] bool is_server(const UnixSkEntry& one, const UnixSkEntry& other) const {
    if (name_of(one).empty() || name_of(other).empty()) {
      return !name_of(one).empty();
    }
    return listener_of(one) != nullptr;
  }

  [[nodiscard]] const UnixSkEntry* listener_of(const UnixSkEntry& server) const {
    const Bytes name = name_of(server);
    for (const auto& [ino, entry] : by_ino_) {
      if (entry->state() == kListen && std::ranges::equal(name_of(*entry), name)) {
        return entry;
      }
    }
    return nullptr;
  }

  Result<void> make_connection(FileContext& context, const UnixSkEntry& server,
                               const UnixSkEntry& client) {
    PlanBuilder& builder = *context.builder;
    const UnixSkEntry* listener = listener_of(server);
    Slot listening{};
    if (listener != nullptr) {
      IMG_ASSIGN(listening, context.slot_of(listener->id(), FdTypes::UNIXSK));
    } else {
      listening = new_socket(context, server, "listener for " + label(server));
      bind(context, listening, server);
      builder.call(kRestorer, SYS_listen, {listening, 1}, "listen for " + label(client));
    }
    const Slot calling = new_socket(context, client, label(client));
    finish_end(context, client, calling, true);
    IMG_TRY(connect(context, calling, server));
    const Slot accepted = builder.keep(builder.call(
        kRestorer, SYS_accept4, {listening, 0, 0, O_CLOEXEC}, "accept " + label(server)));
    finish_end(context, server, accepted, false);
    if (listener == nullptr) {
      builder.close(listening);
    }
    return {};
  }

  static DataId address(PlanBuilder& builder, Bytes name) {
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    std::memcpy(to.sun_path, name.data(), std::min(name.size(), sizeof(to.sun_path)));
    return builder.object(to);
  }

  static std::uint32_t address_size(Bytes name) {
    return static_cast<std::uint32_t>(offsetof(sockaddr_un, sun_path) +
                                      std::min(name.size(), sizeof(sockaddr_un::sun_path)));
  }

  Result<void> connect(FileContext& context, Slot slot, const UnixSkEntry& to) {
    const Bytes name = name_of(to);
    if (name.empty()) {
      return fail(Fault::unsupported, label(to), "has no name", "others cannot be connected to it");
    }
    const bool moved = enter_folder(context, to);
    context.builder->call(kRestorer, SYS_connect,
                          {slot, address(*context.builder, name), address_size(name)},
                          "connect to " + label(to));
    leave_folder(context, moved);
    return {};
  }

  /// A relative name starts in the folder that the program was in.
  bool enter_folder(FileContext& context, const UnixSkEntry& entry) {
    if (entry.name_dir() == nullptr || is_abstract(name_of(entry))) {
      return false;
    }
    PlanBuilder& builder = *context.builder;
    if (!here_) {
      here_ = builder.keep(builder.call(kRestorer, SYS_openat,
                                        {AT_FDCWD, builder.text("."), O_PATH | O_CLOEXEC},
                                        "live-restore's own folder"));
    }
    const Slot folder = context.open_path(entry.name_dir()->string_view(), O_PATH | O_DIRECTORY);
    builder.call(kRestorer, SYS_fchdir, {folder},
                 "go to " + escaped(entry.name_dir()->string_view()));
    return true;
  }

  void leave_folder(FileContext& context, bool moved) {
    if (moved) {
      context.builder->call(kRestorer, SYS_fchdir, {*here_}, "go back");
    }
  }

  void bind(FileContext& context, Slot slot, const UnixSkEntry& entry) {
    const Bytes name = name_of(entry);
    if (name.empty()) {
      return;
    }
    PlanBuilder& builder = *context.builder;
    const bool moved = enter_folder(context, entry);
    const std::string path = path_of(entry);
    if (!is_abstract(name)) {
      // Left by the tree that was dumped; a file that is no socket is not taken away.
      builder.expect(SocketOrNothing{full_path(entry)});
      builder.call(kRestorer, SYS_unlinkat, {AT_FDCWD, builder.text(path), 0},
                   "remove the old " + escaped(path), may_fail_with(ENOENT));
    }
    builder.call(kRestorer, SYS_bind, {slot, address(builder, name), address_size(name)},
                 "bind " + label(entry));
    if (!is_abstract(name)) {
      if (const schema::FilePermsEntry* node = entry.file_perms()) {
        const DataId text = builder.text(path);
        builder.call(kRestorer, SYS_fchownat, {AT_FDCWD, text, node->uid(), node->gid(), 0},
                     "owner of " + escaped(path));
        builder.call(kRestorer, SYS_fchmodat, {AT_FDCWD, text, node->mode() & 07777},
                     "mode of " + escaped(path));
      }
      if (entry.deleted().value_or(false)) {
        deleted_.push_back(full_path(entry));
      }
    }
    leave_folder(context, moved);
  }

  static std::string full_path(const UnixSkEntry& entry) {
    const std::string path = path_of(entry);
    return entry.name_dir() == nullptr || path.rfind('/', 0) == 0
               ? path
               : entry.name_dir()->str() + "/" + path;
  }

  Result<void> read_queues(FileContext& context) {
    std::uint64_t total = 0;
    bool is_too_much = false;
    IMG_TRY(model::for_each_message<schema::SkPacketEntry>(
        context.reader, {model::Kind::sk_queues, 0},
        [&](const schema::SkPacketEntry& entry, const model::Record& record) {
          total += record.payload.size();
          if (total > kMostQueued) {
            is_too_much = true;
            return;
          }
          Packet packet;
          for (const Bytes part : record.payload.parts) {
            packet.bytes.insert(packet.bytes.end(), part.begin(), part.end());
          }
          for (std::uint32_t i = 0; entry.scm() != nullptr && i < entry.scm()->size(); ++i) {
            const auto* rights = entry.scm()->Get(i)->rights();
            for (std::uint32_t n = 0; rights != nullptr && n < rights->size(); ++n) {
              packet.rights.push_back(rights->Get(n));
            }
          }
          queues_[entry.id_for()].push_back(std::move(packet));
        }));
    if (is_too_much) {
      return fail(Fault::limit, "sk-queues.img", "more than 64 MiB are queued in sockets");
    }
    return {};
  }

  /// Who sends: the other end, or for a socket without one a socket made for it.
  Result<Slot> sender_to(FileContext& context, const UnixSkEntry& entry) {
    for (const auto& [ino, other] : by_ino_) {
      if (other->peer() == entry.ino() && made_.count(ino) != 0 && other != &entry) {
        return made_.at(ino);
      }
    }
    const auto known = senders_.find(entry.ino());
    if (known != senders_.end()) {
      return known->second;
    }
    const Slot slot = new_socket(context, entry, "sender to " + label(entry));
    IMG_TRY(connect(context, slot, entry));
    senders_.emplace(entry.ino(), slot);
    return slot;
  }

  Result<void> send_queue(FileContext& context, const UnixSkEntry& entry) {
    const auto queue = queues_.find(entry.id());
    if (queue == queues_.end() ||
        std::find(outside_.begin(), outside_.end(), entry.ino()) != outside_.end()) {
      return {};
    }
    IMG_ASSIGN(const Slot sender, sender_to(context, entry));
    for (const Packet& packet : queue->second) {
      IMG_TRY(send(context, sender, packet, label(entry)));
    }
    return {};
  }

  static Result<void> send(FileContext& context, Slot sender, const Packet& packet,
                           const std::string& name) {
    PlanBuilder& builder = *context.builder;
    iovec part{};
    part.iov_len = packet.bytes.size();
    const DataId parts =
        builder.object(part, {{offsetof(iovec, iov_base), 8, builder.data(packet.bytes), false}});
    msghdr message{};
    message.msg_iovlen = 1;
    std::vector<Patch> patches{{offsetof(msghdr, msg_iov), 8, parts, false}};
    if (!packet.rights.empty()) {
      std::vector<std::byte> control(CMSG_SPACE(packet.rights.size() * sizeof(int)));
      cmsghdr head{};
      head.cmsg_level = SOL_SOCKET;
      head.cmsg_type = SCM_RIGHTS;
      head.cmsg_len = CMSG_LEN(packet.rights.size() * sizeof(int));
      std::memcpy(control.data(), &head, sizeof(head));
      std::vector<Patch> descriptors;
      for (std::size_t i = 0; i < packet.rights.size(); ++i) {
        const OpenFile* file = context.table.find(packet.rights[i]);
        IMG_ASSIGN(const Slot passed,
                   context.slot_of(packet.rights[i], file == nullptr ? FdTypes::UND : file->type));
        descriptors.push_back(
            {static_cast<std::uint32_t>(CMSG_LEN(0) + i * sizeof(int)), 4, passed, false});
      }
      message.msg_controllen = control.size();
      patches.push_back(
          {offsetof(msghdr, msg_control), 8, builder.data(control, std::move(descriptors)), false});
    }
    builder.call(kRestorer, SYS_sendmsg,
                 {sender, builder.object(message, std::move(patches)), kSendFlags},
                 "what waits in " + name);
    return {};
  }

  std::map<std::uint32_t, const UnixSkEntry*> by_ino_;
  std::map<std::uint32_t, std::vector<Packet>> queues_;  // by file id
  std::map<std::uint32_t, Slot> made_;                   // by ino
  std::map<std::uint32_t, Slot> senders_;                // by ino of the receiver; closed at last
  std::vector<std::uint32_t> outside_;
  std::vector<std::string> deleted_;
  std::optional<Slot> here_;
};

}  // namespace

std::unique_ptr<KindPlanner> plan_unix_sockets(FileContext& context) {
  return std::make_unique<UnixSockets>(context);
}

}  // namespace img::plan
