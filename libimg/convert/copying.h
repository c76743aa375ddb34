// SPDX-License-Identifier: MIT
// Records from a reader to writers: counted, stoppable, and by as many threads as there are
// processors where files do not depend on each other.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "libimg/model/record.h"

namespace img::convert {

/// What has been copied so far; read by whoever shows progress.
struct Copied {
  std::atomic<std::uint64_t> files = 0;
  std::atomic<std::uint64_t> records = 0;
  std::atomic<std::uint64_t> bytes = 0;  // of messages and payloads
};

/// Passes records on until `stop` becomes other than 0.
class CountingSink : public model::RecordSink {
 public:
  CountingSink(model::RecordSink& to, Copied& copied, const std::atomic<int>* stop)
      : to_(to), copied_(copied), stop_(stop) {}
  [[nodiscard]] Result<void> record(const model::Record& record) override;

 private:
  model::RecordSink& to_;
  Copied& copied_;
  const std::atomic<int>* stop_;
};

using Task = std::function<Result<void>(std::size_t index)>;

/// Calls tasks[t](0), (1) ... (count - 1), each number once, in threads of their own if there is
/// enough to do. The error is that of the lowest number, whoever is first.
[[nodiscard]] Result<void> share_out(std::size_t count, const std::vector<Task>& tasks);

/// Each file whole into one of the sinks, which are as many as there are threads.
[[nodiscard]] Result<void> copy_files(model::ImageReader& image,
                                      std::span<const model::FileKey> files,
                                      const std::vector<model::RecordSink*>& sinks, Copied& copied,
                                      const std::atomic<int>* stop);

/// How many tasks are worth making for so many files.
[[nodiscard]] std::size_t worthwhile_threads(std::size_t files);

}  // namespace img::convert
