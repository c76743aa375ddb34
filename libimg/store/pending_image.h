// SPDX-License-Identifier: MIT
// One image while it is written. Records gather in memory and go into the database in bounded
// transactions under a number that no reader looks at; bytes go straight into a pack. commit()
// makes all of it visible at once. Several images can be written at the same time, by threads or
// processes: only the transactions wait for each other. One image can be written by several
// threads, each with records of its own: put() and append() may be called at the same time.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "libimg/base/bytes.h"
#include "libimg/base/result.h"
#include "libimg/store/envelope.h"
#include "libimg/store/header_draft.h"
#include "libimg/store/pack_writer.h"
#include "libimg/store/store.h"

namespace img::store {

enum class NameTaken { refuse, replace };

class PendingImage {
 public:
  /// `draft` has at least name, series and page size; a parent must be in the store. A taken name
  /// is refused here as well as at the commit.
  [[nodiscard]] static Result<std::unique_ptr<PendingImage>> begin(
      std::shared_ptr<const Store> store, HeaderDraft draft, NameTaken taken);
  /// Without commit(), removes what has been written.
  ~PendingImage();
  PendingImage(const PendingImage&) = delete;
  PendingImage& operator=(const PendingImage&) = delete;

  /// Keys may come in any order, each once. The payload is kept inline up to kMaxInlinePayload,
  /// and else in the pack.
  [[nodiscard]] Result<void> put(const RecordPlace& place, const Envelope& record,
                                 std::span<const Bytes> payload);
  /// Where the first byte went. Each part after the first follows at once.
  [[nodiscard]] Result<std::uint64_t> append(std::span<const Bytes> parts, std::uint64_t alignment);

  /// Something of the image is missing: commit() will refuse. A failed put() or append() does it
  /// too.
  void spoil() { broken_ = true; }

  /// May be changed until commit(): name, series, freeze, provenance (what they point to must
  /// live until then).
  [[nodiscard]] HeaderDraft& header() { return draft_; }
  [[nodiscard]] const Store& store() const { return *store_; }

  [[nodiscard]] Result<void> commit();

 private:
  struct Waiting {
    RecordPlace place;
    std::uint32_t offset;
    std::uint32_t size;
  };
  /// Encoded records that no transaction has taken yet.
  struct Batch {
    std::vector<std::byte> bytes;
    std::vector<Waiting> records;
  };

  PendingImage(std::shared_ptr<const Store> store, HeaderDraft draft, NameTaken taken)
      : store_(std::move(store)), draft_(std::move(draft)), taken_(taken) {}
  [[nodiscard]] Result<std::uint64_t> append_parts(std::span<const Bytes> parts,
                                                   std::uint64_t alignment);
  [[nodiscard]] Result<void> put_record(const RecordPlace& place, const Envelope& record,
                                        std::span<const Bytes> payload);
  [[nodiscard]] Result<void> make_visible(WriteTxn& txn, const PackWriter::Sealed& sealed);
  [[nodiscard]] Result<void> take_name(WriteTxn& txn);
  [[nodiscard]] Result<void> write_pending();
  [[nodiscard]] Result<void> enter(WriteTxn& txn);
  [[nodiscard]] Result<void> write_batch(WriteTxn& txn, Batch& batch);
  [[nodiscard]] Result<void> flush(Batch& batch);
  [[nodiscard]] Result<std::uint64_t> append_blocks(std::span<const Bytes> parts,
                                                    std::uint64_t size, std::uint64_t alignment);
  [[nodiscard]] Result<void> put_alone(const RecordPlace& place, const Envelope& record,
                                       std::span<const Bytes> payload);
  [[nodiscard]] Failure name_is_taken() const;

  std::shared_ptr<const Store> store_;
  HeaderDraft draft_;
  NameTaken taken_;
  std::unique_ptr<PackWriter> pack_;
  std::mutex mutex_;  // of everything below, and of the pack's end
  // Extents come after all other records of an image. In a batch of their own they do not break
  // the ascending order, in which LMDB fills its pages, for the rest.
  Batch records_;
  Batch extents_;
  bool is_pending_ = false;           // the database knows of it
  std::atomic<bool> broken_ = false;  // a put() or append() failed: there is a hole
  bool committed_ = false;
};

}  // namespace img::store
