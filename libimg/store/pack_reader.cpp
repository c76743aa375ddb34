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

Result<void> verify_pack(int packs, const Id& id, std::uint64_t bytes, const Id& hashes_digest,
                         const std::string& place) {
  const std::string thing = place + "/packs/" + pack_file_name(id);
  const std::string hash_thing = place + "/packs/" + hash_file_name(id);
  const std::uint64_t blocks = bytes / kBlockBytes;
  IMG_ASSIGN(const MappedFile pack, map_exactly(packs, pack_file_name(id), bytes, thing));
  IMG_ASSIGN(const MappedFile hashes,
             map_exactly(packs, hash_file_name(id), blocks * kHashBytes, hash_thing));
  const Hash128 digest = hash128(hashes.bytes());
  if (digest.hi != hashes_digest.hi || digest.lo != hashes_digest.lo) {
    return fail(Fault::corrupt, hash_thing, "verify", "does not match its digest");
  }
  for (std::uint64_t block = 0; block < blocks; ++block) {
    const Hash128 is = hash128(pack.bytes().subspan(block * kBlockBytes, kBlockBytes));
    if (is != load_hash(hashes.bytes().data() + block * kHashBytes)) {
      return fail(Fault::corrupt, thing, "verify",
                  fmt::format("block {} does not match its hash", block));
    }
  }
  return {};
}

}  // namespace img::store
