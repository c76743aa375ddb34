// SPDX-License-Identifier: MIT
#include "libimg/store/pack_reader.h"

#include <fcntl.h>

#include <fmt/core.h>

#include "libimg/base/digest.h"
#include "libimg/base/file.h"
#include "libimg/store/pack_file.h"

namespace img::store {
namespace {

Result<MappedFile> map_exactly(int packs, const std::string& name, std::uint64_t bytes,
                               const std::string& thing) {
  IMG_ASSIGN(const UniqueFd fd, open_regular(packs, name, O_RDONLY, thing));
  IMG_ASSIGN(const std::uint64_t size, file_size(fd.get(), thing));
  if (size != bytes) {
    return fail(Fault::corrupt, thing, "read",
                fmt::format("has {} bytes where it was sealed with {}", size, bytes));
  }
  return MappedFile::map(fd.get(), size, thing);
}

Hash128 load_hash(const std::byte* from) {
  return {load<std::uint64_t>(from + 8), load<std::uint64_t>(from)};
}

}  // namespace

Result<PackReader> PackReader::open(int packs, const Id& id, std::uint64_t bytes,
                                    const std::string& place) {
  PackReader reader;
  reader.thing_ = place + "/packs/" + pack_file_name(id);
  IMG_ASSIGN(reader.file_, map_exactly(packs, pack_file_name(id), bytes, reader.thing_));
  return reader;
}

Result<Bytes> PackReader::bytes(std::uint64_t offset, std::uint64_t length) const {
  const Bytes all = file_.bytes();
  if (offset > all.size() || length > all.size() - offset) {
    return fail(Fault::corrupt, thing_, "read",
                fmt::format("a record wants {} bytes at {} of {}", length, offset, all.size()));
  }
  return all.subspan(offset, length);
}

Result<PackHashes> PackHashes::open(int packs, const Id& id, std::uint64_t bytes,
                                    const Id& hashes_digest, const std::string& place) {
  const std::string thing = place + "/packs/" + hash_file_name(id);
  PackHashes hashes;
  IMG_ASSIGN(hashes.file_,
             map_exactly(packs, hash_file_name(id), bytes / kBlockBytes * kHashBytes, thing));
  const Hash128 digest = hash128(hashes.file_.bytes());
  if (digest.hi != hashes_digest.hi || digest.lo != hashes_digest.lo) {
    return fail(Fault::corrupt, thing, "verify", "does not match its digest");
  }
  return hashes;
}

std::optional<std::uint64_t> PackHashes::first_difference(std::uint64_t first, Bytes blocks) const {
  const std::uint64_t count = blocks.size() / kBlockBytes;
  for (std::uint64_t block = 0; block < count; ++block) {
    const std::uint64_t at = (first + block) * kHashBytes;
    const Hash128 is = hash128(blocks.subspan(block * kBlockBytes, kBlockBytes));
    if (at + kHashBytes > file_.bytes().size() || is != load_hash(file_.bytes().data() + at)) {
      return first + block;
    }
  }
  return std::nullopt;
}

Result<void> verify_pack(int packs, const Id& id, std::uint64_t bytes, const Id& hashes_digest,
                         const std::string& place) {
  const std::string thing = place + "/packs/" + pack_file_name(id);
  IMG_ASSIGN(const MappedFile pack, map_exactly(packs, pack_file_name(id), bytes, thing));
  IMG_ASSIGN(const PackHashes hashes, PackHashes::open(packs, id, bytes, hashes_digest, place));
  if (const auto block = hashes.first_difference(0, pack.bytes())) {
    return fail(Fault::corrupt, thing, "verify",
                fmt::format("block {} does not match its hash", *block));
  }
  return {};
}

}  // namespace img::store
