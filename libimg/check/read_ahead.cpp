// SPDX-License-Identifier: MIT
#include "libimg/check/read_ahead.h"

#include <array>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "libimg/base/bytes.h"

namespace img::check {
namespace {

using model::FileKey;
using model::Record;
using schema::Kind;

constexpr std::size_t kWorthThreads = 500;  // files
constexpr std::size_t kReaders = 2;
constexpr std::size_t kMostWaiting = 4 << 20;  // bytes of records read and not judged, per reader
constexpr std::size_t kMostCopied = 64 << 10;  // of one record's payload

class RecordCall : public model::RecordSink {
 public:
  explicit RecordCall(const std::function<void(const Record&)>& call) : call_(call) {}
  Result<void> record(const Record& record) override {
    call_(record);
    return {};
  }

 private:
  const std::function<void(const Record&)>& call_;
};

/// Records that outlive the sink they were sent to.
class Batch {
 public:
  explicit Batch(FileKey key) : file(key) {}

  void add(const Record& record, bool with_payload) {
    Kept kept{record.key, record.table, keep(record.flatbuffer), record.flatbuffer.size(), {}};
    if (with_payload) {
      for (const Bytes part : record.payload.parts) {
        kept.parts.emplace_back(keep(part), part.size());
      }
    }
    records_.push_back(std::move(kept));
  }

  void replay(const std::function<void(const Record&)>& call) const {
    const auto* const begin = reinterpret_cast<const std::byte*>(words_.data());
    for (const Kept& kept : records_) {
      Record record{kept.key, kept.table, Bytes(begin + kept.at, kept.size), {}, {}};
      for (const auto& [at, size] : kept.parts) {
        record.payload.parts.emplace_back(begin + at, size);
      }
      call(record);
    }
  }

  [[nodiscard]] std::size_t size() const { return words_.size() * 8 + records_.size() * 64; }

  FileKey file;
  bool is_last = true;  // of its file; then `read` is set
  FileRead read{{}, {}};
  const Record* direct = nullptr;  // judged while its reader waits

 private:
  struct Kept {
    model::RecordKey key;
    const schema::TableLayout* table = nullptr;
    std::size_t at = 0;
    std::size_t size = 0;
    std::vector<std::pair<std::size_t, std::size_t>> parts;
  };

  std::size_t keep(Bytes bytes) {
    const std::size_t at = words_.size() * 8;
    words_.resize(words_.size() + round_up(bytes.size(), 8) / 8);
    std::memcpy(reinterpret_cast<std::byte*>(words_.data()) + at, bytes.data(), bytes.size());
    return at;
  }

  std::vector<std::uint64_t> words_;  // so that FlatBuffers are aligned
  std::vector<Kept> records_;
};

/// What one reader has ready, in order.
class Queue {
 public:
  void put(std::unique_ptr<Batch> batch) {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [this] { return waiting_ < kMostWaiting; });
    waiting_ += batch->size();
    const bool is_direct = batch->direct != nullptr;
    batches_.push_back(std::move(batch));
    ready_.notify_one();
    if (is_direct) {
      ++directs_;
      room_.wait(lock, [this] { return directs_ == 0; });
    }
  }
  std::unique_ptr<Batch> take() {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [this] { return !batches_.empty(); });
    std::unique_ptr<Batch> batch = std::move(batches_.front());
    batches_.pop_front();
    waiting_ -= batch->size();
    if (batch->direct == nullptr) {
      room_.notify_one();
    }
    return batch;
  }
  void direct_is_done() {
    const std::lock_guard lock(mutex_);
    directs_ = 0;
    room_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  std::condition_variable room_;
  std::deque<std::unique_ptr<Batch>> batches_;
  std::size_t waiting_ = 0;
  int directs_ = 0;
};

/// One thread: its share of the files, in order.
class Reader : public model::RecordSink {
 public:
  Reader(model::ImageReader& image, DamageLog* damage, std::vector<FileKey> files, Queue& queue)
      : image_(image), damage_(damage), files_(std::move(files)), queue_(queue) {}

  void work() {
    for (const FileKey file : files_) {
      batch_ = std::make_unique<Batch>(file);
      FileRead read{image_.read(file, *this), {}};
      if (damage_ != nullptr) {
        read.damage = damage_->take();
      }
      batch_->read = std::move(read);
      queue_.put(std::move(batch_));
    }
  }

  Result<void> record(const Record& record) override {
    const bool is_memory = record.table != nullptr && record.table->name == "PagemapChunk";
    if (!is_memory && record.payload.size() > kMostCopied) {
      flush();
      batch_->direct = &record;
      flush();
      return {};
    }
    batch_->add(record, !is_memory);
    if (batch_->size() > kMostWaiting / 4) {
      flush();
    }
    return {};
  }

 private:
  void flush() {
    const FileKey file = batch_->file;
    batch_->is_last = false;
    queue_.put(std::exchange(batch_, std::make_unique<Batch>(file)));
  }

  model::ImageReader& image_;
  DamageLog* damage_;
  std::vector<FileKey> files_;
  Queue& queue_;
  std::unique_ptr<Batch> batch_;
};

/// Page maps are read by one thread, one after the other: which of two is the first to name a pages
/// file must not be chance.
std::size_t reader_of(FileKey file, std::size_t position) {
  const bool is_ordered = file.kind == Kind::pagemap || file.kind == Kind::pagemap_shmem ||
                          file.kind == Kind::pages || file.kind == Kind::inventory;
  return is_ordered ? 0 : position % kReaders;
}

}  // namespace

ReadAhead::ReadAhead(model::ImageReader& image, DamageLog* damage, std::vector<FileKey> order)
    : image_(image), damage_(damage), order_(std::move(order)) {}

void ReadAhead::run_alone(const std::function<void(const Record&)>& record,
                          const std::function<void(FileKey, FileRead)>& file) {
  RecordCall sink(record);
  for (const FileKey key : order_) {
    FileRead read{image_.read(key, sink), {}};
    if (damage_ != nullptr) {
      read.damage = damage_->take();
    }
    file(key, std::move(read));
  }
}

void ReadAhead::run(const std::function<void(const Record&)>& record,
                    const std::function<void(FileKey, FileRead)>& file) {
  if (order_.size() < kWorthThreads || std::thread::hardware_concurrency() < 2) {
    run_alone(record, file);
    return;
  }
  std::vector<FileKey> shares[kReaders];
  std::vector<std::uint8_t> whose;
  whose.reserve(order_.size());
  for (std::size_t i = 0; i < order_.size(); ++i) {
    whose.push_back(static_cast<std::uint8_t>(reader_of(order_[i], i)));
    shares[whose.back()].push_back(order_[i]);
  }
  std::array<Queue, kReaders> queues;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kReaders; ++i) {
    threads.emplace_back([this, share = std::move(shares[i]), &queue = queues[i]]() mutable {
      Reader(image_, damage_, std::move(share), queue).work();
    });
  }
  for (std::size_t i = 0; i < order_.size(); ++i) {
    Queue& queue = queues[whose[i]];
    for (;;) {
      const std::unique_ptr<Batch> batch = queue.take();
      if (batch->direct != nullptr) {
        record(*batch->direct);
        queue.direct_is_done();
        continue;
      }
      batch->replay(record);
      if (batch->is_last) {
        file(order_[i], std::move(batch->read));
        break;
      }
    }
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

}  // namespace img::check
