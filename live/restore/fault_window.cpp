// SPDX-License-Identifier: MIT
#include "live/restore/fault_window.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "libimg/base/units.h"

namespace img::restore {
namespace {

constexpr std::uint64_t kPage = 4096;

// The task's own, since it is about its memory; it does not keep it.
Result<UniqueFd> take_from(RemoteCalls& remote, MadeTask& task, int signal) {
  IMG_ASSIGN(const std::int64_t number,
             remote.call(task, SYS_userfaultfd, {O_CLOEXEC | O_NONBLOCK}, signal));
  if (number < 0) {
    return UniqueFd();
  }
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, task.pid, 0)));
  UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), number, 0)));
  IMG_TRY(remote.call(task, SYS_close, {static_cast<std::uint64_t>(number)}, signal));
  return fd;
}

}  // namespace

Result<std::optional<FaultWindow>> FaultWindow::open(RemoteCalls& remote, MadeTask& task,
                                                     int signal,
                                                     const std::vector<plan::Range>& ranges) {
  IMG_ASSIGN(UniqueFd fd, take_from(remote, task, signal));
  uffdio_api api{};
  api.api = UFFD_API;
  if (!fd.is_open() || ::ioctl(fd.get(), UFFDIO_API, &api) < 0) {
    return std::optional<FaultWindow>();
  }
  FaultWindow out(std::move(fd), *task.memory);
  for (const plan::Range& one : ranges) {
    uffdio_register wanted{};
    wanted.range = {one.start, one.end - one.start};
    wanted.mode = UFFDIO_REGISTER_MODE_MISSING;
    if (::ioctl(out.fd_.get(), UFFDIO_REGISTER, &wanted) == 0) {
      out.ranges_.push_back(one);
    }
  }
  if (out.ranges_.empty()) {
    return std::optional<FaultWindow>();
  }
  return std::optional(std::move(out));
}

Result<void> FaultWindow::copy(std::uint64_t address, Bytes pages) const {
  while (!pages.empty()) {
    uffdio_copy step{};
    step.dst = address;
    step.src = reinterpret_cast<std::uint64_t>(pages.data());
    step.len = pages.size();
    std::uint64_t done = pages.size();
    if (::ioctl(fd_.get(), UFFDIO_COPY, &step) < 0) {
      if (step.copy <= 0 && errno == EEXIST) {
        // It is there: of a mapping that was not quite new.
        IMG_TRY(memory_->overwrite(address, pages.first(kPage)));
        done = kPage;
      } else if (step.copy <= 0 && errno != EAGAIN) {
        return fail(sys_error(errno, "process " + std::to_string(memory_->pid()),
                              "give it memory at " + hex(address)));
      } else {
        done = static_cast<std::uint64_t>(std::max<std::int64_t>(step.copy, 0));
      }
    }
    address += done;
    pages = pages.subspan(done);
  }
  return {};
}

}  // namespace img::restore
