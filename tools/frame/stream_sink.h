// SPDX-License-Identifier: MIT
// Standard output as a place for an image file.
#pragma once

#include <ostream>

#include "libimg/base/byte_sink.h"

namespace img::frame {

class StreamSink : public ByteSink {
 public:
  explicit StreamSink(std::ostream& out) : out_(out) {}
  /// A stream that cannot be written is noticed at the end, with its errno (write_failure).
  [[nodiscard]] Result<void> write(Bytes bytes) override {
    out_.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    return {};
  }

 private:
  std::ostream& out_;
};

}  // namespace img::frame
