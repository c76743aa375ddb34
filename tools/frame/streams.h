// SPDX-License-Identifier: MIT
// Everything a tool talks to: its standard streams, the clock, and whether a person watches. A test
// runs a whole tool in process on streams of its own.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <ostream>
#include <streambuf>
#include <vector>

namespace img::frame {

struct Streams {
  int in = -1;  // a descriptor, since image files on it are mapped, not read as text
  std::ostream* out = nullptr;
  std::ostream* err = nullptr;
  std::function<std::uint64_t()> now_ns;  // CLOCK_REALTIME
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  bool color = false;    // out_is_terminal, and NO_COLOR is not set
  bool unicode = false;  // out_is_terminal, and shows more than ASCII
  unsigned columns = 80;
  unsigned patience_ms = 1000;  // how long work lasts before it is worth a line
  /// Set when the tool has to end: the number of the signal. Long work asks now and then.
  const std::atomic<int>* signal = nullptr;
  /// From now on TERM, INT, HUP, QUIT, USR1 and USR2 do not end the tool but are told, in a thread
  /// of its own. Empty where a tool has no signals, in a test.
  std::function<void(std::function<void(int)>)> divert_signals;

  [[nodiscard]] int ending_signal() const { return signal == nullptr ? 0 : signal->load(); }
};

/// Writes to a descriptor, and remembers why that failed.
class FdBuffer : public std::streambuf {
 public:
  explicit FdBuffer(int fd);
  FdBuffer(const FdBuffer&) = delete;
  FdBuffer& operator=(const FdBuffer&) = delete;

  /// 0, or the errno of the first write that failed.
  [[nodiscard]] int failed() const { return failed_; }

 protected:
  int_type overflow(int_type character) override;
  int sync() override;
  std::streamsize xsputn(const char* text, std::streamsize size) override;

 private:
  bool write_all(const char* bytes, std::size_t size);
  int fd_;
  int failed_ = 0;
  std::vector<char> buffer_;
};

/// 0, or the errno that kept `out` from being written, if it goes to a descriptor.
[[nodiscard]] int write_failure(std::ostream& out);

}  // namespace img::frame
