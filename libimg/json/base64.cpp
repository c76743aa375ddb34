// SPDX-License-Identifier: MIT
#include "libimg/json/base64.h"

#include <algorithm>
#include <cstring>

#include "libimg/base/base64.h"

namespace img::json {
namespace {

constexpr std::uint8_t kNone = 0xff;
constexpr auto kValues = [] {
  std::array<std::uint8_t, 256> table{};
  table.fill(kNone);
  for (std::uint8_t i = 0; i < 64; ++i) {
    table[static_cast<unsigned char>(kBase64Digits[i])] = i;
  }
  return table;
}();

std::uint8_t value_of(char c) {
  return kValues[static_cast<unsigned char>(c)];
}

Failure bad(std::string why) {
  return fail(Fault::corrupt, {}, {}, std::move(why));
}

class Decoder {
 public:
  Decoder(std::string_view inside, ByteSink& sink)
      : next_(inside.data()), end_(inside.data() + inside.size()), sink_(sink) {}

  Result<void> run() {
    while (next_ != end_) {
      if (held_ == 0 && padding_ == 0) {
        quick();
      }
      if (used_ > buffer_.size() - 4) {
        IMG_TRY(drain());
      } else if (next_ != end_) {
        IMG_TRY(one());
      }
    }
    if (held_ != 0) {
      return bad("base64 ends inside a group of four characters");
    }
    return drain();
  }

 private:
  // Whole groups of four plain characters.
  void quick() {
    std::byte* to = buffer_.data() + used_;
    std::byte* const last = buffer_.data() + buffer_.size() - 3;
    while (end_ - next_ >= 4 && to <= last) {
      const unsigned a = value_of(next_[0]);
      const unsigned b = value_of(next_[1]);
      const unsigned c = value_of(next_[2]);
      const unsigned d = value_of(next_[3]);
      if ((a | b | c | d) > 63) {
        break;
      }
      const unsigned bits = a << 18 | b << 12 | c << 6 | d;
      *to++ = static_cast<std::byte>(bits >> 16);
      *to++ = static_cast<std::byte>(bits >> 8);
      *to++ = static_cast<std::byte>(bits);
      next_ += 4;
    }
    used_ = static_cast<std::size_t>(to - buffer_.data());
  }

  // One character: an escaped line feed, padding, part of a group that white space splits.
  Result<void> one() {
    const char c = take();
    if (c == '\n' || c == '\r' || c == ' ' || c == '\t') {
      return {};
    }
    const std::uint8_t value = value_of(c);
    if (c == '=' ? held_ < 2 : value == kNone) {
      return bad("a character that base64 has not");
    }
    if (c != '=' && padding_ != 0) {
      return bad("base64 goes on after its padding");
    }
    padding_ += c == '=' ? 1 : 0;
    group_ = group_ << 6 | (c == '=' ? 0U : value);
    if (++held_ == 4) {
      return end_group();
    }
    return {};
  }

  Result<void> end_group() {
    if (padding_ != 0 && (group_ & ((1U << 8 * padding_) - 1)) != 0) {
      return bad("base64 whose last character has bits to spare");
    }
    for (unsigned i = 0; i < 3 - padding_; ++i) {
      buffer_[used_++] = static_cast<std::byte>(group_ >> (16 - 8 * i));
    }
    group_ = held_ = 0;
    return {};
  }

  // The string has been checked: an escape is whole.
  char take() {
    if (*next_ != '\\') {
      return *next_++;
    }
    const char letter = next_[1];
    next_ += 2;
    switch (letter) {
      case 'n': return '\n';
      case 'r': return '\r';
      case 't': return '\t';
      case '/': return '/';
      case 'u': return unit();
      default: return '\0';
    }
  }

  char unit() {
    const std::string_view digits{next_, 4};
    next_ += 4;
    unsigned code = 0;
    std::from_chars(digits.data(), digits.data() + 4, code, 16);
    return code < 0x80 ? static_cast<char>(code) : '\0';
  }

  Result<void> drain() {
    const std::size_t size = std::exchange(used_, 0);
    return size == 0 ? Result<void>{} : sink_.write({buffer_.data(), size});
  }

  const char* next_;
  const char* end_;
  ByteSink& sink_;
  std::array<std::byte, std::size_t{12} << 10> buffer_;
  std::size_t used_ = 0;
  unsigned group_ = 0;
  unsigned held_ = 0;  // characters of a group that has begun
  unsigned padding_ = 0;
};

}  // namespace

void Base64Out::put_line(const std::byte* bytes, std::size_t size) {
  char* to = img::put_base64({bytes, size}, out_.reserve(80));
  *to++ = '\\';
  *to++ = 'n';
  out_.advance(to);
}

void Base64Out::put(Bytes bytes) {
  if (waiting_ != 0) {
    const std::size_t more = std::min(bytes.size(), kLineBytes - waiting_);
    std::memcpy(begun_.data() + waiting_, bytes.data(), more);
    waiting_ += more;
    bytes = bytes.subspan(more);
    if (waiting_ < kLineBytes) {
      return;
    }
    put_line(begun_.data(), kLineBytes);
    waiting_ = 0;
  }
  while (bytes.size() >= kLineBytes) {
    put_line(bytes.data(), kLineBytes);
    bytes = bytes.subspan(kLineBytes);
  }
  if (!bytes.empty()) {
    std::memcpy(begun_.data(), bytes.data(), bytes.size());
    waiting_ = bytes.size();
  }
}

void Base64Out::finish() {
  if (waiting_ != 0) {
    put_line(begun_.data(), waiting_);
    waiting_ = 0;
  }
}

Result<void> decode_base64(std::string_view inside, ByteSink& sink) {
  return Decoder(inside, sink).run();
}

}  // namespace img::json
