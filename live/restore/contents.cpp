// SPDX-License-Identifier: MIT
#include "live/restore/contents.h"

#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <future>
#include <thread>
#include <vector>

#include "libimg/base/file.h"
#include "libimg/base/units.h"
#include "libimg/model/address_space.h"
#include "live/restore/call_limit.h"

namespace img::restore {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kSmallPiece = 64 << 10;  // what is copied once more to save a call
constexpr std::size_t kGathered = 256 << 10;
constexpr std::size_t kMostPieces = 256;
constexpr std::size_t kWorthSharing = 4 << 20;
constexpr std::size_t kMostThreads = 4;

Failure lost(std::uint64_t address, std::uint64_t bytes) {
  return fail(Fault::missing, "image", "memory at " + hex(address),
              std::to_string(bytes) + " bytes are in none of its parents");
}

// Small pieces are gathered: a call each would cost more than copying them.
class MemoryFiller : public model::MemorySink {
 public:
  MemoryFiller(const plan::Fill& fill, const MemoryTarget& target)
      : ranges_(fill.ranges),
        is_inherited_(fill.is_inherited),
        memory_(target.memory),
        window_(target.window),
        copied_(target.copied) {
    gathered_.reserve(kGathered);
  }

  Result<void> memory(std::uint64_t address, Bytes bytes) override {
    const std::uint64_t end = address + bytes.size();
    auto range = std::partition_point(ranges_.begin(), ranges_.end(),
                                      [&](const plan::Range& one) { return one.end <= address; });
    for (; range != ranges_.end() && range->start < end; ++range) {
      const std::uint64_t from = std::max(range->start, address);
      const std::uint64_t to = std::min(range->end, end);
      const Bytes part = bytes.subspan(from - address, to - from);
      IMG_TRY(is_inherited_ ? write_changed(from, part) : write(from, part));
      if (copied_ != nullptr) {
        *copied_ += part.size();
      }
    }
    return {};
  }
  Result<void> missing(std::uint64_t address, std::uint64_t bytes) override {
    return lost(address, bytes);
  }
  Result<void> flush() {
    if (pieces_.empty()) {
      return {};
    }
    const iovec local{gathered_.data(), gathered_.size()};
    const ssize_t got =
        ::process_vm_writev(memory_.pid(), &local, 1, pieces_.data(), pieces_.size(), 0);
    if (got != static_cast<ssize_t>(gathered_.size())) {
      IMG_TRY(flush_one_by_one());
    }
    pieces_.clear();
    gathered_.clear();
    return {};
  }

 private:
  // What is alike stays shared with the parent.
  Result<void> write_changed(std::uint64_t address, Bytes bytes) {
    for (; !bytes.empty(); bytes = bytes.subspan(there_.size()), address += there_.size()) {
      there_.resize(std::min(bytes.size(), kGathered));
      const trace::RemoteRange here{address, there_.size()};
      IMG_TRY(memory_.peek_ranges({&here, 1}, there_));
      for (std::size_t at = 0; at < there_.size();) {
        const auto is_changed = [&](std::size_t page) {
          return std::memcmp(&there_[page], &bytes[page], std::min(kPage, there_.size() - page)) !=
                 0;
        };
        const bool changed = is_changed(at);
        std::size_t end = std::min(at + kPage, there_.size());
        while (end < there_.size() && is_changed(end) == changed) {
          end = std::min(end + kPage, there_.size());
        }
        IMG_TRY(changed ? write(address + at, bytes.subspan(at, end - at)) : Result<void>());
        at = end;
      }
    }
    return {};
  }
  Result<void> write(std::uint64_t address, Bytes bytes) {
    const auto windows = window_ == nullptr ? std::span<const plan::Range>() : window_->ranges();
    auto one = std::partition_point(windows.begin(), windows.end(),
                                    [&](const plan::Range& range) { return range.end <= address; });
    while (!bytes.empty()) {
      const bool is_inside = one != windows.end() && one->start <= address;
      const std::uint64_t border = one == windows.end() ? ~std::uint64_t{0}
                                   : is_inside          ? one->end
                                                        : one->start;
      const Bytes part = bytes.first(std::min<std::uint64_t>(bytes.size(), border - address));
      IMG_TRY(is_inside || part.size() > kSmallPiece ? share(address, part, is_inside)
                                                     : gather(address, part));
      one += is_inside ? 1 : 0;
      address += part.size();
      bytes = bytes.subspan(part.size());
    }
    return {};
  }
  Result<void> gather(std::uint64_t address, Bytes bytes) {
    if (pieces_.size() == kMostPieces || gathered_.size() + bytes.size() > kGathered) {
      IMG_TRY(flush());
    }
    gathered_.insert(gathered_.end(), bytes.begin(), bytes.end());
    pieces_.push_back({reinterpret_cast<void*>(address), bytes.size()});
    return {};
  }
  // Most of the time goes into the first touch of each page, which every CPU can do.
  Result<void> share(std::uint64_t address, Bytes bytes, bool by_window) {
    const auto put = [this, by_window](std::uint64_t at, Bytes part) {
      return by_window ? window_->copy(at, part) : memory_.write(at, part);
    };
    const std::size_t threads =
        std::min<std::size_t>(std::max(1U, std::thread::hardware_concurrency()), kMostThreads);
    const std::size_t part_bytes = round_up(bytes.size() / threads, kPage);
    if (bytes.size() < kWorthSharing || threads < 2) {
      return put(address, bytes);
    }
    std::vector<std::future<Result<void>>> others;
    for (std::size_t at = part_bytes; at < bytes.size(); at += part_bytes) {
      const Bytes part = bytes.subspan(at, std::min(part_bytes, bytes.size() - at));
      others.push_back(std::async(std::launch::async,
                                  [put, address, at, part] { return put(address + at, part); }));
    }
    Result<void> result = put(address, bytes.first(part_bytes));
    for (auto& other : others) {
      Result<void> one = other.get();
      result = result ? std::move(one) : std::move(result);
    }
    return result;
  }
  Result<void> flush_one_by_one() {
    std::size_t at = 0;
    for (const iovec& piece : pieces_) {
      IMG_TRY(memory_.overwrite(reinterpret_cast<std::uint64_t>(piece.iov_base),
                                Bytes(gathered_).subspan(at, piece.iov_len)));
      at += piece.iov_len;
    }
    return {};
  }

