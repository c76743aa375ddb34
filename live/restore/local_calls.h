// SPDX-License-Identifier: MIT
// Calls of a plan made by this process.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "libimg/base/result.h"
#include "live/plan/plan.h"
#include "live/restore/made_names.h"

namespace img::restore {

class LocalCalls {
 public:
  /// Keeps its own copy of the plan's Data, since calls write there.
  LocalCalls(const plan::Plan& plan, std::vector<std::int64_t>& results)
      : results_(results), data_(plan.data) {}

  [[nodiscard]] Result<void> run(std::span<const plan::Call> calls);
  [[nodiscard]] Result<void> load(const plan::Load& load);

 private:
  [[nodiscard]] std::uint64_t value_of(const plan::Value& value, int depth);

  std::vector<std::int64_t>& results_;
  std::vector<plan::Data> data_;
  MadeNames made_;
};

}  // namespace img::restore
