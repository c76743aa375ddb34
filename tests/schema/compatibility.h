// SPDX-License-Identifier: MIT
// Whether two versions of the format can read each other's records: the rules of FORMAT.md,
// "Versions". Judges binary schemas and kind tables; it neither loads nor changes any.
#pragma once

#include <flatbuffers/reflection.h>

#include <string>
#include <string_view>
#include <vector>

namespace img::schema {

/// What keeps a program of one schema from reading what a program of the other wrote, in either
/// direction; one line each, none if there is nothing. Appended optional fields, new tables and
/// new enum values are no such thing.
[[nodiscard]] std::vector<std::string> incompatibilities(const reflection::Schema& older,
                                                         const reflection::Schema& newer);

/// A line of kinds.inc, its arguments as text: number, name, and the rest of them.
using KindLine = std::vector<std::string>;

/// Every IMG_KIND and IMG_OWN_KIND line of a file like kinds.inc.
[[nodiscard]] std::vector<KindLine> parse_kinds(std::string_view text);

/// As above: a kind of `older` that `newer` lacks or has changed.
[[nodiscard]] std::vector<std::string> kind_incompatibilities(const std::vector<KindLine>& older,
                                                              const std::vector<KindLine>& newer);

}  // namespace img::schema
