// SPDX-License-Identifier: MIT
// Unix sockets. The kernel's list says who is connected to whom; the socket file, where there is
// one, is asked of the socket, because its name may mean another file by now.
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <map>
#include <optional>
#include <set>

#include "live/dump/files/socket_options.h"
#include "live/dump/files/unix_diag.h"
#include "live/dump/files/unix_queue.h"

namespace img::dump {
namespace {

constexpr std::uint32_t kEstablished = 1;  // TCP_ESTABLISHED
constexpr std::uint32_t kListening = 10;   // TCP_LISTEN
constexpr std::uint32_t kBothShut = 3;
constexpr std::uint32_t kOutside = 1;          // UnixSkEntry.uflags: not of the image
constexpr unsigned long kSocketFile = 0x89e0;  // SIOCUNIXFILE of <linux/un.h>
constexpr int kStandardDescriptors = 3;
constexpr std::string_view kDeleted = " (deleted)";

/// The file that a socket is bound to.
struct SocketFile {
  struct stat stat {};
  bool is_deleted = false;
  std::string name;    // with its zero byte
  std::string folder;  // where a relative name starts
};

bool is_path(const std::string& name) {
  return !name.empty() && name[0] != '\0';
}

bool leads_to(const std::string& path, const struct stat& file) {
  struct stat named {};
  return ::lstat(path.c_str(), &named) == 0 && named.st_dev == file.st_dev &&
         named.st_ino == file.st_ino;
}

class UnixSockets final : public FileKind {
 public:
  UnixSockets(FileBench& bench, TakeInFlight take) : FileKind(bench), take_(std::move(take)) {}
  schema::FdTypes type() const override { return schema::FdTypes::UNIXSK; }
  bool recognises(const OpenFile& file) const override { return family_of(file) == AF_UNIX; }

  Result<void> collect(OpenFile& file, std::uint32_t id) override {
    IMG_ASSIGN(const bool is_ours, is_in_own_network(bench_, file));
    if (!is_ours) {
      return {};
    }
    IMG_TRY(read_list());
    const auto inode = static_cast<std::uint32_t>(file.stat.st_ino);
    const auto found = list_.find(inode);
    if (found == list_.end()) {
      return fail(Fault::missing, file.name(), "find it", "the kernel does not list it");
    }
    const UnixSocketState& socket = found->second;
    collected_.insert(inode);
    std::uint32_t peer = socket.peer;
    if (peer == 0 && socket.state == kEstablished && socket.type != SOCK_DGRAM &&
        !find_listener(file, socket, peer)) {
      return {};
    }
    if (socket.is_listener()) {
      check_unaccepted(file, socket);
    }
    if (peer != 0) {
      note_peer(file, peer);
    }
    IMG_TRY(add(file, id, socket, peer));
    return socket.waiting != 0 && !socket.is_listener() ? add_unix_queue(file, id, bench_, take_)
                                                        : Result<void>();
  }

  void seen_again(const OpenFile& file, std::uint32_t /*id*/) override {
    const auto found = list_.find(static_cast<std::uint32_t>(file.stat.st_ino));
    if (found != list_.end() && found->second.peer != 0) {
      note_peer(file, found->second.peer);
    }
  }

  // Now it is known who is outside.
  Result<void> finish() override {
    for (const auto& [inode, peer] : peers_) {
      if (!collected_.contains(inode)) {
        outside(inode, peer);
      }
    }
    return {};
  }

 private:
  /// Somebody of ours who is connected to it.
  struct Peer {
    pid_t pid = 0;
    int number = -1;
    std::string link;
    bool is_standard = false;  // by one of the first three descriptors of a process
  };

  Result<void> read_list() {
    if (list_.empty()) {
      IMG_ASSIGN(list_, list_unix_sockets());
      for (const auto& [inode, socket] : list_) {
        for (const std::uint32_t client : socket.unaccepted) {
          listener_of_.emplace(client, inode);
        }
      }
    }
    return {};
  }

  void note_peer(const OpenFile& file, std::uint32_t inode) {
    Peer& peer = peers_[inode];
    if (peer.number < 0) {
      peer.pid = file.pid;
      peer.number = file.number;
      peer.link = file.link;
    }
    peer.is_standard = peer.is_standard || file.number < kStandardDescriptors;
  }

  // One that nobody has accepted yet is connected to the listener; otherwise its peer is gone.
  bool find_listener(const OpenFile& file, const UnixSocketState& socket, std::uint32_t& peer) {
    const auto listener = listener_of_.find(static_cast<std::uint32_t>(file.stat.st_ino));
    if (listener == listener_of_.end()) {
      if (socket.shutdown != kBothShut) {
        bench_.refuse(file, state::Piece::unix_dangling);
      }
      return socket.shutdown == kBothShut;
    }
    if (socket.limit != 0) {
      bench_.refuse(file, state::Piece::unix_unaccepted_data);
      return false;
    }
    peer = listener->second;
    return true;
  }

  void check_unaccepted(const OpenFile& file, const UnixSocketState& socket) {
    for (const std::uint32_t client : socket.unaccepted) {
      if (client == 0) {
        bench_.refuse(file, state::Piece::unix_unaccepted_closed);
        return;
      }
    }
  }

