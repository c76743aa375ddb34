// SPDX-License-Identifier: MIT
// The table of everything a process tree has: kept, refused with a sentence, or lost with a note.
// It knows words only; who finds such state asks it for the sentence.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "libimg/base/result.h"

namespace img::state {

enum class Fate : std::uint8_t { kept, refused, lost };

enum class Piece : std::uint16_t {
#define KEPT(id, text, test) id,
#define REFUSED(id, text, test) id,
#define LOST(id, text, test) id,
#include "live/state/state.inc"
#undef KEPT
#undef REFUSED
#undef LOST
};

struct Row {
  Piece piece;
  std::string_view id;
  Fate fate;
  std::string_view text;
  std::string_view test;
};

[[nodiscard]] std::span<const Row> table();
[[nodiscard]] const Row& row(Piece piece);

/// `thing: detail: sentence (hint)`, with Fault::unsupported. `piece` must be a refused one.
[[nodiscard]] Error refusal(Piece piece, std::string thing, std::string detail = {},
                            std::string hint = {});

}  // namespace img::state
