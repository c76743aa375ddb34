// SPDX-License-Identifier: MIT
// The memory of one process or shared object as it was at the dump: the pages of an image together
// with those it leaves to its parents. Knows nothing of mappings: what no image of the chain holds
// (file pages, pages never touched) is simply not there.
//
//   AddressSpace space(reader, {Kind::pagemap, 66});
//   IMG_ASSIGN(const MemoryRange args, space.read(mm.mm_arg_start(), length));
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "libimg/model/pagemap.h"
#include "libimg/model/record.h"

namespace img::model {

class MemorySink {
 public:
  virtual ~MemorySink() = default;
  /// A piece of memory; ascending, as far as the page map is. Valid only during the call.
  [[nodiscard]] virtual Result<void> memory(std::uint64_t address, Bytes bytes) = 0;
  /// Pages that the page map promises and that no image of the chain has.
  [[nodiscard]] virtual Result<void> missing(std::uint64_t /*address*/, std::uint64_t /*bytes*/) {
    return {};
  }
};

/// Bytes from `address` on; those that no image has are zero.
struct MemoryRange {
  struct Part {
    std::uint64_t address = 0;
    std::uint64_t bytes = 0;
  };
  std::uint64_t address = 0;
  std::vector<std::byte> bytes;
  std::vector<Part> known;  // the parts that an image has

  /// All bytes from the first on that are known.
  [[nodiscard]] Bytes known_head() const;
};

class AddressSpace {
 public:
  static constexpr std::uint64_t kLargestRead = std::uint64_t{16} << 20;

  /// `pagemap`: of Kind::pagemap or pagemap_shmem. The reader must outlive this.
  AddressSpace(ImageReader& reader, FileKey pagemap) : reader_(reader), pagemap_(pagemap) {}

  /// All memory in [begin, end). In one pass and without copying where no parent is asked;
  /// otherwise through a buffer of a few MiB.
  [[nodiscard]] Result<void> visit(std::uint64_t begin, std::uint64_t end, MemorySink& sink);
  /// At most kLargestRead bytes.
  [[nodiscard]] Result<MemoryRange> read(std::uint64_t begin, std::uint64_t length);

 private:
  class Pass;
  class Window;

  [[nodiscard]] Result<void> open_chain();

  ImageReader& reader_;
  FileKey pagemap_;
  std::vector<ImageReader*> ancestors_;  // opened when the first page is asked of them
  std::uint64_t ancestor_pages_ = 0;     // that they hold together
  bool chain_is_open_ = false;
};

/// The entries of a page map, in its order; no memory is touched.
[[nodiscard]] Result<void> for_each_run(ImageReader& reader, FileKey pagemap,
                                        const std::function<void(const PageRun&)>& use);

}  // namespace img::model
