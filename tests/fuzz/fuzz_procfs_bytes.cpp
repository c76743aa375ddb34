// SPDX-License-Identifier: MIT
// The files of /proc that are bytes: auxv, cmdline and environ, pagemap. Input: the bytes.
#include "live/procfs/lists.h"
#include "live/procfs/pagemap.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace img::procfs;
  const img::Bytes bytes = std::as_bytes(std::span(data, size));
  if (const auto auxv = parse_auxv(bytes)) {
    img::fuzz::must_hold((auxv->size() + 1) * sizeof(AuxEntry) <= size, "auxv is in its bytes");
  }
  std::size_t total = 0;
  for (const std::string& one : parse_strings(img::as_text(bytes))) {
    total += one.size() + 1;
  }
  img::fuzz::must_hold(total == size || total == size + 1, "strings are the bytes between zeros");
  std::uint64_t last = 0;
  for (const PageRun& run : runs_of(bytes, 0x1000, {})) {
    img::fuzz::must_hold(run.start >= last && run.end > run.start, "runs are in order");
    last = run.end;
  }
  img::fuzz::must_hold(last <= 0x1000 + size / 8 * kPageBytes, "runs end with the entries");
  return 0;
}

std::vector<std::string> img::fuzz::seeds() {
  using namespace std::string_literals;
  return {
      "\x06\0\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"s,
      "python3\0-c\0\0pass\0"s,
      "\0\0\0\0\0\0\0\x81\0\0\0\0\0\0\0\x81\0\0\0\0\0\0\0\xa1\0\0\0\0\0\0\0\x40"s,
  };
}
