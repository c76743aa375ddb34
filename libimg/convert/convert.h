// SPDX-License-Identifier: MIT
// From any source to any destination. Nothing of a destination is visible before it is whole, and
// an error leaves what was there as it was.
//
//   IMG_ASSIGN(Source source, recognise("dump", {}));
//   IMG_ASSIGN(Destination to, choose_destination("web.store", {}, source));
//   IMG_ASSIGN(Outcome outcome, convert(source, to, options));
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "libimg/base/byte_sink.h"
#include "libimg/convert/copying.h"
#include "libimg/convert/destination.h"
#include "libimg/convert/source.h"
#include "libimg/store/id.h"

namespace img::store {
class KnownPages;
}

namespace img::convert {

struct Options {
  std::string as;      // name in a store; empty: SERIES-TIME
  std::string series;  // empty: the root program's name
  bool force = false;
  std::vector<std::uint32_t> pids;  // of cores: only these; empty: all that can have one
  bool flatten = false;                    // a chain as one image without a parent
  std::uint64_t now_ns = 0;                // CLOCK_REALTIME
  const std::atomic<int>* stop = nullptr;  // not 0: give up
  ByteSink* output = nullptr;              // for a destination of "-"
  Copied* copied = nullptr;                // counted here, if anyone wants to watch
  store::KnownPages* known = nullptr;      // pages that a store need not keep again
  std::vector<store::Id> packs;            // whose bytes it need not copy
};

/// One level of what was made, oldest first.
struct Made {
  std::string place;    // "web.store::redis.2", "out/2", "core-66.img"
  std::string name;     // of an image in a store
  bool reused = false;  // the store had this level already
  std::uint64_t files = 0;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  std::uint64_t stored = 0;  // in a store: of memory and long payloads, what it did not have
};

/// One ELF core of a directory of them.
struct MadeCore {
  std::string place;
  std::uint32_t pid = 0;
  std::uint64_t threads = 0;
  std::uint64_t bytes = 0;    // of the file
  std::uint64_t written = 0;  // without its holes
};

/// A process that can have no core.
struct LeftOut {
  std::uint32_t pid = 0;
  std::string why;
};

struct Outcome {
  std::vector<Made> levels;
  std::vector<MadeCore> cores;
  std::vector<LeftOut> left_out;
  /// Processes whose settings (Kind::settings) this form has no place for.
  std::uint64_t settings_left_out = 0;
};

[[nodiscard]] Result<Outcome> convert(const Source& source, const Destination& destination,
                                      const Options& options);

}  // namespace img::convert
