// SPDX-License-Identifier: MIT
// An image back to life: the plan, what stands against it, and its execution. The one door of this
// room.
//
//   IMG_ASSIGN(const Prepared prepared, prepare(image, options));
//   if (!prepared.plan.refusals.empty()) { ... }      // nothing has been touched
//   IMG_ASSIGN(const pid_t root, execute(prepared, image, options));   // it runs
#pragma once

#include <sys/types.h>

#include "libimg/base/result.h"
#include "live/plan/files/image_files.h"
#include "live/plan/plan.h"
#include "live/restore/preflight.h"
#include "live/restore/runner.h"

namespace img::restore {

struct RestoreOptions {
  plan::FileOptions files;
  plan::PlanOptions plan;
  std::vector<Ignored> ignored;
  RunOptions run;
};

struct Prepared {
  plan::Plan plan;  // with everything that preflight refuses
};

[[nodiscard]] Result<Prepared> prepare(model::ImageReader& image, const RestoreOptions& options);
/// All or nothing: after an error nothing is left of what was made.
[[nodiscard]] Result<pid_t> execute(const Prepared& prepared, model::ImageReader& image,
                                    const RestoreOptions& options);

}  // namespace img::restore
