// SPDX-License-Identifier: MIT
#include "libimg/convert/sniff.h"

#include "schema/layout.h"

namespace img::convert {
namespace {

constexpr std::uint32_t kCommonMagic = 0x54564319;
constexpr std::uint32_t kServiceMagic = 0x55105940;

bool is_criu_word(std::uint32_t word) {
  if (word == kCommonMagic || word == kServiceMagic) {
    return true;
  }
  for (const schema::KindInfo& kind : schema::kinds()) {
    if (kind.magic != 0 && kind.magic == word) {
      return true;
    }
  }
  return false;
}

bool is_criu(std::string_view head) {
  if (head.size() < 4) {
    return false;
  }
  const auto word = load<std::uint32_t>(head.data());
  return is_criu_word(word) || is_criu_word(__builtin_bswap32(word));  // s390x is big-endian
}

bool is_tar(std::string_view head) {
  constexpr std::size_t kMagicAt = 257;
  return head.size() >= kMagicAt + 5 && head.substr(kMagicAt, 5) == "ustar";
}

Content json_content(std::string_view head) {
  const std::size_t start = head.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos || (head[start] != '{' && head[start] != '[')) {
    return Content::unknown;
  }
  return head.find("\"magic\"") != std::string_view::npos ? Content::criu_json : Content::json;
}

// A u32 size, then {optional varint seq = 1, string filename = 2} of exactly that size.
bool is_streamer_marker(std::string_view head) {
  if (head.size() < 4) {
    return false;
  }
  const auto size = load<std::uint32_t>(head.data());
  if (size < 3 || size > 300 || head.size() < 4 + size) {
    return false;
  }
  std::string_view message = head.substr(4, size);
  if (message[0] == '\x08') {
    std::size_t past = 1;
    while (past < message.size() && (message[past] & '\x80') != 0) {
      ++past;
    }
    message.remove_prefix(past + 1 < message.size() ? past + 1 : message.size());
  }
  return message.size() > 2 && message[0] == '\x12' &&
         static_cast<unsigned char>(message[1]) == message.size() - 2;
}

}  // namespace

Content sniff(Bytes bytes) {
  const std::string_view head = as_text(bytes.first(std::min(bytes.size(), kSniffBytes)));
  if (is_criu(head)) {
    return Content::criu;
  }
  if (head.starts_with("\x1f\x8b")) {
    return Content::gzip;
  }
  if (head.starts_with("\x28\xb5\x2f\xfd")) {
    return Content::zstd;
  }
  if (head.starts_with("DMTCP_CHECKPOINT_IMAGE")) {
    return Content::dmtcp;
  }
  if (is_tar(head)) {
    return Content::tar;
  }
  if (is_streamer_marker(head)) {
    return Content::streamed;
  }
  return json_content(head);
}

}  // namespace img::convert
