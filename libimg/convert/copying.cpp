// SPDX-License-Identifier: MIT
#include "libimg/convert/copying.h"

#include <algorithm>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>

namespace img::convert {
namespace {

// A thread costs about as much as reading this many small files.
constexpr std::size_t kFilesPerThread = 32;
constexpr std::size_t kMaxThreads = 4;  // the limit is then the file system

struct Race {
  std::size_t count;
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::size_t failed_at = SIZE_MAX;
  std::optional<Error> error;
  std::atomic<bool> over = false;

  void lost(std::size_t index, Error reason) {
    over = true;
    const std::lock_guard lock(mutex);
    if (index < failed_at) {
      failed_at = index;
      error = std::move(reason);
    }
  }
};

Result<void> run_caught(const Task& task, std::size_t index) {
  try {
    return task(index);
  } catch (const std::exception& error) {
    return fail(Fault::limit, "memory", error.what());
  }
}

void run(const Task& task, Race& race) {
  while (!race.over) {
    const std::size_t index = race.next++;
    if (index >= race.count) {
      return;
    }
    if (Result<void> done = run_caught(task, index); !done) {
      race.lost(index, std::move(done).error());
    }
  }
}

}  // namespace

Result<void> CountingSink::record(const model::Record& record) {
  if (stop_ != nullptr && stop_->load(std::memory_order_relaxed) != 0) {
    return fail(Fault::gone, "conversion", "interrupted");
  }
  copied_.records.fetch_add(1, std::memory_order_relaxed);
  copied_.bytes.fetch_add(record.flatbuffer.size() + record.payload.size(),
                          std::memory_order_relaxed);
  return to_.record(record);
}

Result<void> share_out(std::size_t count, const std::vector<Task>& tasks) {
  Race race{.count = count, .mutex = {}, .error = {}};
  std::vector<std::thread> threads;
  for (std::size_t at = 1; at < tasks.size(); ++at) {
    threads.emplace_back([&race, &task = tasks[at]] { run(task, race); });
  }
  run(tasks.front(), race);
  for (std::thread& thread : threads) {
    thread.join();
  }
  if (race.error) {
    return fail(std::move(*race.error));
  }
  return {};
}

Result<void> copy_files(model::ImageReader& image, std::span<const model::FileKey> files,
                        const std::vector<model::RecordSink*>& sinks, Copied& copied,
                        const std::atomic<int>* stop) {
  std::vector<Task> tasks;
  for (model::RecordSink* to : sinks) {
    tasks.emplace_back([&, to](std::size_t index) -> Result<void> {
      CountingSink sink(*to, copied, stop);
      IMG_TRY(image.read(files[index], sink));
      ++copied.files;
      return {};
    });
  }
  return share_out(files.size(), tasks);
}

std::size_t worthwhile_threads(std::size_t files) {
  const std::size_t processors = std::max(1U, std::thread::hardware_concurrency());
  return std::clamp<std::size_t>(files / kFilesPerThread, 1, std::min(processors, kMaxThreads));
}

}  // namespace img::convert
