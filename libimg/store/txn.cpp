// SPDX-License-Identifier: MIT
#include "libimg/store/txn.h"

#include <lmdb.h>

#include <algorithm>
#include <cerrno>

#include "libimg/base/file.h"
#include "libimg/base/file_lock.h"

namespace img::store {
namespace {

MDB_val val_of(Bytes bytes) {
  return {bytes.size(), const_cast<std::byte*>(bytes.data())};
}
Bytes bytes_of(const MDB_val& val) {
  return {static_cast<const std::byte*>(val.mv_data), val.mv_size};
}

bool is_less(Bytes a, Bytes b) {
  const int order = std::memcmp(a.data(), b.data(), std::min(a.size(), b.size()));
  return order != 0 ? order < 0 : a.size() < b.size();
}

}  // namespace

Txn::~Txn() {
  if (txn_ != nullptr) {
    ::mdb_txn_abort(txn_);
  }
}

Result<std::optional<Bytes>> Txn::get(const Key& key) const {
  MDB_val wanted = val_of(key.bytes());
  MDB_val value{};
  const std::lock_guard lock(mutex_);
  const BlameMapping blame(env_->map());
  const int rc = ::mdb_get(txn_, env_->table(), &wanted, &value);
  if (rc == MDB_NOTFOUND) {
    return std::optional<Bytes>();
  }
  if (rc != 0) {
    return fail(database_error(rc, place(), "read"));
  }
  if (!holds(value.mv_data, value.mv_size)) {
    return fail(Fault::corrupt, place(), "read", "a value lies outside the database");
  }
  return std::optional(bytes_of(value));
}

Result<Cursor> Txn::cursor() const {
  const std::lock_guard lock(mutex_);
  MDB_cursor* cursor = nullptr;
  if (const int rc = ::mdb_cursor_open(txn_, env_->table(), &cursor); rc != 0) {
    return fail(database_error(rc, place(), "read"));
  }
  return Cursor(*this, cursor);
}

Cursor::~Cursor() {
  if (cursor_ != nullptr) {
    const std::lock_guard lock(txn_->mutex_);
    ::mdb_cursor_close(cursor_);
  }
}

Result<std::optional<Entry>> Cursor::move(int operation, Bytes from) {
  MDB_val key = val_of(from);
  MDB_val value{};
  const std::lock_guard lock(txn_->mutex_);
  const BlameMapping blame(txn_->env_->map());
  const int rc = ::mdb_cursor_get(cursor_, &key, &value, static_cast<MDB_cursor_op>(operation));
  if (rc == MDB_NOTFOUND) {
    return std::optional<Entry>();
  }
  if (rc != 0) {
    return fail(database_error(rc, txn_->place(), "read"));
  }
  if (!txn_->holds(key.mv_data, key.mv_size) || !txn_->holds(value.mv_data, value.mv_size)) {
    return fail(Fault::corrupt, txn_->place(), "read", "a value lies outside the database");
  }
  const Entry entry{bytes_of(key), bytes_of(value)};
  const bool ascends = operation == MDB_NEXT   ? is_less(entry_.key, entry.key)
                       : operation == MDB_PREV ? is_less(entry.key, from)
                                               : true;
  if (!ascends) {
    return fail(Fault::corrupt, txn_->place(), "read", "keys are out of order");
  }
  entry_ = entry;
  return std::optional(entry);
}

Result<std::optional<Entry>> Cursor::seek(const Key& key) {
  IMG_ASSIGN(auto found, move(MDB_SET_RANGE, key.bytes()));
  if (found && is_less(found->key, key.bytes())) {
    return fail(Fault::corrupt, txn_->place(), "read", "keys are out of order");
  }
  return found;
}

Result<std::optional<Entry>> Cursor::next() {
  return move(MDB_NEXT, {});
}

Result<std::optional<Entry>> Cursor::before(const Key& key) {
  IMG_ASSIGN(const auto found, move(MDB_SET_RANGE, key.bytes()));
  return move(found ? MDB_PREV : MDB_LAST, key.bytes());
}

Result<std::shared_ptr<const ReadTxn>> ReadTxn::begin(std::shared_ptr<Env> env) {
  std::shared_ptr<ReadTxn> txn(new ReadTxn(std::move(env)));
  if (const int rc = ::mdb_txn_begin(txn->env_->get(), nullptr, MDB_RDONLY, &txn->txn_); rc != 0) {
    return fail(database_error(rc, txn->place(), "begin to read"));
  }
  return std::shared_ptr<const ReadTxn>(std::move(txn));
}

std::uint64_t ReadTxn::number() const {
  return ::mdb_txn_id(txn_);
}

bool ReadTxn::holds(const void* begin, std::size_t size) const {
  return env_->holds(begin, size);
}

Result<std::unique_ptr<WriteTxn>> WriteTxn::begin(std::shared_ptr<Env> env, int turn,
                                                  std::chrono::milliseconds deadline) {
  std::unique_ptr<WriteTxn> txn(new WriteTxn(std::move(env)));
  if (!txn->env_->is_writable()) {
    return fail(Fault::denied, txn->place(), "write", "the store can only be read");
  }
  // A descriptor of its own, so that threads of one process take turns too.
  IMG_ASSIGN(txn->turn_, open_directory(turn, ".", txn->place()));
  IMG_TRY(lock_file(txn->turn_.get(), LockMode::exclusive, deadline, txn->place(),
                    "wait for the turn to write"));
  if (const int rc = ::mdb_txn_begin(txn->env_->get(), nullptr, 0, &txn->txn_); rc != 0) {
    return fail(database_error(rc, txn->place(), "begin to write"));
  }
  return txn;
}

WriteTxn::~WriteTxn() {
  if (puts_ != nullptr && txn_ != nullptr) {
    ::mdb_cursor_close(puts_);  // before the transaction that owns it ends
  }
  if (txn_ != nullptr) {
    ::mdb_txn_abort(std::exchange(txn_, nullptr));  // before it is someone else's turn
  }
}

Result<std::span<std::byte>> WriteTxn::reserve(const Key& key, std::size_t size, Put put) {
  const BlameMapping blame(env_->map());
  int rc = puts_ == nullptr ? ::mdb_cursor_open(txn_, env_->table(), &puts_) : 0;
  MDB_val wanted = val_of(key.bytes());
  MDB_val value{size, nullptr};
  if (rc == 0) {
    const unsigned flags = put == Put::add      ? unsigned{MDB_NOOVERWRITE}
                           : put == Put::append ? unsigned{MDB_APPEND}
                                                : 0U;
    rc = ::mdb_cursor_put(puts_, &wanted, &value, flags | MDB_RESERVE);
  }
  if (rc != 0) {
    return fail(database_error(rc, place(), "write"));
  }
  return std::span(static_cast<std::byte*>(value.mv_data), size);
}

Result<bool> WriteTxn::remove(const Key& key) {
  MDB_val wanted = val_of(key.bytes());
  const BlameMapping blame(env_->map());
  const int rc = ::mdb_del(txn_, env_->table(), &wanted, nullptr);
  if (rc != 0 && rc != MDB_NOTFOUND) {
    return fail(database_error(rc, place(), "remove"));
  }
  return rc == 0;
}

Result<void> WriteTxn::commit() {
  if (puts_ != nullptr) {
    ::mdb_cursor_close(std::exchange(puts_, nullptr));
  }
  const BlameMapping blame(env_->map());
  if (const int rc = ::mdb_txn_commit(std::exchange(txn_, nullptr)); rc != 0) {
    // LMDB calls a short write EIO; on a disk that is full, that is what it was.
    return fail(database_error(rc == EIO ? env_->write_failure() : rc, place(), "commit"));
  }
  turn_.reset();
  return {};
}

}  // namespace img::store
