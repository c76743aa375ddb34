// SPDX-License-Identifier: MIT
#include "live/state/state.h"

#include <array>

#include "libimg/base/assert.h"

namespace img::state {
namespace {

constexpr std::array kTable = {
#define KEPT(id, text, test) Row{Piece::id, #id, Fate::kept, text, test},
#define REFUSED(id, text, test) Row{Piece::id, #id, Fate::refused, text, test},
#define LOST(id, text, test) Row{Piece::id, #id, Fate::lost, text, test},
#include "live/state/state.inc"
#undef KEPT
#undef REFUSED
#undef LOST
};

}  // namespace

std::span<const Row> table() {
  return kTable;
}

const Row& row(Piece piece) {
  return kTable[static_cast<std::size_t>(piece)];
}

Error refusal(Piece piece, std::string thing, std::string detail, std::string hint) {
  const Row& found = row(piece);
  IMG_ASSERT(found.fate == Fate::refused);
  return make_error(Fault::unsupported, std::move(thing), std::move(detail),
                    std::string(found.text), std::move(hint));
}

}  // namespace img::state
