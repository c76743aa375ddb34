// SPDX-License-Identifier: MIT
// A pack while it grows. Each byte passes through here once: it is hashed while it is in the cache
// and handed to the kernel in large writes; long runs of zeros stay holes of the file. From
// creation to the end of its life the writer holds the lease on the file, by which others see that
// it is not a leftover.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "libimg/base/bytes.h"
#include "libimg/base/digest.h"
#include "libimg/base/result.h"
#include "libimg/base/unique_fd.h"
#include "libimg/store/id.h"

namespace img::store {

class PackWriter {
 public:
  /// `packs` is the directory, and must outlive the writer; `place` is the store's, for errors.
  [[nodiscard]] static Result<std::unique_ptr<PackWriter>> create(int packs,
                                                                  const std::string& place);
  PackWriter(const PackWriter&) = delete;
  PackWriter& operator=(const PackWriter&) = delete;
  /// Removes the files, unless keep() was called.
  ~PackWriter();

  [[nodiscard]] const Id& id() const { return id_; }
  /// What has been appended, padding included.
  [[nodiscard]] std::uint64_t size() const { return size_; }

  /// A place for `bytes`, whole blocks, which write_blocks() fills.
  [[nodiscard]] Result<std::uint64_t> reserve_blocks(std::uint64_t bytes, std::uint64_t alignment);
  /// Hashes and writes whole blocks at their place. The one function that several threads may be in
  /// at a time, each with a place of its own.
  [[nodiscard]] Result<void> write_blocks(std::uint64_t offset, Bytes blocks) const;

  /// Bytes of whole blocks that have been written.
  [[nodiscard]] Result<void> read_back(std::uint64_t offset, std::span<std::byte> to) const;

  /// Where the next append with this alignment (a power of two) will begin.
  [[nodiscard]] std::uint64_t next_offset(std::uint64_t alignment) const;
  /// Pads up to next_offset(alignment), then appends.
  [[nodiscard]] Result<void> append(Bytes bytes, std::uint64_t alignment);

  struct Sealed {
    std::uint64_t bytes = 0;
    Id hashes_digest;
  };
  /// Nothing is appended after this.
  [[nodiscard]] Result<Sealed> seal();
  /// Both files and their names are on stable storage.
  [[nodiscard]] Result<void> sync() const;
  /// The commit that refers to the pack is done: the files stay.
  void keep() { keep_ = true; }

 private:
  PackWriter(int packs, std::string place);
  [[nodiscard]] Result<void> pad(std::uint64_t offset);
  [[nodiscard]] Result<void> write_but_holes(std::uint64_t offset, Bytes blocks) const;
  [[nodiscard]] Result<void> extend() const;
  void start_writeback(std::uint64_t begin, std::uint64_t end) const;
  [[nodiscard]] Result<void> append_buffered(Bytes bytes);
  [[nodiscard]] Result<void> flush();
  [[nodiscard]] Result<void> digest_hashes(Hasher128& digest) const;

  int packs_;
  std::string place_;
  Id id_;
  std::string thing_;
  UniqueFd file_;
  UniqueFd hash_file_;
  std::uint64_t size_ = 0;     // written, reserved and buffered
  std::uint64_t written_ = 0;  // where the buffer begins: a block
  std::vector<std::byte> buffer_;
  std::size_t buffered_ = 0;
  bool keep_ = false;
};

}  // namespace img::store
