// SPDX-License-Identifier: MIT
// generate DIRECTORY TASKS PAGES-PER-TASK [SEED]: a CRIU image directory made of a real one.
#include <cstdio>
#include <cstdlib>

#include "bench/generate.h"

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fputs("usage: generate DIRECTORY TASKS PAGES-PER-TASK [SEED]\n", stderr);
    return 2;
  }
  img::bench::Shape shape;
  shape.tasks = static_cast<std::uint32_t>(std::strtoul(argv[2], nullptr, 10));
  shape.pages_per_task = std::strtoull(argv[3], nullptr, 10);
  shape.seed = argc > 4 ? std::strtoull(argv[4], nullptr, 10) : 1;
  const auto made = img::bench::generate(STASIS_FIXTURES "/dumps/single", argv[1], shape);
  if (!made) {
    std::fprintf(stderr, "generate: %s\n", made.error().line().c_str());
    return 2;
  }
  return 0;
}
