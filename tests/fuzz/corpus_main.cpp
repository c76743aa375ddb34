// SPDX-License-Identifier: MIT
// Runs a fuzz target without libFuzzer: on its seeds, on the files given, and on N mutations of
// them made from a fixed seed, so that a run in ctest is the same everywhere.
//
//   fuzz_X [--runs N] [--seed N] [--write-seeds DIR] [FILE|DIR]...
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>

#include "tests/fuzz/fuzz.h"
#include "tests/support/scratch.h"

namespace {

namespace fs = std::filesystem;
using Inputs = std::vector<std::string>;

// A heap copy of just that size, so that AddressSanitizer sees a read past its end.
void run(const std::string& input) {
  const auto copy = std::make_unique<std::uint8_t[]>(input.size());
  std::copy(input.begin(), input.end(), copy.get());
  LLVMFuzzerTestOneInput(copy.get(), input.size());
}

void add(Inputs& inputs, const fs::path& path) {
  if (fs::is_directory(path)) {
    for (const auto& entry : fs::directory_iterator(path)) {
      add(inputs, entry.path());
    }
    return;
  }
  inputs.push_back(img::test::slurp(path));
}

std::string mutate(const Inputs& inputs, std::mt19937_64& random) {
  const auto below = [&random](std::size_t end) { return end == 0 ? 0 : random() % end; };
  std::string out = inputs[below(inputs.size())];
  for (std::size_t times = 1 + below(4); times-- > 0;) {
    const std::size_t at = below(out.size());
    switch (below(6)) {
      case 0: out.resize(at); break;
      case 1: out.insert(at, std::string(1 + below(8), static_cast<char>(random()))); break;
      case 2: out.erase(at, 1 + below(8)); break;
      case 3: {
        const std::string& other = inputs[below(inputs.size())];
        out = out.substr(0, at) + other.substr(below(other.size()));
        break;
      }
      case 4:
        if (out.size() >= at + 4) {
          const std::uint32_t edges[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 4096};
          out.replace(at, 4, reinterpret_cast<const char*>(&edges[below(6)]), 4);
        }
        break;
      default:
        if (!out.empty()) {
          out[at] = static_cast<char>(random());
        }
    }
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t runs = 0;
  std::uint64_t seed = 1;
  std::string write_seeds;
  Inputs inputs = img::fuzz::seeds();
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const bool has_value = i + 1 < argc;
    if (argument == "--runs" && has_value) {
      runs = std::strtoull(argv[++i], nullptr, 10);
    } else if (argument == "--seed" && has_value) {
      seed = std::strtoull(argv[++i], nullptr, 10);
    } else if (argument == "--write-seeds" && has_value) {
      write_seeds = argv[++i];
    } else {
      add(inputs, argument);
    }
  }
  if (inputs.empty()) {
    std::fprintf(stderr, "no input to begin with\n");
    return 1;
  }
  if (!write_seeds.empty()) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      std::ofstream(fs::path(write_seeds) / ("seed-" + std::to_string(i)), std::ios::binary)
          << inputs[i];
    }
    return 0;
  }
  for (const std::string& input : inputs) {
    run(input);
  }
  std::mt19937_64 random(seed);
  for (std::size_t i = 0; i < runs; ++i) {
    run(mutate(inputs, random));
  }
  std::printf("%zu inputs, %zu mutations\n", inputs.size(), runs);
  return 0;
}
