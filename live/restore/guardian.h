// SPDX-License-Identifier: MIT
// A small process that outlives us: while tasks are let go one after the other, nothing else would
// end those that already run if we were killed.
#pragma once

#include <sys/types.h>

#include <span>

#include "libimg/base/result.h"
#include "libimg/base/unique_fd.h"

namespace img::restore {

class Guardian {
 public:
  Guardian() = default;
  Guardian(const Guardian&) = delete;
  Guardian& operator=(const Guardian&) = delete;
  /// Not stood down: it kills what it watches.
  ~Guardian();

  /// From now on these die with us. They must be alive.
  [[nodiscard]] Result<void> watch(std::span<const pid_t> pids);
  [[nodiscard]] bool is_watching() const { return control_.is_open(); }
  /// All is well: it ends and does nothing.
  void stand_down();

 private:
  void finish();
  UniqueFd control_;
  pid_t pid_ = -1;
};

}  // namespace img::restore
