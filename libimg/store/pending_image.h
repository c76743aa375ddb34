// SPDX-License-Identifier: MIT
// One image while it is written. Records gather in memory and go into the database in bounded
// transactions under a number that no reader looks at; bytes go straight into a pack. commit()
// makes all of it visible at once. Several images can be written at the same time, by threads or
// processes: only the transactions wait for each other. One image can be written by several
// threads, each with records of its own: put() and append() may be called at the same time.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "libimg/base/bytes.h"
#include "libimg/base/result.h"
#include "libimg/store/envelope.h"
#include "libimg/store/header_draft.h"
#include "libimg/store/known_pages.h"
#include "libimg/store/pack_uses.h"
#include "libimg/store/pack_writer.h"
#include "libimg/store/store.h"

namespace img::store {

/// What happens to an image that has the name: nothing, and the new one is refused; it loses the
/// name; it keeps the name, and the new one has none.
enum class NameTaken { refuse, replace, yield };

/// What of the memory an image does not have to keep a copy of.
struct Sharing {
  /// Pages that are known by content; must outlive the image. One image at a time.
  KnownPages* known = nullptr;
  /// Packs of this store: bytes that lie in one of them, as the store mapped it, stay there.
  std::vector<Id> packs = {};

  [[nodiscard]] bool is_any() const { return known != nullptr || !packs.empty(); }
};

/// Bytes in a pack of the image; `pack` is what its header lists it as.
struct StoredRun {
  std::uint32_t pack = 0;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

class PendingImage {
 public:
  /// `draft` has at least name, series and page size; a parent must be in the store. A taken name
  /// is refused here as well as at the commit.
  [[nodiscard]] static Result<std::unique_ptr<PendingImage>> begin(
      std::shared_ptr<const Store> store, HeaderDraft draft, NameTaken taken, Sharing sharing = {});
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

  /// Whole pages. `use` is told where they are: runs that together are the parts, in order.
  [[nodiscard]] Result<void> append_pages(std::span<const Bytes> parts, std::uint64_t page_size,
                                          const std::function<Result<void>(StoredRun)>& use);

  /// Room for whole blocks, which write() fills: for who knows how much will come, and has it come
  /// from several threads. A part that is never written is a part that is missing: see spoil().
  [[nodiscard]] Result<std::uint64_t> reserve(std::uint64_t bytes, std::uint64_t alignment);
  [[nodiscard]] Result<void> write(std::uint64_t offset, Bytes blocks);

  /// Something of the image is missing: commit() will refuse. A failed put() or append() does it
  /// too.
  void spoil() { broken_ = true; }

  /// May be changed until commit(): name, series, freeze, provenance (what they point to must
  /// live until then).
  [[nodiscard]] HeaderDraft& header() { return draft_; }
  [[nodiscard]] const Store& store() const { return *store_; }
  /// Bytes in the image's own pack, and not in another's.
  [[nodiscard]] std::uint64_t own_bytes() const { return own_bytes_; }

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

  PendingImage(std::shared_ptr<const Store> store, HeaderDraft draft, NameTaken taken,
               Sharing sharing)
      : store_(std::move(store)),
        draft_(std::move(draft)),
        taken_(taken),
        sharing_(std::move(sharing)) {}
  friend class PagePlacer;
  /// In a pack that others have: where, if there is nothing to be copied.
  [[nodiscard]] std::optional<StoredRun> find_in_place(Bytes bytes, std::uint64_t alignment);
  [[nodiscard]] StoredRun refer(const Id& pack, std::uint64_t offset, std::uint64_t bytes);
  [[nodiscard]] Result<std::vector<Id>> packs_there(const WriteTxn& txn) const;
  void list_packs_in_use();
  [[nodiscard]] Result<std::uint64_t> append_parts(std::span<const Bytes> parts,
                                                   std::uint64_t alignment);
  [[nodiscard]] Result<void> put_record(const RecordPlace& place, const Envelope& record,
                                        std::span<const Bytes> payload);
  [[nodiscard]] Result<void> make_visible(WriteTxn& txn, const PackWriter::Sealed& sealed);
  [[nodiscard]] Result<void> take_name(WriteTxn& txn);
  [[nodiscard]] Result<void> write_pending();
  [[nodiscard]] Result<void> find_parent(const Txn& txn) const;
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
  Sharing sharing_;
  std::set<Id> offered_;  // packs of others that the pending header lists
  std::unique_ptr<PackWriter> pack_;
  PackUses uses_;
  std::uint64_t own_bytes_ = 0;  // appended
  std::mutex mutex_;             // of everything below, and of the pack's end
  // Extents come after all other records of an image. In a batch of their own they do not break
  // the ascending order, in which LMDB fills its pages, for the rest.
  Batch records_;
  Batch extents_;
  bool is_pending_ = false;           // the database knows of it
  std::atomic<bool> broken_ = false;  // a put() or append() failed: there is a hole
  bool committed_ = false;
};

}  // namespace img::store
