// SPDX-License-Identifier: MIT
// An image of a store as records that flow. The memory of a PagemapChunk is kept as runs of pages
// in packs, listed in an ExtentChunk; neither is seen from outside.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libimg/model/record.h"
#include "libimg/store/image_view.h"
#include "libimg/store/pending_image.h"

namespace img::model {

/// Holds one snapshot of the store from its opening on: what others write or remove meanwhile
/// changes nothing for it. Records stay valid as long as the reader, not only inside the sink.
class StoreImageReader final : public ImageReader {
 public:
  /// Without a name, the newest image that has one.
  [[nodiscard]] static Result<std::unique_ptr<StoreImageReader>> open(
      std::shared_ptr<const store::Store> store, std::string_view name = {});
  /// `row` is of `now`.
  StoreImageReader(std::shared_ptr<const store::Store> store, store::Snapshot now,
                   const store::ImageRow& row)
      : view_(std::move(store), std::move(now), row) {}

  [[nodiscard]] const schema::ImageHeader& header() const override { return view_.header(); }
  [[nodiscard]] const std::string& place() const override { return view_.place(); }
  [[nodiscard]] Result<ImageReader*> parent() override;
  [[nodiscard]] Result<std::vector<FileKey>> files() override;
  [[nodiscard]] Result<void> read(FileKey file, RecordSink& sink) override;
  [[nodiscard]] Result<void> read_held(FileKey pagemap, RecordSink& sink,
                                       std::shared_ptr<const void>& /*hold*/) override {
    return read(pagemap, sink);
  }
  [[nodiscard]] std::string file_name(FileKey file) const override;

  [[nodiscard]] const store::ImageView& view() const { return view_; }

 private:
  [[nodiscard]] Result<Record> make_record(const store::StoredRecord& stored) const;
  [[nodiscard]] Result<Payload> memory_of(const store::StoredRecord& chunk) const;

  store::ImageView view_;
  std::mutex parent_mutex_;
  std::unique_ptr<StoreImageReader> parent_;
};

/// One thread's records on their way into an image.
class StoreRecordSink final : public RecordSink {
 public:
  explicit StoreRecordSink(store::PendingImage& image) : image_(image) {}
  [[nodiscard]] Result<void> record(const Record& record) override;
  /// A PagemapChunk without a payload, whose memory is in the image's packs already: `places`
  /// together are the memory of its present entries, in order.
  [[nodiscard]] Result<void> placed(const Record& record,
                                    std::span<const store::StoredRun> places);

 private:
  [[nodiscard]] Result<void> check_order(const Record& record);
  [[nodiscard]] Result<store::Envelope> envelope(const Record& record);
  [[nodiscard]] Result<void> check_bytes(const Record& record, std::uint64_t bytes);
  [[nodiscard]] Result<void> put_memory(const Record& record);
  [[nodiscard]] Failure refuse(const Record& record, std::string why) const;

  store::PendingImage& image_;
  RecordKey last_;
  flatbuffers::FlatBufferBuilder builder_;
};

/// Writes an image into a store. `draft` says what it is called and where it comes from. One thread
/// uses the writer; others that write files of the same image have a sink() each.
class StoreImageWriter final : public ImageWriter {
 public:
  [[nodiscard]] static Result<std::unique_ptr<StoreImageWriter>> begin(
      std::shared_ptr<const store::Store> store, store::HeaderDraft draft,
      store::NameTaken taken = store::NameTaken::refuse, store::Sharing sharing = {});

  [[nodiscard]] Result<void> record(const Record& record) override { return sink_.record(record); }
  [[nodiscard]] Result<void> commit() override { return image_->commit(); }

  /// For one more thread; must be done with when commit() is called.
  [[nodiscard]] std::unique_ptr<RecordSink> sink() {
    return std::make_unique<StoreRecordSink>(*image_);
  }
  /// As PendingImage has them.
  [[nodiscard]] std::uint64_t own_bytes() const { return image_->own_bytes(); }
  /// For memory that goes to its place before the page map is told: see placed().
  [[nodiscard]] store::PendingImage& image() { return *image_; }
  [[nodiscard]] Result<void> placed(const Record& record,
                                    std::span<const store::StoredRun> places) {
    return sink_.placed(record, places);
  }
  /// May be changed until commit().
  [[nodiscard]] store::HeaderDraft& header() { return image_->header(); }

 private:
  explicit StoreImageWriter(std::unique_ptr<store::PendingImage> image)
      : image_(std::move(image)), sink_(*image_) {}

  std::unique_ptr<store::PendingImage> image_;
  StoreRecordSink sink_;
};

}  // namespace img::model
