// SPDX-License-Identifier: MIT
#include "live/state/state.h"

#include <algorithm>
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

/// The refused row whose sentence it says, or null.
const Row* row_of(const Error& error) {
  const auto* found = std::find_if(kTable.begin(), kTable.end(), [&](const Row& one) {
    return one.fate == Fate::refused && one.text == error.why;
  });
  return found == kTable.end() ? nullptr : found;
}

}  // namespace

std::span<const Row> table() {
  return kTable;
}

const Row& row(Piece piece) {
  return kTable[static_cast<std::size_t>(piece)];
}

Refusal refusal(Piece piece, std::string thing, std::string detail, std::string hint) {
  const Row& found = row(piece);
  return refusal_because(piece, make_error(Fault::unsupported, std::move(thing), std::move(detail),
                                           std::string(found.text), std::move(hint)));
}

Refusal refusal_because(Piece piece, Error cause) {
  IMG_ASSERT(row(piece).fate == Fate::refused);
  const Row* own = row_of(cause);
  return {own == nullptr ? piece : own->piece, std::move(cause)};
}

std::optional<Refusal> as_refusal(const Error& error) {
  const Row* own = row_of(error);
  return own == nullptr ? std::nullopt : std::optional(refusal_because(own->piece, error));
}

}  // namespace img::state
