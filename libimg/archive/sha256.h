// SPDX-License-Identifier: MIT
// SHA-256, by which OCI names everything. Not for images of our own, which have faster hashes.
#pragma once

#include <memory>
#include <string>

#include "libimg/base/byte_sink.h"

namespace img::archive {

/// Passes bytes on, if there is somewhere to pass them, and hashes them on the way.
class Sha256Sink final : public ByteSink {
 public:
  explicit Sha256Sink(ByteSink* to = nullptr);
  ~Sha256Sink() override;
  [[nodiscard]] Result<void> write(Bytes bytes) override;
  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// "sha256:" and 64 hexadecimal digits; once, at the end.
  [[nodiscard]] std::string digest();

 private:
  struct State;
  ByteSink* to_;
  std::uint64_t size_ = 0;
  std::unique_ptr<State> state_;
};

[[nodiscard]] std::string sha256_of(Bytes bytes);

/// `sha256:` and 64 lower-case hexadecimal digits: what may become a file name.
[[nodiscard]] bool is_sha256_digest(std::string_view text);

}  // namespace img::archive
