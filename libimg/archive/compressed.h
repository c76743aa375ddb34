// SPDX-License-Identifier: MIT
// Compressed bytes, inflated and deflated piece by piece, with their checksums; the only place that
// knows gzip and zstd. What is inflated is not trusted to end: whoever asks for more sets the
// bound.
#pragma once

#include <memory>
#include <optional>

#include "libimg/base/byte_sink.h"
#include "schema/archive_generated.h"

namespace img::archive {

using schema::Compression;

/// By the first bytes; `none` for all that is not compressed.
[[nodiscard]] Compression compression_of(Bytes head);

class Inflater {
 public:
  virtual ~Inflater() = default;
  /// The next piece, valid until the next call; empty at the end of a stream that was whole. An
  /// error (its `why`) is one of the compressed bytes.
  [[nodiscard]] virtual Result<Bytes> next() = 0;
};

/// `compressed` must outlive it; `name` is for messages.
[[nodiscard]] std::unique_ptr<Inflater> make_inflater(Compression how, Bytes compressed,
                                                      std::string name);

class Deflater : public ByteSink {
 public:
  /// Nothing may be written after it.
  [[nodiscard]] virtual Result<void> finish() = 0;
};

/// The same bytes always become the same bytes. Compression::none passes them on.
[[nodiscard]] std::unique_ptr<Deflater> make_deflater(Compression how, ByteSink& out);

}  // namespace img::archive
