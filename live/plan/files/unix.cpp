// SPDX-License-Identifier: MIT
// Unix sockets: single ones, pairs, and connections to a listener of the tree.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <map>
#include <vector>

#include "live/plan/files/unix_names.h"
#include "live/plan/files/unix_queues.h"
#include "live/state/state.h"

namespace img::plan {
namespace {

using model::OpenFile;
using schema::FdTypes;
using schema::UnixSkEntry;

constexpr std::uint32_t kListen = 10;      // TCP_LISTEN
constexpr std::uint32_t kEstablished = 1;  // TCP_ESTABLISHED
constexpr std::uint32_t kOutside = 1;      // UnixSkEntry.uflags: not of the image

class UnixSockets final : public KindPlanner {
 public:
  explicit UnixSockets(FileContext& context) {
    for (const OpenFile& file : context.table.files()) {
      if (const auto* entry = file.as<UnixSkEntry>(FdTypes::UNIXSK)) {
        ((entry->uflags() & kOutside) != 0 ? services_ : by_ino_).emplace(entry->ino(), entry);
      }
    }
    if (const Result<void> read = queues_.read(context.reader); !read) {
      context.builder->refuse(state::refusal_because(state::Piece::file_in_image, read.error()));
    }
  }

  Result<Slot> open(FileContext& context, const OpenFile& file) override {
    const auto& entry = *file.as<UnixSkEntry>(FdTypes::UNIXSK);
    if (find(entry.ino()) != &entry) {
      return fail(Fault::corrupt, "files.img", label(entry),
                  "its number is another socket's, or it is one outside of the tree");
    }
    IMG_TRY(make(context, entry, file));
    return made_.at(entry.ino());
  }

  // Who waits to be accepted comes last: accept(2) takes those first that came first.
  Result<void> opened(FileContext& context) override {
    for (const UnixSkEntry* waiting : unaccepted_) {
      IMG_TRY(names_.connect(context, made_.at(waiting->ino()), *by_ino_.at(waiting->peer())));
    }
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
    names_.finish(context);
    return {};
  }

 private:
  [[nodiscard]] const UnixSkEntry* find(std::uint32_t ino) const {
    const auto found = by_ino_.find(ino);
    return found == by_ino_.end() ? nullptr : found->second;
  }
  /// Somebody outside of the tree, who is spoken to by name.
  [[nodiscard]] const UnixSkEntry* service_of(const UnixSkEntry& entry) const {
    const auto found = services_.find(entry.peer());
    const bool is_named = found != services_.end() && found->second->type() == SOCK_DGRAM &&
                          !name_of(*found->second).empty();
    return is_named ? found->second : nullptr;
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
    if (peer == nullptr && is_half(entry)) {
      return make_half(context, entry);
    }
    made_.emplace(entry.ino(), make_single(context, entry));
    return peer == nullptr ? connect_outside(context, entry)
                           : connect_single(context, entry, *peer);
  }

  /// Its other end is gone. A datagram socket without a name has got what waits in it from there.
  [[nodiscard]] bool is_half(const UnixSkEntry& entry) const {
    return entry.type() == SOCK_DGRAM
               ? entry.peer() == 0 && name_of(entry).empty() && queues_.has(entry.id())
               : entry.state() == kEstablished;
  }

  Result<void> connect_single(FileContext& context, const UnixSkEntry& entry,
                              const UnixSkEntry& peer) {
    const OpenFile* target = context.table.find(peer.id(), FdTypes::UNIXSK);
    if (&peer != &entry && target != nullptr) {
      IMG_TRY(context.slot_of(target->id, FdTypes::UNIXSK));
    }
    if (peer.state() == kListen) {
      unaccepted_.push_back(&entry);
      return {};
    }
    return names_.connect(context, made_.at(entry.ino()), peer);
  }

