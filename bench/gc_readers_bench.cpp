// SPDX-License-Identifier: MIT
// How long another process waits for an image, a record and a page of it while 500 of 1,000 images
// go, 500 are folded and 500 packs are written anew; and how long with nobody else there.
#include <benchmark/benchmark.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <new>
#include <vector>

#include "bench/gc_images.h"
#include "libimg/model/address_space.h"
#include "libimg/model/store_image.h"

namespace img::bench {
namespace {

using Clock = std::chrono::steady_clock;
constexpr unsigned kImages = 500;

struct Waits {
  double median_us = 0;
  double p99_us = 0;
  double p999_us = 0;
  double worst_us = 0;
  std::uint64_t reads = 0;
};

/// What the two processes share.
struct Shared {
  enum Phase { wait, alone, collecting, end };
  std::atomic<int> phase{wait};
  std::atomic<bool> is_reading{false};
  Waits waits[end];
};

Waits summary(std::vector<double>& all) {
  std::ranges::sort(all);
  const auto at = [&](double part) {
    return all[static_cast<std::size_t>(static_cast<double>(all.size() - 1) * part)];
  };
  return {at(0.5), at(0.99), at(0.999), all.back(), all.size()};
}

void read_one(const std::shared_ptr<const store::Store>& store, unsigned at) {
  const auto image = need(model::StoreImageReader::open(store, "i" + std::to_string(at % kImages)));
  if (!need(image->view().record({schema::Kind::pstree, 0, 1}))) {
    stop(make_error(Fault::missing, image->place(), "read"));
  }
  model::AddressSpace space(*image, {schema::Kind::pagemap, 1});
  const model::MemoryRange page = need(space.read(0x400000, 4096));
  if (page.known_head().size() != 4096 || page.bytes.front() != std::byte{7}) {
    stop(make_error(Fault::corrupt, image->place(), "read a page"));
  }
}

[[noreturn]] void read_until_end(const std::string& path, Shared& shared) {
  const auto store = need(store::Store::open(path));
  std::vector<double> waits[Shared::end];
  for (unsigned at = 0; shared.phase != Shared::end; ++at) {
    const int phase = shared.phase;
    const auto begin = Clock::now();
    read_one(store, at);
    const std::chrono::duration<double, std::micro> took = Clock::now() - begin;
    if (phase == shared.phase) {
      waits[phase].push_back(took.count());
    }
    shared.is_reading = true;
  }
  for (const int phase : {Shared::alone, Shared::collecting}) {
    shared.waits[phase] = summary(waits[phase]);
  }
  ::_exit(0);
}

void say(benchmark::State& state, const char* name, const Waits& waits) {
  const std::string prefix = name;
  state.counters[prefix + "_median_us"] = waits.median_us;
  state.counters[prefix + "_p99_us"] = waits.p99_us;
  state.counters[prefix + "_p99.9_us"] = waits.p999_us;
  state.counters[prefix + "_worst_us"] = waits.worst_us;
  state.counters[prefix + "_reads"] = static_cast<double>(waits.reads);
}

void ReadWhileCollecting(benchmark::State& state) {
  const Scratch scratch;
  make_chains(scratch / "base", kImages);
  void* const page =
      ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) {
    stop(sys_error(errno, "memory", "map"));
  }
  double rewritten = 0;
  for (auto _ : state) {
    state.PauseTiming();
    copy_store(scratch / "base", scratch / "s");
    auto& shared = *new (page) Shared;
    const pid_t reader = ::fork();
    if (reader == 0) {
      read_until_end(scratch / "s", shared);
    }
    while (!shared.is_reading) {
      ::usleep(1000);
    }
    shared.phase = Shared::alone;
    ::usleep(500'000);
    state.ResumeTiming();
    {
      const auto store = need(store::Store::open(scratch / "s"));
      shared.phase = Shared::collecting;
      rewritten = static_cast<double>(collect(store).rewritten);
      shared.phase = Shared::end;
    }
    state.PauseTiming();
    int status = 0;
    if (::waitpid(reader, &status, 0) != reader || status != 0) {
      stop(make_error(Fault::gone, "reader", "ended early"));
    }
    say(state, "alone", shared.waits[Shared::alone]);
    say(state, "gc", shared.waits[Shared::collecting]);
    state.ResumeTiming();
  }
  state.counters["rewritten"] = rewritten;
}
BENCHMARK(ReadWhileCollecting)->Unit(benchmark::kMillisecond)->Iterations(1)->Repetitions(3);

}  // namespace
}  // namespace img::bench

BENCHMARK_MAIN();