  void outside(std::uint32_t inode, const Peer& peer) {
    const auto found = list_.find(inode);
    OpenFile ours;
    ours.pid = peer.pid;
    ours.number = peer.number;
    ours.link = peer.link;
    // A service that is spoken to by name is there after a restore too; so is what the caller of
    // the restore gives as standard descriptor.
    const bool is_service =
        found != list_.end() && found->second.type == SOCK_DGRAM && !found->second.name.empty();
    if (!is_service && !peer.is_standard) {
      bench_.refuse(ours, state::Piece::unix_outside);
      return;
    }
    auto& builder = bench_.builder();
    const auto owner = owner_entry(builder, {});
    const auto options = schema::CreateSkOptsEntry(builder);
    const std::string name = found == list_.end() ? std::string() : found->second.name;
    const auto bytes =
        builder.CreateVector(reinterpret_cast<const std::uint8_t*>(name.data()), name.size());
    const std::uint32_t id = bench_.new_id();
    schema::UnixSkEntryBuilder entry(builder);
    entry.add_id(id);
    entry.add_ino(inode);
    entry.add_type(found == list_.end() ? std::uint32_t{SOCK_DGRAM} : found->second.type);
    entry.add_state(kListening);
    entry.add_flags(0);
    entry.add_uflags(kOutside);
    entry.add_backlog(0);
    entry.add_peer(0);
    entry.add_fown(owner);
    entry.add_opts(options);
    entry.add_name(bytes);
    bench_.add_file(type(), id, entry.Finish(), &schema::FileEntryBuilder::add_usk);
  }

  Result<SocketFile> file_of(const OpenFile& file, const std::string& name) {
    const UniqueFd fd(::ioctl(file.copy.get(), kSocketFile));
    SocketFile out;
    if (!fd.is_open() || ::fstat(fd.get(), &out.stat) != 0) {
      return fail(sys_error(errno, file.name(), "ioctl(SIOCUNIXFILE)"));
    }
    IMG_ASSIGN(std::string path, name_of(fd.get()));
    if (path.ends_with(kDeleted)) {
      path.resize(path.size() - kDeleted.size());
      out.is_deleted = true;
    }
    out.name = name;
    const std::string given = name.c_str();  // without its zero byte
    const bool is_relative = given[0] != '/';
    if (is_relative && path.ends_with("/" + given)) {
      out.folder = path.substr(0, path.size() - given.size() - 1);
    } else if (is_relative || (!out.is_deleted && !leads_to(given, out.stat))) {
      name_anew(file, path, out);
    }
    return out;
  }

  /// Its file was renamed, as servers do that replace their own at once, or it was named in another
  /// root directory. It is found by the name that it has.
  void name_anew(const OpenFile& file, const std::string& path, SocketFile& out) {
    const std::size_t slash = path.rfind('/');
    const bool is_short = path.size() < sizeof(sockaddr_un::sun_path);
    if (!path.starts_with('/') || path.size() - slash > sizeof(sockaddr_un::sun_path)) {
      bench_.refuse(file, state::Piece::file_unreachable);
      return;
    }
    out.name = is_short ? path : path.substr(slash + 1);
    out.name += '\0';
    if (!is_short) {
      out.folder = path.substr(0, slash);
    }
    bench_.lose(file, state::Piece::unix_renamed);
  }

  Result<void> add(const OpenFile& file, std::uint32_t id, const UnixSocketState& socket,
                   std::uint32_t peer) {
    std::optional<SocketFile> bound;
    if (is_path(socket.name)) {
      IMG_ASSIGN(bound, file_of(file, socket.name));
    }
    auto& builder = bench_.builder();
    const auto owner = owner_entry(builder, file.owner);
    const auto options = options_entry(builder, file.copy.get(), true);
    const std::string& kept = bound ? bound->name : socket.name;
    const auto name =
        builder.CreateVector(reinterpret_cast<const std::uint8_t*>(kept.data()), kept.size());
    const auto permissions =
        bound ? schema::CreateFilePermsEntry(builder, bound->stat.st_mode, bound->stat.st_uid,
                                             bound->stat.st_gid)
              : 0;
    const auto folder = bound && !bound->folder.empty() ? builder.CreateString(bound->folder) : 0;
    schema::UnixSkEntryBuilder entry(builder);
    entry.add_id(id);
    entry.add_ino(static_cast<std::uint32_t>(file.stat.st_ino));
    entry.add_type(socket.type);
    entry.add_state(socket.state);
    entry.add_flags(file.flags);
    entry.add_uflags(0);
    entry.add_backlog(socket.is_listener() ? socket.limit : 0);
    entry.add_peer(peer);
    entry.add_fown(owner);
    entry.add_opts(options);
    entry.add_name(name);
    if (socket.shutdown != 0) {
      entry.add_shutdown(static_cast<schema::SkShutdown>(socket.shutdown & kBothShut));
    }
    if (bound) {
      entry.add_file_perms(permissions);
      if (!bound->folder.empty()) {
        entry.add_name_dir(folder);
      }
      if (bound->is_deleted) {
        entry.add_deleted(true);
      }
    }
    bench_.add_file(type(), id, entry.Finish(), &schema::FileEntryBuilder::add_usk);
    return {};
  }

  TakeInFlight take_;
  UnixSocketTable list_;
  std::map<std::uint32_t, std::uint32_t> listener_of_;  // of those not accepted yet
  std::set<std::uint32_t> collected_;
  std::map<std::uint32_t, Peer> peers_;  // by the inode that ours are connected to
};

}  // namespace

std::unique_ptr<FileKind> make_unix_sockets(FileBench& bench, TakeInFlight take) {
  return std::make_unique<UnixSockets>(bench, std::move(take));
}

}  // namespace img::dump
