// SPDX-License-Identifier: MIT
// Transactions and cursors. Every view of bytes that one returns lives as long as its transaction
// (and, in a WriteTxn, until the next change). A ReadTxn may be shared by threads.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>

#include "libimg/base/bytes.h"
#include "libimg/base/result.h"
#include "libimg/base/unique_fd.h"
#include "libimg/store/env.h"
#include "libimg/store/key.h"

struct MDB_txn;
struct MDB_cursor;

namespace img::store {

struct Entry {
  Bytes key;
  Bytes value;
};

class Cursor;

class Txn {
 public:
  Txn(const Txn&) = delete;
  Txn& operator=(const Txn&) = delete;
  virtual ~Txn();

  [[nodiscard]] Result<std::optional<Bytes>> get(const Key& key) const;
  [[nodiscard]] Result<Cursor> cursor() const;
  [[nodiscard]] const std::string& place() const { return env_->place(); }

 protected:
  friend class Cursor;
  explicit Txn(std::shared_ptr<Env> env) : env_(std::move(env)) {}
  [[nodiscard]] virtual bool holds(const void* begin, std::size_t size) const = 0;

  std::shared_ptr<Env> env_;
  MDB_txn* txn_ = nullptr;
  // LMDB lets threads share a reading transaction if they take turns.
  mutable std::mutex mutex_;
};

/// Walks keys in order. Each step also checks that keys ascend: in a damaged database pages can
/// refer to each other for ever.
class Cursor {
 public:
  Cursor(Cursor&& other) noexcept
      : txn_(other.txn_), cursor_(std::exchange(other.cursor_, nullptr)), entry_(other.entry_) {}
  Cursor& operator=(Cursor&&) = delete;
  ~Cursor();

  /// The first entry whose key is not less.
  [[nodiscard]] Result<std::optional<Entry>> seek(const Key& key);
  [[nodiscard]] Result<std::optional<Entry>> next();
  /// The last entry whose key is less than `key`.
  [[nodiscard]] Result<std::optional<Entry>> before(const Key& key);

 private:
  friend class Txn;
  Cursor(const Txn& txn, MDB_cursor* cursor) : txn_(&txn), cursor_(cursor) {}
  [[nodiscard]] Result<std::optional<Entry>> move(int operation, Bytes from);

  const Txn* txn_;
  MDB_cursor* cursor_;
  Entry entry_;
};

class ReadTxn final : public Txn {
 public:
  [[nodiscard]] static Result<std::shared_ptr<const ReadTxn>> begin(std::shared_ptr<Env> env);
  /// For ordering what a reader can see against removals.
  [[nodiscard]] std::uint64_t number() const;

 private:
  using Txn::Txn;
  [[nodiscard]] bool holds(const void* begin, std::size_t size) const override;
};

/// The one writer. Destroying it without commit() undoes everything.
class WriteTxn final : public Txn {
 public:
  /// Waits for its turn until `deadline` has passed; `turn` is a directory of the store whose lock
  /// says whose turn it is.
  [[nodiscard]] static Result<std::unique_ptr<WriteTxn>> begin(std::shared_ptr<Env> env, int turn,
                                                               std::chrono::milliseconds deadline);
  ~WriteTxn() override;

  enum class Put { add, replace, append };
  /// Room for a value of `size` bytes, to be filled before anything else is done. `add`: the key
  /// must not be there; `append`: it must be greater than all others.
  [[nodiscard]] Result<std::span<std::byte>> reserve(const Key& key, std::size_t size, Put put);
  /// False: it was not there.
  [[nodiscard]] Result<bool> remove(const Key& key);
  [[nodiscard]] Result<void> commit();

 private:
  using Txn::Txn;
  [[nodiscard]] bool holds(const void*, std::size_t) const override { return true; }

  UniqueFd turn_;
  MDB_cursor* puts_ = nullptr;
};

}  // namespace img::store
