// SPDX-License-Identifier: MIT
// What a restored tree will not have, in the words of the table of state.
#pragma once

#include <string>

#include "live/plan/builder.h"
#include "live/state/state.h"

namespace img::plan {

inline void note_loss(PlanBuilder& builder, state::Piece piece, const std::string& thing) {
  builder.note(thing + ": " + std::string(state::row(piece).text));
}

}  // namespace img::plan
