// SPDX-License-Identifier: MIT
// /proc/PID held open: its files read whole and bounded, its links and lists of numbers. Once the
// task is gone everything here says Fault::gone, even if the pid lives again.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "libimg/base/result.h"
#include "libimg/base/unique_fd.h"
#include "live/procfs/maps.h"
#include "live/procfs/stat.h"
#include "live/procfs/status.h"

namespace img::procfs {

class ProcDir {
 public:
  [[nodiscard]] static Result<ProcDir> open(pid_t pid);
  [[nodiscard]] static Result<ProcDir> open_thread(pid_t pid, pid_t tid);

  /// "/proc/12", for messages.
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] int fd() const { return fd_.get(); }

  [[nodiscard]] Result<std::string> read(const char* file) const;
  [[nodiscard]] Result<std::string> link(const char* file) const;
  [[nodiscard]] Result<UniqueFd> open_file(const char* file, int flags) const;
  /// The entries of a folder that are numbers (task, fd), in order.
  [[nodiscard]] Result<std::vector<std::int32_t>> numbers(const char* folder) const;

  [[nodiscard]] Result<Stat> stat() const;
  [[nodiscard]] Result<Status> status() const;
  [[nodiscard]] Result<std::vector<Mapping>> maps() const;
  [[nodiscard]] Result<std::vector<std::int32_t>> threads() const { return numbers("task"); }
  /// Of all its threads, in order of birth per thread.
  [[nodiscard]] Result<std::vector<std::int32_t>> children() const;
  [[nodiscard]] Result<std::vector<std::int32_t>> children_of_thread(std::int32_t tid) const;

 private:
  ProcDir(UniqueFd fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {}
  [[nodiscard]] static Result<ProcDir> open_path(std::string path);
  [[nodiscard]] Error error(const char* file, int sys_errno) const;
  template <class Parse>
  [[nodiscard]] auto parsed(const char* file, Parse parse) const;

  UniqueFd fd_;
  std::string name_;
};

}  // namespace img::procfs
