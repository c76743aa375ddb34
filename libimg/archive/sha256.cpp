// SPDX-License-Identifier: MIT
#include "libimg/archive/sha256.h"

#include <nettle/sha2.h>

#include <algorithm>

#include "libimg/base/units.h"

namespace img::archive {
namespace {

constexpr std::string_view kPrefix = "sha256:";

}  // namespace

struct Sha256Sink::State {
  sha256_ctx context;
};

Sha256Sink::Sha256Sink(ByteSink* to) : to_(to), state_(std::make_unique<State>()) {
  ::sha256_init(&state_->context);
}

Sha256Sink::~Sha256Sink() = default;

Result<void> Sha256Sink::write(Bytes bytes) {
  ::sha256_update(&state_->context, bytes.size(),
                  reinterpret_cast<const std::uint8_t*>(bytes.data()));
  size_ += bytes.size();
  return to_ == nullptr ? Result<void>{} : to_->write(bytes);
}

std::string Sha256Sink::digest() {
  std::uint8_t hash[SHA256_DIGEST_SIZE];
  ::sha256_digest(&state_->context, sizeof hash, hash);
  std::string text(kPrefix);
  for (const std::uint8_t byte : hash) {
    text += kHexDigits[byte >> 4];
    text += kHexDigits[byte & 15];
  }
  return text;
}

std::string sha256_of(Bytes bytes) {
  Sha256Sink sink;
  static_cast<void>(sink.write(bytes));  // to nowhere: cannot fail
  return sink.digest();
}

bool is_sha256_digest(std::string_view text) {
  return text.size() == kPrefix.size() + 64 && text.starts_with(kPrefix) &&
         std::ranges::all_of(text.substr(kPrefix.size()),
                             [](char c) { return kHexDigits.find(c) != std::string_view::npos; });
}

}  // namespace img::archive
