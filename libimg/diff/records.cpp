// SPDX-License-Identifier: MIT
// Every record of every file, a window of them at a time: two files need not fit into memory, and
// neither gives its records in the other's time.
#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "libimg/base/digest.h"
#include "libimg/diff/fields.h"
#include "libimg/diff/parts.h"

namespace img::diff {
namespace {

using model::FileKey;
using model::Record;
using schema::Kind;

constexpr std::size_t kWindowBytes = std::size_t{8} << 20;
constexpr std::size_t kWindowRecords = 65536;

/// Page maps are compared by their pages; the others say how the dump went.
bool is_compared(FileKey file) {
  switch (file.kind) {
    case Kind::pagemap:
    case Kind::pagemap_shmem:
    case Kind::pages:
    case Kind::stats_dump:
    case Kind::stats_restore:
    case Kind::irmap_cache: return false;
    default: return true;
  }
}

struct Kept {
  std::vector<std::uint64_t> flatbuffer;  // so that it is aligned
  std::size_t size = 0;
  std::uint64_t payload_size = 0;
  Hash128 payload;
  Hash128 original;
  bool met = false;
};

Hash128 payload_hash(const Record& record) {
  Hasher128 hasher;
  for (const Bytes part : record.payload.parts) {
    hasher.add(part);
  }
  return hasher.finish();
}

/// Some records of one file, from `begin` on.
class Window : public model::RecordSink {
 public:
  explicit Window(std::uint64_t begin) : begin_(begin) {}

  Result<void> record(const Record& record) override {
    if (record.key.seq < begin_ || end_ != UINT64_MAX) {
      return {};
    }
    if (bytes_ > kWindowBytes || kept.size() == kWindowRecords) {
      end_ = record.key.seq;
      return {};
    }
    Kept& copy = kept[record.key.seq];
    copy.size = record.flatbuffer.size();
    copy.flatbuffer.resize((copy.size + 7) / 8);
    std::ranges::copy(record.flatbuffer, reinterpret_cast<std::byte*>(copy.flatbuffer.data()));
    copy.payload_size = record.payload.size();
    copy.payload = payload_hash(record);
    copy.original = hash128(record.original);
    bytes_ += copy.size + sizeof(Kept);
    return {};
  }

  [[nodiscard]] bool has(std::uint64_t seq) const { return seq >= begin_ && seq < end_; }
  [[nodiscard]] std::uint64_t end() const { return end_; }

  std::map<std::uint64_t, Kept> kept;

 private:
  std::uint64_t begin_;
  std::uint64_t end_ = UINT64_MAX;  // the first that did not fit
  std::size_t bytes_ = 0;
};

class Other : public model::RecordSink {
 public:
  Other(Window& window, const std::string& name, std::uint32_t pid, const Tell& tell)
      : window_(window), name_(name), pid_(pid), tell_(tell) {}

  Result<void> record(const Record& record) override {
    if (!window_.has(record.key.seq)) {
      return {};
    }
    const auto found = window_.kept.find(record.key.seq);
    if (found == window_.kept.end()) {
      tell_(Section::records, {Change::added, pid_, what(record.key.seq), {}});
      return {};
    }
    compare(found->second, record);
    return {};
  }

  void finish() {
    for (const auto& [seq, kept] : window_.kept) {
      if (!kept.met) {
        tell_(Section::records, {Change::gone, pid_, what(seq), {}});
      }
    }
  }

 private:
  [[nodiscard]] std::string what(std::uint64_t seq) const {
    return seq <= 1 ? name_ : fmt::format("{} entry {}", name_, seq);
  }

  void compare(Kept& kept, const Record& record) {
    kept.met = true;
    Item item{Change::changed, pid_, what(record.key.seq), {}};
    const Bytes before(reinterpret_cast<const std::byte*>(kept.flatbuffer.data()), kept.size);
    if (!std::ranges::equal(before, record.flatbuffer) && record.table != nullptr &&
        !before.empty() && !record.flatbuffer.empty()) {
      compare_tables(*record.table, before, record.flatbuffer, item);
    }
    if (kept.payload != payload_hash(record)) {
      item.fields.push_back({"payload", fmt::format("{} bytes", kept.payload_size),
                             fmt::format("{} bytes", record.payload.size())});
    }
    if (item.fields.empty() && kept.original != hash128(record.original)) {
      item.fields.push_back({"encoding", "", ""});
    }
    if (!item.fields.empty()) {
      tell_(Section::records, item);
    }
  }

  Window& window_;
  const std::string& name_;
  std::uint32_t pid_;
  const Tell& tell_;
};

bool is_of_a_process(Kind kind) {
  switch (kind) {
    case Kind::core:
    case Kind::zombie:
    case Kind::ids:
    case Kind::mm:
    case Kind::settings:
    case Kind::fs: return true;
    default: return false;
  }
}

Result<void> compare_file(const Pair& pair, FileKey file, const Tell& tell) {
  const std::string name = pair.after.reader().file_name(file);
  const std::uint32_t pid = is_of_a_process(file.kind) ? static_cast<std::uint32_t>(file.id) : 0;
  for (std::uint64_t begin = 0; begin != UINT64_MAX;) {
    Window window(begin);
    IMG_TRY(pair.before.reader().read(file, window));
    Other other(window, name, pid, tell);
    IMG_TRY(pair.after.reader().read(file, other));
    other.finish();
    begin = window.end();
  }
  return {};
}

}  // namespace

Result<void> compare_records(const Pair& pair, const Tell& tell) {
  std::set<FileKey> all;
  all.insert(pair.before.files().begin(), pair.before.files().end());
  all.insert(pair.after.files().begin(), pair.after.files().end());
  for (const FileKey file : all) {
    if (!is_compared(file)) {
      continue;
    }
    const bool was = pair.before.has(file);
    if (was && pair.after.has(file)) {
      IMG_TRY(compare_file(pair, file, tell));
      continue;
    }
    const Change change = was ? Change::gone : Change::added;
    tell(Section::records,
         {change, 0, (was ? pair.before : pair.after).reader().file_name(file), {}});
  }
  return {};
}

}  // namespace img::diff
