// SPDX-License-Identifier: MIT
#include "live/dump/files/open_file.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "libimg/base/text.h"

namespace img::dump {
namespace {

constexpr unsigned kPidfdThread = O_EXCL;  // PIDFD_THREAD, since Linux 6.9
constexpr int kGetOwnerUids = 17;          // F_GETOWNER_UIDS

UniqueFd pidfd_of(const Holder& holder) {
  if (holder.tid == holder.pid) {
    return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, holder.pid, 0)));
  }
  return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, holder.tid, kPidfdThread)));
}

Result<Owner> owner_of(const OpenFile& file) {
  Owner out;
  if (file.is_path_only()) {
    return out;
  }
  const int signal = ::fcntl(file.copy.get(), F_GETSIG);
  f_owner_ex who{};
  if (signal < 0 || ::fcntl(file.copy.get(), F_GETOWN_EX, &who) != 0) {
    return fail(sys_error(errno, file.name(), "fcntl(F_GETOWN_EX)"));
  }
  out.signal = static_cast<std::uint32_t>(signal);
  if (who.pid == 0) {
    return out;
  }
  std::uint32_t uids[2] = {};
  if (::fcntl(file.copy.get(), kGetOwnerUids, uids) != 0) {
    return fail(sys_error(errno, file.name(), "fcntl(F_GETOWNER_UIDS)"));
  }
  out.uid = uids[0];
  out.euid = uids[1];
  out.type = static_cast<std::uint32_t>(who.type);
  out.pid = static_cast<std::uint32_t>(who.pid);
  return out;
}

Result<void> look(OpenFile& file, const procfs::ProcDir& dir) {
  const std::string number = std::to_string(file.number);
  IMG_ASSIGN(file.link, dir.link(("fd/" + number).c_str()));
  IMG_ASSIGN(const std::string text, dir.read(("fdinfo/" + number).c_str()));
  IMG_ASSIGN(file.info, procfs::parse_fdinfo(text));
  file.close_on_exec = (file.info.flags & O_CLOEXEC) != 0;
  file.flags = file.info.flags & ~static_cast<std::uint32_t>(O_CLOEXEC);
  file.copy_reads = !file.is_path_only() && (file.flags & O_ACCMODE) != O_WRONLY;
  struct statfs system {};
  if (::fstat(file.copy.get(), &file.stat) != 0 || ::fstatfs(file.copy.get(), &system) != 0) {
    return fail(sys_error(errno, file.name(), "stat"));
  }
  file.file_system = static_cast<std::uint64_t>(system.f_type);
  IMG_ASSIGN(file.owner, owner_of(file));
  return {};
}

}  // namespace

bool OpenFile::has_unread() const {
  int bytes = 0;
  return ::ioctl(copy.get(), FIONREAD, &bytes) == 0 && bytes > 0;
}

bool OpenFile::is_path_only() const {
  return (flags & O_PATH) != 0;
}

void OpenFile::forget_opening() {
  flags = 0;
  info.position = 0;
  owner = {};
}

std::string OpenFile::name() const {
  return "process " + std::to_string(pid) + ": descriptor " + std::to_string(number) + " (" +
         escaped(link, 200) + ")";
}

Result<DescriptorTaker> DescriptorTaker::open(const Holder& holder) {
  UniqueFd pidfd = pidfd_of(holder);
  if (!pidfd.is_open()) {
    const int why = errno;
    return fail(why == ESRCH ? make_error(Fault::gone, holder.name(), "", "it has ended")
                             : sys_error(why, holder.name(), "pidfd_open"));
  }
  return DescriptorTaker(holder, std::move(pidfd));
}

Result<OpenFile> DescriptorTaker::take(int number) const {
  OpenFile file;
  file.pid = holder_.pid;
  file.tid = holder_.tid;
  file.number = number;
  file.copy.reset(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd_.get(), number, 0)));
  if (!file.copy.is_open()) {
    return fail(sys_error(errno, file.name(), "pidfd_getfd"));
  }
  IMG_TRY(look(file, *holder_.dir));
  return file;
}

Result<OpenFile> look_at_own(UniqueFd fd) {
  IMG_ASSIGN(const procfs::ProcDir self, procfs::ProcDir::open(::getpid()));
  OpenFile file;
  file.pid = ::getpid();
  file.tid = file.pid;
  file.number = fd.get();
  file.copy = std::move(fd);
  IMG_TRY(look(file, self));
  return file;
}

Result<UniqueFd> readable(const OpenFile& file) {
  if (!file.copy_reads) {
    return opened_again(file);
  }
  UniqueFd fd(::fcntl(file.copy.get(), F_DUPFD_CLOEXEC, 0));
  if (!fd.is_open()) {
    return fail(sys_error(errno, file.name(), "dup"));
  }
  return fd;
}

Result<UniqueFd> opened_again(const OpenFile& file) {
  const std::string path = "/proc/self/fd/" + std::to_string(file.copy.get());
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd.is_open()) {
    return fail(sys_error(errno, file.name(), "open for reading"));
  }
  return fd;
}

Result<std::string> name_of(int fd) {
  char buffer[PATH_MAX];
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t length = ::readlink(path.c_str(), buffer, sizeof buffer);
  if (length < 0) {
    return fail(sys_error(errno, path, "readlink"));
  }
  return std::string(buffer, static_cast<std::size_t>(length));
}

}  // namespace img::dump
