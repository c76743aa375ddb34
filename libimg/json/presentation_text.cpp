// SPDX-License-Identifier: MIT
// Addresses and quoted-printable names.
#include <arpa/inet.h>

#include <array>

#include "libimg/base/text.h"
#include "libimg/json/presentation.h"

namespace img::json {
namespace {

constexpr std::size_t kLine = 76;

struct Run {
  unsigned first = 0;
  unsigned length = 0;
};

// The longest run of zero groups, the first of several; one alone is not worth a `::`.
Run longest_zeros(const std::array<unsigned, 8>& groups) {
  Run best;
  Run run;
  for (unsigned i = 0; i < 8; ++i) {
    run = groups[i] != 0 ? Run{i + 1, 0} : Run{run.first, run.length + 1};
    if (run.length > best.length) {
      best = run;
    }
  }
  return best.length > 1 ? best : Run{8, 0};
}

void append_number(std::string& to, unsigned value, int base) {
  std::array<char, 8> digits;
  const char* const end =
      std::to_chars(digits.data(), digits.data() + digits.size(), value, base).ptr;
  to.append(digits.data(), static_cast<std::size_t>(end - digits.data()));
}

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

int hex_digit(char c) {
  const char lower = static_cast<char>(c | 0x20);
  return c >= '0' && c <= '9' ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// One name on its way to quoted-printable.
class Quoter {
 public:
  explicit Quoter(std::string_view bytes)
      : bytes_(bytes), lines_(bytes.find('\r') == std::string_view::npos) {}

  std::string run() {
    for (std::size_t i = 0; i < bytes_.size(); ++i) {
      const char c = bytes_[i];
      if (c == '\n' && lines_) {
        end_line();
      } else if (must_encode(i)) {
        soft_break(column_ + 3 >= kLine);
        encode(c);
        column_ += 3;
      } else {
        const bool last = i + 1 == bytes_.size() || bytes_[i + 1] == '\n';
        soft_break(!last && column_ + 1 >= kLine);
        out_ += c;
        ++column_;
      }
    }
    return std::move(out_);
  }

 private:
  bool must_encode(std::size_t i) const {
    const auto c = static_cast<unsigned char>(bytes_[i]);
    const bool last = i + 1 == bytes_.size();
    if (is_blank(bytes_[i])) {
      return last;
    }
    if (c == '.' && column_ == 0) {  // alone on its line: would end a mail
      return last || bytes_[i + 1] == '\n' || bytes_[i + 1] == '\r' || bytes_[i + 1] == '\0';
    }
    return c < 33 || c > 126 || c == '=';
  }

  void encode(char c) {
    constexpr char kDigits[] = "0123456789ABCDEF";
    const auto byte = static_cast<unsigned char>(c);
    out_ += '=';
    out_ += kDigits[byte >> 4];
    out_ += kDigits[byte & 15];
  }

  void end_line() {
    if (!out_.empty() && is_blank(out_.back())) {
      const char blank = out_.back();
      out_.pop_back();
      encode(blank);
    }
    out_ += '\n';
    column_ = 0;
  }

  void soft_break(bool needed) {
    if (needed) {
      out_ += "=\n";
      column_ = 0;
    }
  }

  std::string_view bytes_;
  bool lines_;  // line feeds stand for themselves
  std::string out_;
  std::size_t column_ = 0;
};

}  // namespace

std::string address_text(Bytes address) {
  std::string out;
  if (address.size() == 4) {
    for (std::size_t i = 0; i < 4; ++i) {
      out.append(i == 0 ? "" : ".");
      append_number(out, static_cast<unsigned>(address[i]), 10);
    }
    return out;
  }
  std::array<unsigned, 8> groups;
  for (std::size_t i = 0; i < 8; ++i) {
    groups[i] =
        static_cast<unsigned>(address[2 * i]) << 8 | static_cast<unsigned>(address[2 * i + 1]);
  }
  const Run zeros = longest_zeros(groups);
  for (unsigned i = 0; i < 8; ++i) {
    if (i >= zeros.first && i < zeros.first + zeros.length) {
      out += i == zeros.first ? "::" : "";
      continue;
    }
    if (!out.empty() && out.back() != ':') {
      out += ':';
    }
    append_number(out, groups[i], 16);
  }
  return out;
}

std::string parse_address(std::string_view text) {
  if (text.size() >= INET6_ADDRSTRLEN) {
    return {};
  }
  const std::string zero_ended(text);
  std::array<char, 16> address;
  if (zero_ended.size() != text.size() || text.find('\0') != std::string_view::npos) {
    return {};
  }
  if (inet_pton(AF_INET, zero_ended.c_str(), address.data()) == 1) {
    return {address.data(), 4};
  }
  if (inet_pton(AF_INET6, zero_ended.c_str(), address.data()) == 1) {
    return {address.data(), 16};
  }
  return {};
}

std::string shown_text(std::string_view text) {
  return is_utf8(text) ? std::string(text) : escaped(text);
}

std::string quoted_printable(std::string_view bytes) {
  return Quoter(bytes).run();
}

std::optional<std::string> parse_quoted_printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') {
      out += text[i];
      continue;
    }
    const std::string_view rest = text.substr(i + 1);
    if (rest.starts_with('\n')) {
      i += 1;
    } else if (rest.starts_with("\r\n")) {
      i += 2;
    } else if (rest.size() >= 2 && hex_digit(rest[0]) >= 0 && hex_digit(rest[1]) >= 0) {
      out += static_cast<char>(hex_digit(rest[0]) << 4 | hex_digit(rest[1]));
      i += 2;
    } else {
      return std::nullopt;
    }
  }
  return out;
}

}  // namespace img::json