  Result<void> connect_outside(FileContext& context, const UnixSkEntry& entry) {
    const UnixSkEntry* service = service_of(entry);
    if (service == nullptr) {
      return {};
    }
    names_.expect_service(context, *service,
                          "--inherit-fd N:socket:[" + std::to_string(entry.ino()) + "]");
    return names_.connect(context, made_.at(entry.ino()), *service);
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
    if (fd < 0 || entry.peer() == 0 || find(entry.peer()) != nullptr ||
        service_of(entry) != nullptr) {
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
    names_.bind(context, slot, entry);
    if (entry.state() == kListen) {
      context.builder->call(kRestorer, SYS_listen, {slot, entry.backlog()},
                            "listen on " + label(entry));
    }
    context.set_flags(slot, entry.flags(), label(entry));
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
      names_.bind(context, slot, entry);
    }
    context.set_flags(slot, entry.flags(), label(entry));
    made_.emplace(entry.ino(), slot);
  }

  /// A connection whose other end has been closed: what it had sent may still be queued.
  Result<void> make_half(FileContext& context, const UnixSkEntry& entry) {
    if (entry.peer() != 0) {
      return fail(state::refusal(
          state::Piece::unix_outside, label(entry), {},
          "--inherit-fd N:socket:[" + std::to_string(entry.ino()) + "] gives it another"));
    }
    if (const UnixSkEntry* listener = listener_of(entry); listener != nullptr) {
      return make_accepted(context, entry, *listener);
    }
    if (!name_of(entry).empty()) {
      context.builder->note(label(entry) + " has lost its name, with the other end");
    }
    const auto [ours, theirs] = socket_pair(context, entry);
    finish_end(context, entry, ours, false);
    senders_.emplace(entry.ino(), theirs);
    return {};
  }

  /// It has its name from the listener, and so again.
  Result<void> make_accepted(FileContext& context, const UnixSkEntry& entry,
                             const UnixSkEntry& listener) {
    PlanBuilder& builder = *context.builder;
    IMG_ASSIGN(const Slot listening, context.slot_of(listener.id(), FdTypes::UNIXSK));
    const Slot calling = new_socket(context, entry, "caller of " + label(entry));
    IMG_TRY(names_.connect(context, calling, listener));
    const Slot accepted = builder.keep(builder.call(
        kRestorer, SYS_accept4, {listening, 0, 0, O_CLOEXEC}, "accept " + label(entry)));
    finish_end(context, entry, accepted, false);
    senders_.emplace(entry.ino(), calling);
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
      if (entry->state() == kListen && std::ranges::equal(name_of(*entry), name) &&
          entry->deleted().value_or(false) == server.deleted().value_or(false)) {
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
      names_.bind(context, listening, server);
      builder.call(kRestorer, SYS_listen, {listening, 1}, "listen for " + label(client));
    }
    const Slot calling = new_socket(context, client, label(client));
    finish_end(context, client, calling, true);
    IMG_TRY(names_.connect(context, calling, listener == nullptr ? server : *listener));
    const Slot accepted = builder.keep(builder.call(
        kRestorer, SYS_accept4, {listening, 0, 0, O_CLOEXEC}, "accept " + label(server)));
    finish_end(context, server, accepted, false);
    if (listener == nullptr) {
      builder.close(listening);
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
    IMG_TRY(names_.connect(context, slot, entry));
    senders_.emplace(entry.ino(), slot);
    return slot;
  }

  Result<void> send_queue(FileContext& context, const UnixSkEntry& entry) {
    if (!queues_.has(entry.id()) ||
        std::find(outside_.begin(), outside_.end(), entry.ino()) != outside_.end()) {
      return {};
    }
    IMG_ASSIGN(const Slot sender, sender_to(context, entry));
    return queues_.send(context, entry.id(), sender, label(entry));
  }

  std::map<std::uint32_t, const UnixSkEntry*> by_ino_;
  std::map<std::uint32_t, const UnixSkEntry*> services_;  // of others, by ino
  std::map<std::uint32_t, Slot> made_;                    // by ino
  std::map<std::uint32_t, Slot> senders_;                 // by ino of the receiver; closed at last
  std::vector<const UnixSkEntry*> unaccepted_;
  std::vector<std::uint32_t> outside_;
  UnixNames names_;
  UnixQueues queues_;
};

}  // namespace

std::unique_ptr<KindPlanner> plan_unix_sockets(FileContext& context) {
  return std::make_unique<UnixSockets>(context);
}

}  // namespace img::plan
