// SPDX-License-Identifier: MIT
// One descriptor of a stopped process, and all that every kind of file needs to know of it: a copy
// of it in this process, its stat, its fdinfo, its name. What only one kind asks is not here.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <string>

#include "libimg/base/result.h"
#include "libimg/base/unique_fd.h"
#include "live/procfs/fdinfo.h"
#include "live/procfs/proc_dir.h"

namespace img::dump {

/// A process as the holder of descriptors. `tid`: a thread of it that lives, since a main thread
/// that has ended shows none.
struct Holder {
  pid_t pid = 0;
  pid_t tid = 0;
  const procfs::ProcDir* dir = nullptr;  // of that thread

  [[nodiscard]] std::string name() const { return "process " + std::to_string(pid); }
};

/// Who gets SIGIO and the like: F_SETOWN, F_SETSIG.
struct Owner {
  std::uint32_t uid = 0;
  std::uint32_t euid = 0;
  std::uint32_t signal = 0;
  std::uint32_t type = 0;  // F_OWNER_*
  std::uint32_t pid = 0;
};

struct OpenFile {
  pid_t pid = 0;  // the holder's; ours where it was on its way through a socket
  pid_t tid = 0;
  int number = -1;
  UniqueFd copy;
  struct stat stat {};
  std::uint64_t file_system = 0;  // statfs f_type
  procfs::FdInfo info;
  std::uint32_t flags = 0;  // O_..., without O_CLOEXEC
  bool close_on_exec = false;
  bool copy_reads = false;  // the copy is one that read(2) takes
  Owner owner;
  std::string link;  // as readlink shows it

  [[nodiscard]] bool is_path_only() const;
  /// Something waits to be read from it, as FIONREAD counts.
  [[nodiscard]] bool has_unread() const;
  /// From now on this is the file that its path leads to, not who has opened it how.
  void forget_opening();
  /// "process 12: descriptor 5 (/var/log/x)", for messages.
  [[nodiscard]] std::string name() const;
};

/// Copies of the descriptors of one process.
class DescriptorTaker {
 public:
  [[nodiscard]] static Result<DescriptorTaker> open(const Holder& holder);
  [[nodiscard]] Result<OpenFile> take(int number) const;

 private:
  DescriptorTaker(const Holder& holder, UniqueFd pidfd)
      : holder_(holder), pidfd_(std::move(pidfd)) {}
  Holder holder_;
  UniqueFd pidfd_;
};

/// A descriptor of this process itself, taken over.
[[nodiscard]] Result<OpenFile> look_at_own(UniqueFd fd);

/// A descriptor that reads the same object, whatever the mode of the first. Its position is not to
/// be used: it may be the program's own.
[[nodiscard]] Result<UniqueFd> readable(const OpenFile& file);
/// The same with a position of its own. Breaks a lease.
[[nodiscard]] Result<UniqueFd> opened_again(const OpenFile& file);
/// readlink of /proc/self/fd/N.
[[nodiscard]] Result<std::string> name_of(int fd);

}  // namespace img::dump
