// SPDX-License-Identifier: MIT
// Where a producer of bytes puts them. It does not know what they mean or how many will come.
#pragma once

#include <memory>
#include <string>

#include "libimg/base/bytes.h"
#include "libimg/base/result.h"

namespace img {

class ByteSink {
 public:
  virtual ~ByteSink() = default;
  [[nodiscard]] virtual Result<void> write(Bytes bytes) = 0;
};

class StringSink final : public ByteSink {
 public:
  [[nodiscard]] Result<void> write(Bytes bytes) override {
    text.append(as_text(bytes));
    return {};
  }

  std::string text;
};

/// All of `bytes`, however often the system has to be asked. `thing` names the file in an error.
[[nodiscard]] Result<void> write_all(int fd, Bytes bytes, std::string_view thing);

/// A descriptor that somebody else owns. Small writes are gathered; flush() must be called at the
/// end, since a destructor could not say that the last of them failed.
class FdSink final : public ByteSink {
 public:
  FdSink(int fd, std::string thing) : fd_(fd), thing_(std::move(thing)) {}
  [[nodiscard]] Result<void> write(Bytes bytes) override;
  [[nodiscard]] Result<void> flush();

 private:
  static constexpr std::size_t kCapacity = std::size_t{64} << 10;

  int fd_;
  std::string thing_;
  std::unique_ptr<std::byte[]> buffer_;  // made at the first small write
  std::size_t used_ = 0;
};

}  // namespace img
