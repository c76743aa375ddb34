// SPDX-License-Identifier: MIT
// An asynchronous I/O context in a task, with its ring where it was and as far as it was.
#pragma once

#include "libimg/base/result.h"
#include "libimg/model/record.h"
#include "live/plan/plan.h"
#include "live/restore/remote_calls.h"

namespace img::restore {

/// `signal`: as for the task's other calls.
[[nodiscard]] Result<void> make_aio_ring(const plan::MakeAioRing& make, model::ImageReader& image,
                                         RemoteCalls& remote, MadeTask& task, int signal);

}  // namespace img::restore
