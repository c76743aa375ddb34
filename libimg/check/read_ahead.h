// SPDX-License-Identifier: MIT
// Reads the files of an image in a given order, ahead of whoever judges them: with two cores, tens
// of thousands of small files are opened and decoded by the one while the other asks the rules.
// What comes out is the same as without, in the same order.
#pragma once

#include <functional>
#include <vector>

#include "libimg/check/check.h"
#include "libimg/model/record.h"

namespace img::check {

/// What the reading of one file came to.
struct FileRead {
  Result<void> done;
  std::vector<criu::Damage> damage;
};

class ReadAhead {
 public:
  /// The memory of page maps is left out of their records; no rule looks at it.
  ReadAhead(model::ImageReader& image, DamageLog* damage, std::vector<model::FileKey> order);

  /// Calls `record` for each record of each file, and `file` after its last. Both are called by
  /// this thread only.
  void run(const std::function<void(const model::Record&)>& record,
           const std::function<void(model::FileKey, FileRead)>& file);

 private:
  void run_alone(const std::function<void(const model::Record&)>& record,
                 const std::function<void(model::FileKey, FileRead)>& file);

  model::ImageReader& image_;
  DamageLog* damage_;
  std::vector<model::FileKey> order_;
};

}  // namespace img::check
