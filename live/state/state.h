// SPDX-License-Identifier: MIT
// The table of everything a process tree has: kept, refused with a sentence, or lost with a note.
// It knows words only; who finds such state asks it for the sentence.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

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

/// A reason not to dump or not to restore. Whatever collects such reasons takes nothing else, and
/// there is none without a row of the table.
class Refusal : public Error {
 public:
  [[nodiscard]] Piece piece() const { return piece_; }

 private:
  friend Refusal refusal(Piece piece, std::string thing, std::string detail, std::string hint);
  friend Refusal refusal_because(Piece piece, Error cause);
  Refusal(Piece piece, Error said) : Error(std::move(said)), piece_(piece) {}
  Piece piece_;
};

/// `thing: detail: sentence (hint)`, with Fault::unsupported. `piece` must be a refused one.
[[nodiscard]] Refusal refusal(Piece piece, std::string thing, std::string detail = {},
                              std::string hint = {});
/// What `cause` says, where that is more than the sentence of its row; of the row whose sentence
/// it is, where it is one's.
[[nodiscard]] Refusal refusal_because(Piece piece, Error cause);
/// A refusal that came as an error, because nothing could go on without: by its sentence.
[[nodiscard]] std::optional<Refusal> as_refusal(const Error& error);

}  // namespace img::state
