// SPDX-License-Identifier: MIT
// What a new process pays to read one record of a large store: open, look up, read, verify.
//
//   first_read --make STORE IMAGES MIB     a store of that many images with that much memory in all
//   first_read STORE [RUNS]                RUNS new processes; prints the fastest and the median
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "bench/scratch.h"
#include "libimg/model/store_image.h"
#include "schema/mm_generated.h"
#include "schema/pack_generated.h"

namespace {

using namespace img;
using bench::need;
using schema::Kind;
using Clock = std::chrono::steady_clock;

std::string image_name(int number) {
  return "image-" + std::to_string(number);
}

Bytes finish(flatbuffers::FlatBufferBuilder& builder) {
  return std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize()));
}

void write_image(const std::shared_ptr<const store::Store>& store, int number, Bytes memory) {
  store::HeaderDraft draft;
  draft.name = image_name(number);
  draft.series = "bench";
  auto writer = need(model::StoreImageWriter::begin(store, draft));
  const auto put = [&](Kind kind, std::uint64_t seq, Bytes flatbuffer, Bytes payload) {
    model::Record record{{{kind, 1}, seq}, nullptr, flatbuffer, {}, {}};
    if (!payload.empty()) {
      record.payload.parts.push_back(payload);
    }
    if (const auto done = writer->record(record); !done) {
      std::fprintf(stderr, "%s\n", done.error().line().c_str());
      std::exit(2);
    }
  };
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(schema::CreatePagemapHead(builder, 1));
  put(Kind::pagemap, 1, finish(builder), {});
  builder.Clear();
  schema::PagemapEntryBuilder entry(builder);
  entry.add_vaddr(0x400000);
  entry.add_nr_pages(memory.size() / 4096);
  entry.add_flags(4);
  const std::vector entries{entry.Finish()};
  builder.Finish(schema::CreatePagemapChunk(builder, builder.CreateVector(entries)));
  put(Kind::pagemap, 2, finish(builder), memory);
  builder.Clear();
  const auto link = builder.CreateString("eth0");
  builder.Finish(schema::CreateImageFile(builder, link));
  put(Kind::route, 0, finish(builder), as_bytes("one record"));
  if (const auto done = writer->commit(); !done) {
    std::fprintf(stderr, "%s\n", done.error().line().c_str());
    std::exit(2);
  }
}

int make(const std::string& path, int images, std::uint64_t megabytes) {
  const auto store = need(store::Store::create(path));
  std::vector<std::byte> memory((megabytes << 20) / static_cast<unsigned>(images) / 4096 * 4096);
  for (std::size_t at = 0; at < memory.size(); ++at) {
    memory[at] = static_cast<std::byte>(at * 2654435761U >> 13);
  }
  for (int i = 0; i < images; ++i) {
    write_image(store, i, memory);
  }
  return 0;
}

// In a new process: the time from main() to the record, in microseconds, on stdout.
int read_one(const std::string& path, const std::string& name, Clock::time_point start) {
  const auto store = need(store::Store::open(path));
  const auto now = need(store->snapshot());
  const store::ImageView view(store, now, need(store::find_image(*now, name)));
  const auto record = need(view.record({Kind::route, 1, 0}));
  const std::chrono::duration<double, std::micro> took = Clock::now() - start;
  std::printf("%.1f\n", took.count());
  return record ? 0 : 1;
}

int run_many(const char* self, const std::string& path, int runs) {
  std::vector<double> times;
  for (int i = 0; i < runs; ++i) {
    const std::string command =
        std::string(self) + " --one '" + path + "' " + image_name(i * 37 % 1000);
    std::FILE* out = ::popen(command.c_str(), "r");
    double microseconds = 0;
    if (out == nullptr || std::fscanf(out, "%lf", &microseconds) != 1) {
      return 2;
    }
    ::pclose(out);
    times.push_back(microseconds);
  }
  std::sort(times.begin(), times.end());
  std::printf(
      "open a store and read one record, %d new processes: fastest %.0f us, median %.0f us\n", runs,
      times.front(), times[times.size() / 2]);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const auto start = Clock::now();
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() == 4 && arguments[0] == "--make") {
    return make(arguments[1], std::stoi(arguments[2]), std::stoull(arguments[3]));
  }
  if (arguments.size() == 3 && arguments[0] == "--one") {
    return read_one(arguments[1], arguments[2], start);
  }
  if (arguments.empty() || arguments.size() > 2) {
    std::fprintf(stderr, "usage: first_read --make STORE IMAGES MIB | STORE [RUNS]\n");
    return 2;
  }
  return run_many(argv[0], arguments[0], arguments.size() > 1 ? std::stoi(arguments[1]) : 100);
}