  std::span<const plan::Range> ranges_;
  bool is_inherited_;
  const trace::RemoteMemory& memory_;
  const FaultWindow* window_;
  std::atomic<std::uint64_t>* copied_;
  std::vector<std::byte> there_;
  std::vector<std::byte> gathered_;
  std::vector<iovec> pieces_;
};

class FileFiller : public model::MemorySink {
 public:
  FileFiller(int file, std::uint64_t bytes, std::atomic<std::uint64_t>* copied)
      : file_(file), bytes_(bytes), copied_(copied) {
    struct statfs system {};
    is_huge_ = ::fstatfs(file, &system) == 0 && system.f_type == HUGETLBFS_MAGIC;
    huge_page_ = is_huge_ ? static_cast<std::uint64_t>(system.f_bsize) : 0;
  }
  Result<void> memory(std::uint64_t address, Bytes bytes) override {
    if (address >= bytes_) {
      return {};
    }
    const std::uint64_t inside = std::min<std::uint64_t>(bytes.size(), bytes_ - address);
    if (copied_ != nullptr) {
      *copied_ += inside;
    }
    return is_huge_ ? copy(address, bytes.first(inside))
                    : write_at(file_, address, bytes.first(inside), "shared memory");
  }
  Result<void> missing(std::uint64_t address, std::uint64_t bytes) override {
    return lost(address, bytes);
  }

 private:
  // Files of huge pages cannot be written to, only mapped.
  Result<void> copy(std::uint64_t address, Bytes bytes) {
    while (!bytes.empty()) {
      const std::uint64_t page = address / huge_page_ * huge_page_;
      const std::uint64_t most = std::min<std::uint64_t>(bytes.size(), page + huge_page_ - address);
      void* at = ::mmap(nullptr, huge_page_, PROT_READ | PROT_WRITE, MAP_SHARED, file_,
                        static_cast<off_t>(page));
      if (at == MAP_FAILED) {
        return fail(sys_error(errno, "huge pages", "map"));
      }
      std::memcpy(static_cast<std::byte*>(at) + (address - page), bytes.data(), most);
      ::munmap(at, huge_page_);
      bytes = bytes.subspan(most);
      address += most;
    }
    return {};
  }

  int file_;
  std::uint64_t bytes_;
  std::atomic<std::uint64_t>* copied_;
  bool is_huge_ = false;
  std::uint64_t huge_page_ = 0;
};

// More than a pipe can hold would be written for ever.
Result<void> append(int file, Bytes bytes, const std::string& what) {
  const CallLimit limit;
  while (!bytes.empty()) {
    limit.begin();
    const ssize_t put = ::write(file, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) {
      return fail(Fault::limit, what, "", "it does not fit");
    }
    if (put <= 0) {
      return fail(sys_error(put < 0 ? errno : EAGAIN, what, ""));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  return {};
}

class PayloadCopier : public model::RecordSink {
 public:
  PayloadCopier(const plan::CopyPayload& step, int file) : step_(step), file_(file) {}
  Result<void> record(const model::Record& record) override {
    if (record.key.seq != step_.record.seq) {
      return {};
    }
    std::uint64_t at = step_.offset;
    for (const Bytes part : record.payload.parts) {
      if (step_.offset == plan::CopyPayload::kAppend) {
        IMG_TRY(append(file_, part, step_.what));
      } else {
        IMG_TRY(write_at(file_, at, part, step_.what));
        at += part.size();
      }
    }
    return {};
  }

 private:
  const plan::CopyPayload& step_;
  int file_;
};

}  // namespace

Result<void> fill_memory(model::ImageReader& image, const plan::Fill& fill,
                         const MemoryTarget& target) {
  if (fill.ranges.empty()) {
    return {};
  }
  model::AddressSpace space(image, {model::Kind::pagemap, fill.pid});
  MemoryFiller filler(fill, target);
  IMG_TRY(space.visit(fill.ranges.front().start, fill.ranges.back().end, filler));
  return filler.flush();
}

Result<void> fill_file(model::ImageReader& image, const plan::FillFile& fill, int file,
                       std::atomic<std::uint64_t>* copied) {
  model::AddressSpace space(image, fill.pagemap);
  FileFiller filler(file, fill.bytes, copied);
  return space.visit(0, round_up(fill.bytes, kPage), filler);
}

Result<void> copy_payload(model::ImageReader& image, const plan::CopyPayload& step, int file) {
  PayloadCopier copier(step, file);
  return image.read(step.record.file, copier);
}

}  // namespace img::restore
