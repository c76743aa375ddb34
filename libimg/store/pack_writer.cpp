// SPDX-License-Identifier: MIT
#include "libimg/store/pack_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "libimg/base/assert.h"
#include "libimg/base/file.h"
#include "libimg/base/file_lock.h"
#include "libimg/base/sync.h"
#include "libimg/store/pack_file.h"

namespace img::store {
namespace {

// Large enough that the system call costs nothing, small enough to be in the second-level cache
// when the kernel copies what has just been hashed. 256 KiB was the fastest of 64 KiB to 4 MiB.
constexpr std::size_t kWriteBytes = 256 * 1024;
constexpr std::uint64_t kWritebackBytes = 16 << 20;
constexpr std::array<std::byte, kBlockBytes> kZeros{};
constexpr std::size_t kHoleBytes = 64 * 1024;  // shorter ones would only scatter the file

/// Bytes of whole blocks of zeros in front.
std::size_t leading_zeros(Bytes blocks) {
  std::size_t size = 0;
  while (size < blocks.size() &&
         std::memcmp(blocks.data() + size, kZeros.data(), kBlockBytes) == 0) {
    size += kBlockBytes;
  }
  return size;
}

}  // namespace

PackWriter::PackWriter(int packs, std::string place) : packs_(packs), place_(std::move(place)) {}

Result<std::unique_ptr<PackWriter>> PackWriter::create(int packs, const std::string& place) {
  for (;;) {
    std::unique_ptr<PackWriter> writer(new PackWriter(packs, place));
    writer->id_ = Id::random();
    writer->thing_ = place + "/packs/" + pack_file_name(writer->id_);
    IMG_ASSIGN(writer->file_, create_file(packs, pack_file_name(writer->id_), writer->thing_));
    IMG_ASSIGN(const bool leased, take_lease(writer->file_.get(), writer->thing_));
    struct stat status {};
    // Between the two a gc may have taken the file for a leftover.
    if (leased && ::fstat(writer->file_.get(), &status) == 0 && status.st_nlink == 1) {
      IMG_ASSIGN(writer->hash_file_,
                 create_file(packs, hash_file_name(writer->id_), writer->thing_));
      return writer;
    }
  }
}

PackWriter::~PackWriter() {
  if (!keep_ && file_.is_open()) {
    ::unlinkat(packs_, hash_file_name(id_).c_str(), 0);
    ::unlinkat(packs_, pack_file_name(id_).c_str(), 0);
  }
}

std::uint64_t PackWriter::next_offset(std::uint64_t alignment) const {
  return round_up(size_, alignment);
}

Result<void> PackWriter::append(Bytes bytes, std::uint64_t alignment) {
  IMG_TRY(pad(next_offset(alignment)));
  if (size_ % kBlockBytes == 0 && bytes.size() >= kLongRunBytes) {
    const Bytes whole = bytes.first(bytes.size() / kBlockBytes * kBlockBytes);
    IMG_ASSIGN(const std::uint64_t offset, reserve_blocks(whole.size(), kBlockBytes));
    IMG_TRY(write_blocks(offset, whole));
    bytes = bytes.subspan(whole.size());
  }
  return append_buffered(bytes);
}

Result<std::uint64_t> PackWriter::reserve_blocks(std::uint64_t bytes, std::uint64_t alignment) {
  IMG_ASSERT(bytes % kBlockBytes == 0 && alignment % kBlockBytes == 0);
  IMG_TRY(pad(next_offset(alignment)));
  IMG_TRY(flush());
  IMG_ASSERT(buffered_ == 0 && written_ == size_);
  const std::uint64_t offset = size_;
  size_ += bytes;
  written_ = size_;
  IMG_TRY(extend());
  return offset;
}

// Past what was not written because it is zero.
Result<void> PackWriter::extend() const {
  return ::ftruncate(file_.get(), static_cast<off_t>(written_)) == 0
             ? Result<void>()
             : fail(sys_error(errno, thing_, "extend"));
}

Result<void> PackWriter::pad(std::uint64_t offset) {
  while (size_ < offset) {
    IMG_TRY(append_buffered(
        Bytes(kZeros).first(std::min<std::uint64_t>(offset - size_, kZeros.size()))));
  }
  return {};
}

Result<void> PackWriter::append_buffered(Bytes bytes) {
  while (!bytes.empty()) {
    if (buffer_.empty()) {
      buffer_.resize(kWriteBytes);
    }
    const std::size_t part = std::min(bytes.size(), buffer_.size() - buffered_);
    std::memcpy(buffer_.data() + buffered_, bytes.data(), part);
    buffered_ += part;
    size_ += part;
    bytes = bytes.subspan(part);
    if (buffered_ == buffer_.size()) {
      IMG_TRY(flush());
    }
  }
  return {};
}

// The buffer always begins at a block; only whole blocks leave it.
Result<void> PackWriter::flush() {
  const std::size_t whole = buffered_ / kBlockBytes * kBlockBytes;
  if (whole == 0) {
    return {};
  }
  IMG_TRY(write_blocks(written_, Bytes(buffer_).first(whole)));
  written_ += whole;
  IMG_TRY(extend());
  std::memmove(buffer_.data(), buffer_.data() + whole, buffered_ - whole);
  buffered_ -= whole;
  return {};
}

Result<void> PackWriter::write_blocks(std::uint64_t offset, Bytes blocks) const {
  std::array<std::uint64_t, 2 * kWriteBytes / kBlockBytes> hashes;
  while (!blocks.empty()) {
    const Bytes part = blocks.first(std::min(blocks.size(), kWriteBytes));
    std::size_t count = 0;
    for (std::size_t at = 0; at < part.size(); at += kBlockBytes) {
      const Hash128 hash = hash128(part.subspan(at, kBlockBytes));
      hashes[count++] = hash.lo;
      hashes[count++] = hash.hi;
    }
    IMG_TRY(write_but_holes(offset, part));
    IMG_TRY(write_at(hash_file_.get(), offset / kBlockBytes * kHashBytes,
                     std::as_bytes(std::span(hashes).first(count)), thing_));
    start_writeback(offset, offset + part.size());
    offset += part.size();
    blocks = blocks.subspan(part.size());
  }
  return {};
}

// Zeros were never written in this place, and memory that was never used is full of them.
Result<void> PackWriter::write_but_holes(std::uint64_t offset, Bytes blocks) const {
  std::size_t begin = 0;
  for (std::size_t at = 0; at < blocks.size();) {
    const std::size_t zeros = leading_zeros(blocks.subspan(at));
    if (zeros >= kHoleBytes) {
      IMG_TRY(write_at(file_.get(), offset + begin, blocks.subspan(begin, at - begin), thing_));
      begin = at + zeros;
    }
    at += std::max<std::size_t>(zeros, kBlockBytes);
  }
  return write_at(file_.get(), offset + begin, blocks.subspan(begin), thing_);
}

// Of what is well behind those who write now, so that the disk is at work when all of it is synced.
void PackWriter::start_writeback(std::uint64_t begin, std::uint64_t end) const {
  const std::uint64_t border = end / kWritebackBytes * kWritebackBytes;
  if (border > begin && border >= 2 * kWritebackBytes) {
    ::sync_file_range(file_.get(), static_cast<off_t>(border - 2 * kWritebackBytes),
                      static_cast<off_t>(kWritebackBytes), SYNC_FILE_RANGE_WRITE);
  }
}

Result<void> PackWriter::read_back(std::uint64_t offset, std::span<std::byte> to) const {
  return read_at(file_.get(), offset, to, thing_);
}

// From the file: they were written in any order.
Result<void> PackWriter::digest_hashes(Hasher128& digest) const {
  const std::uint64_t size = size_ / kBlockBytes * kHashBytes;
  std::vector<std::byte> buffer(std::min<std::uint64_t>(size, kWriteBytes));
  for (std::uint64_t at = 0; at < size;) {
    const std::size_t part = std::min<std::uint64_t>(size - at, buffer.size());
    IMG_TRY(read_at(hash_file_.get(), at, std::span(buffer).first(part), thing_));
    digest.add(Bytes(buffer).first(part));
    at += part;
  }
  return {};
}

Result<PackWriter::Sealed> PackWriter::seal() {
  IMG_TRY(pad(next_offset(kBlockBytes)));
  IMG_TRY(flush());
  IMG_ASSERT(buffered_ == 0 && written_ == size_);
  Hasher128 hashes;
  IMG_TRY(digest_hashes(hashes));
  const Hash128 digest = hashes.finish();
  return Sealed{size_, {digest.hi, digest.lo}};
}

Result<void> PackWriter::sync() const {
  const std::array files{file_.get(), hash_file_.get(), packs_};
  return sync_files(files, thing_);
}

}  // namespace img::store
