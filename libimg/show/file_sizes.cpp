// SPDX-License-Identifier: MIT
#include "libimg/show/file_sizes.h"

#include <algorithm>

#include "libimg/criu/encoder.h"
#include "libimg/criu/zombie.h"
#include "libimg/model/pagemap.h"
#include "libimg/show/subject.h"
#include "schema/pack_generated.h"

namespace img::show {
namespace {

constexpr std::uint64_t kWord = 4;

class SizeSink : public model::RecordSink {
 public:
  SizeSink(criu::Encoder& encoder, const SeeRecord& see, std::uint64_t page_size)
      : encoder_(encoder), see_(see), page_size_(page_size) {}

  Result<void> record(const Record& record) override {
    see_(record);
    size.payload_bytes += record.payload.size();
    if (record.key.seq == 0 || record.table == nullptr) {
      return {};  // a note about the file, or a raw one
    }
    if (record.table->name == "PagemapChunk") {
      chunk(record);
    } else {
      ++size.messages;
      size.record_bytes += kWord + message(record);
    }
    return {};
  }

  FileSize size;

 private:
  std::uint64_t message(const Record& record) {
    if (!record.original.empty()) {
      return record.original.size();
    }
    if (record.key.file.kind == Kind::zombie) {
      const Bytes core = criu::lower_zombie(*record.as<schema::Zombie>(), core_);
      return encoded(schema::table_layout("CoreEntry"), core);
    }
    if (record.key.file.kind == Kind::settings) {
      return record.flatbuffer.size();  // CRIU has no form of it
    }
    return encoded(*record.table, record.flatbuffer);
  }
  std::uint64_t encoded(const schema::TableLayout& table, Bytes buffer) {
    return encoder_.encode(table, *flatbuffers::GetRoot<flatbuffers::Table>(buffer.data())).size();
  }
  void chunk(const Record& record) {
    const auto& entries = *record.as<schema::PagemapChunk>()->entries();
    size.messages += entries.size();
    for (const auto* entry : entries) {
      const model::PageRun run = model::page_run(*entry);
      count(size.pages, run.flags, std::min(run.pages, UINT64_MAX / page_size_) * page_size_);
    }
    if (!record.original.empty()) {
      size.record_bytes += record.original.size();
      return;
    }
    const schema::TableLayout& table = schema::table_layout("PagemapEntry");
    for (const auto* entry : entries) {
      const auto& root = *reinterpret_cast<const flatbuffers::Table*>(entry);
      size.record_bytes += kWord + encoder_.encode(table, root).size();
    }
  }

  criu::Encoder& encoder_;
  const SeeRecord& see_;
  std::uint64_t page_size_;
  flatbuffers::FlatBufferBuilder core_;
};

std::uint64_t header_bytes(FileKey file, unsigned img_version) {
  const Kind kind = file.kind == Kind::zombie ? Kind::core : file.kind;
  const schema::KindInfo* info = schema::find_kind(kind);
  if (info == nullptr || info->is_raw() || info->shape == schema::Shape::own) {
    return 0;
  }
  return kind == Kind::inventory || img_version == 1 ? kWord : 2 * kWord;
}

}  // namespace

void count(PageSums& sums, std::uint32_t flags, std::uint64_t bytes) {
  if ((flags & model::kPagePresent) != 0) {
    sums.present += bytes;
    sums.lazy += (flags & model::kPageLazy) != 0 ? bytes : 0;
  } else if ((flags & model::kPageInParent) != 0) {
    sums.parent += bytes;
  } else {
    sums.zero += bytes;
  }
}

PageSums FileSizes::pages_of(Kind kind) const {
  PageSums all;
  for (const FileSize& size : files) {
    if (size.file.kind == kind) {
      all.present += size.pages.present;
      all.lazy += size.pages.lazy;
      all.parent += size.pages.parent;
      all.zero += size.pages.zero;
    }
  }
  return all;
}

FileSizes sizes_of_files(Subject& subject, const SeeRecord& see) {
  const auto* provenance = subject.reader().header().provenance();
  const unsigned img_version = provenance == nullptr ? 2 : provenance->img_version();
  FileSizes sizes;
  criu::Encoder encoder;
  for (const FileKey file : subject.files()) {
    SizeSink sink(encoder, see, subject.reader().header().page_size());
    sink.size.file = file;
    sink.size.record_bytes = header_bytes(file, img_version);
    subject.read(file, sink);
    sizes.record_bytes += sink.size.record_bytes;
    sizes.payload_bytes += sink.size.payload_bytes;
    sizes.files.push_back(sink.size);
  }
  return sizes;
}

}  // namespace img::show
