// SPDX-License-Identifier: MIT
#include "libimg/store/database_look.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <thread>

#include "libimg/base/bytes.h"
#include "libimg/base/file.h"

namespace img::store {
namespace {

// As LMDB 0.9 lays out a meta page on a 64-bit machine.
struct Tree {
  std::uint32_t pad;  // page size, in the first tree
  std::uint16_t flags;
  std::uint16_t depth;
  std::uint64_t branch_pages;
  std::uint64_t leaf_pages;
  std::uint64_t overflow_pages;
  std::uint64_t entries;
  std::uint64_t root;
};
struct Meta {
  std::uint64_t page_number;
  std::uint16_t page_pad;
  std::uint16_t page_flags;
  std::uint32_t page_bounds;
  std::uint32_t magic;
  std::uint32_t version;
  std::uint64_t address;
  std::uint64_t map_size;
  std::array<Tree, 2> trees;  // free pages; everything
  std::uint64_t last_page;
  std::uint64_t transaction;
};
static_assert(sizeof(Tree) == 48 && sizeof(Meta) == 152);

constexpr std::uint32_t kMagic = 0xBEEFC0DE;
constexpr std::uint32_t kVersion = 1;
constexpr std::uint16_t kMetaPage = 0x08;
constexpr std::uint16_t kIntegerKey = 0x08;
constexpr std::uint64_t kNoRoot = ~std::uint64_t{0};
constexpr std::uint16_t kMaxDepth = 32;
constexpr std::uint64_t kMaxPages = (std::uint64_t{1} << 40) / 4096;

bool is_plausible(const Tree& tree, std::uint16_t flags, std::uint64_t pages) {
  if ((tree.flags & ~flags) != 0 || tree.depth > kMaxDepth) {
    return false;
  }
  if (tree.root == kNoRoot) {
    return tree.depth == 0;
  }
  return tree.root >= 2 && tree.root < pages && tree.branch_pages < pages &&
         tree.leaf_pages < pages && tree.overflow_pages < pages &&
         tree.branch_pages + tree.leaf_pages + tree.overflow_pages + 2 <= pages;
}

// Null if all is well.
const char* look_at_page(int fd, std::uint64_t page, std::uint32_t& page_size, std::uint64_t size) {
  Meta meta{};
  if (::pread(fd, &meta, sizeof meta, static_cast<off_t>(page * page_size)) != sizeof meta ||
      meta.magic != kMagic || (meta.page_flags & kMetaPage) == 0) {
    return "is no LMDB database";
  }
  const std::uint32_t own = meta.trees[0].pad;
  if (meta.version != kVersion) {
    return "is a database of another LMDB version";
  }
  if (own < 4096 || own > 65536 || (own & (own - 1)) != 0 || (page != 0 && own != page_size)) {
    return "its page size makes no sense";
  }
  page_size = own;
  // The last pages may be missing from the file where nothing was ever written to them, so its
  // size is held against what the trees use, not against last_page.
  if (meta.last_page >= kMaxPages || !is_plausible(meta.trees[0], kIntegerKey, size / own) ||
      !is_plausible(meta.trees[1], 0, size / own)) {
    return "is cut short, or its first pages are damaged";
  }
  return nullptr;
}

}  // namespace

Result<void> look_at_database(int fd, const std::string& thing) {
  const char* why = nullptr;
  // A writer may be replacing one of the two pages at this moment.
  for (int attempt = 0; attempt < 5; ++attempt) {
    IMG_ASSIGN(const std::uint64_t size, file_size(fd, thing));
    if (size == 0) {
      return fail(Fault::missing, thing, "is empty");
    }
    std::uint32_t page_size = 0;
    why = look_at_page(fd, 0, page_size, size);
    if (why == nullptr) {
      why = look_at_page(fd, 1, page_size, size);
    }
    if (why == nullptr) {
      return {};
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return fail(Fault::corrupt, thing, why);
}

const char* refused_file_system(unsigned long type) {
  switch (type) {
    case 0x6969: return "NFS";
    case 0x517b: return "SMB";
    case 0xfe534d42: return "SMB2";
    case 0xff534d42: return "CIFS";
    case 0x0bd00bd0: return "Lustre";
    case 0x47504653: return "GPFS";
    case 0x00c36400: return "Ceph";
    case 0x01021997: return "9p";
    case 0x65735546: return "FUSE";
    case 0x5346414f:
    case 0x6b414653: return "AFS";
    case 0x73757245: return "Coda";
    default: return nullptr;
  }
}

}  // namespace img::store
