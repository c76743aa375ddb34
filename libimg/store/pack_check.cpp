// SPDX-License-Identifier: MIT
#include "libimg/store/pack_check.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <thread>

#include "libimg/base/file.h"
#include "libimg/store/pack_file.h"
#include "libimg/store/pack_reader.h"

namespace img::store {
namespace {

// What is read into a buffer that stays in the cache is hashed from there: faster than a mapping,
// whose pages have to be entered one by one.
constexpr std::uint64_t kAtOnce = 64 * kBlockBytes;
constexpr std::uint64_t kShare = 64 * kAtOnce;  // of one thread, before it takes the next
constexpr std::uint64_t kWorthAThread = 4 * kShare;

Result<UniqueFd> open_sealed(int packs, const std::string& name, std::uint64_t bytes,
                             const std::string& thing) {
  IMG_ASSIGN(UniqueFd fd, open_regular(packs, name, O_RDONLY, thing));
  IMG_ASSIGN(const std::uint64_t size, file_size(fd.get(), thing));
  if (size != bytes) {
    return fail(Fault::corrupt, thing, "read",
                fmt::format("has {} bytes where it was sealed with {}", size, bytes));
  }
  return fd;
}

class Comparison {
 public:
  Comparison(int fd, std::uint64_t bytes, const PackHashes& hashes, std::string thing)
      : fd_(fd), bytes_(bytes), hashes_(hashes), thing_(std::move(thing)) {}

  /// Takes shares until there are none; for as many threads as like.
  void work() {
    std::vector<std::byte> buffer(kAtOnce);
    for (;;) {
      const std::uint64_t begin = next_.fetch_add(kShare);
      const std::uint64_t end = std::min(begin + kShare, bytes_);
      for (std::uint64_t at = begin; at < end; at += kAtOnce) {
        const std::span part(buffer.data(), std::min(kAtOnce, end - at));
        const Result<void> read = read_at(fd_, at, part, thing_);
        if (!read) {
          const std::lock_guard lock(mutex_);
          error_ = read.error();
          next_ = bytes_;
          return;
        }
        compare(at / kBlockBytes, part);
      }
      if (end >= bytes_) {
        return;
      }
    }
  }

  [[nodiscard]] Result<std::vector<BadBlocks>> result(std::size_t most) {
    if (error_) {
      return fail(*error_);
    }
    std::sort(bad_.begin(), bad_.end());
    std::vector<BadBlocks> runs;
    for (const std::uint64_t block : bad_) {
      if (!runs.empty() && runs.back().first + runs.back().count == block) {
        ++runs.back().count;
      } else if (runs.size() < most) {
        runs.push_back({block, 1});
      } else {
        break;
      }
    }
    return runs;
  }

 private:
  void compare(std::uint64_t first, std::span<const std::byte> blocks) {
    constexpr std::size_t kMostKept = 1 << 20;
    const std::uint64_t count = blocks.size() / kBlockBytes;
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto bad = hashes_.first_difference(first + i, blocks.subspan(i * kBlockBytes));
      if (!bad) {
        return;
      }
      i = *bad - first;
      const std::lock_guard lock(mutex_);
      if (bad_.size() < kMostKept) {
        bad_.push_back(*bad);
      }
    }
  }

  int fd_;
  std::uint64_t bytes_;
  const PackHashes& hashes_;
  std::string thing_;
  std::atomic<std::uint64_t> next_ = 0;
  std::mutex mutex_;
  std::vector<std::uint64_t> bad_;
  std::optional<Error> error_;
};

}  // namespace

Result<std::vector<BadBlocks>> compare_pack(int packs, const Id& id, std::uint64_t bytes,
                                            const Id& hashes_digest, const std::string& place,
                                            std::size_t most) {
  const std::string thing = place + "/packs/" + pack_file_name(id);
  if (bytes % kBlockBytes != 0) {
    return fail(Fault::corrupt, thing, "verify", "was not sealed with whole blocks");
  }
  IMG_ASSIGN(const UniqueFd pack, open_sealed(packs, pack_file_name(id), bytes, thing));
  IMG_ASSIGN(const PackHashes hashes, PackHashes::open(packs, id, bytes, hashes_digest, place));
  Comparison comparison(pack.get(), bytes, hashes, thing);
  std::optional<std::thread> other;
  if (bytes >= kWorthAThread && std::thread::hardware_concurrency() > 1) {
    other.emplace([&] { comparison.work(); });
  }
  comparison.work();
  if (other) {
    other->join();
  }
  return comparison.result(most);
}

}  // namespace img::store
