// SPDX-License-Identifier: MIT
// A kind of open file: how it is told from others, and how its state is read. Adding a kind is one
// file with one of these, and one line in the table.
#pragma once

#include <functional>
#include <memory>

#include "live/dump/files/file_bench.h"

namespace img::dump {

class FileKind {
 public:
  explicit FileKind(FileBench& bench) : bench_(bench) {}
  FileKind(const FileKind&) = delete;
  virtual ~FileKind() = default;

  [[nodiscard]] virtual schema::FdTypes type() const = 0;
  [[nodiscard]] virtual bool recognises(const OpenFile& file) const = 0;
  /// A file not seen before: its record, and whatever has to be known at the end.
  [[nodiscard]] virtual Result<void> collect(OpenFile& file, std::uint32_t id) = 0;
  /// One more descriptor of a file that was collected.
  virtual void seen_again(const OpenFile& file, std::uint32_t id) { (void)file, (void)id; }
  /// Every descriptor has been seen; the tree still stands still.
  [[nodiscard]] virtual Result<void> finish() { return {}; }

 protected:
  FileBench& bench_;
};

/// Takes a file that is on its way through a socket.
using TakeInFlight = std::function<Result<std::uint32_t>(UniqueFd)>;
class RegularFiles;

[[nodiscard]] std::unique_ptr<FileKind> make_pipes(FileBench& bench);
[[nodiscard]] std::unique_ptr<FileKind> make_fifos(FileBench& bench, RegularFiles& regular);
[[nodiscard]] std::unique_ptr<FileKind> make_eventfds(FileBench& bench);
[[nodiscard]] std::unique_ptr<FileKind> make_signalfds(FileBench& bench);
[[nodiscard]] std::unique_ptr<FileKind> make_timerfds(FileBench& bench);
[[nodiscard]] std::unique_ptr<FileKind> make_pidfds(FileBench& bench);
[[nodiscard]] std::unique_ptr<FileKind> make_epolls(FileBench& bench);
[[nodiscard]] std::unique_ptr<FileKind> make_inotifies(FileBench& bench);
[[nodiscard]] std::unique_ptr<FileKind> make_fanotifies(FileBench& bench);
[[nodiscard]] std::unique_ptr<FileKind> make_namespaces(FileBench& bench);
[[nodiscard]] std::unique_ptr<FileKind> make_packet_sockets(FileBench& bench);
[[nodiscard]] std::unique_ptr<FileKind> make_memfds(FileBench& bench);
[[nodiscard]] std::unique_ptr<FileKind> make_terminals(FileBench& bench, RegularFiles& regular);
[[nodiscard]] std::unique_ptr<FileKind> make_unix_sockets(FileBench& bench, TakeInFlight take);
[[nodiscard]] std::unique_ptr<FileKind> make_inet_sockets(FileBench& bench);
[[nodiscard]] std::unique_ptr<FileKind> make_netlink_sockets(FileBench& bench);

}  // namespace img::dump
