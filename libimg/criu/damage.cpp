// SPDX-License-Identifier: MIT
#include "libimg/criu/damage.h"

#include <fmt/core.h>

namespace img::criu {

std::string Damage::place_and_text() const {
  std::string place;
  if (entry != 0) {
    place = fmt::format("entry {}, ", entry);
  }
  if (!field.empty()) {
    place += fmt::format("field {}, ", field);
  }
  if (entry != 0 || !field.empty() || offset != 0) {
    place += fmt::format("byte {}: ", offset);
  }
  return place + text;
}

Error Damage::error() const {
  Fault fault = Fault::corrupt;
  if (kind == DamageKind::missing) {
    fault = Fault::missing;
  } else if (kind == DamageKind::not_understood) {
    fault = Fault::unsupported;
  } else if (kind == DamageKind::too_deep) {
    fault = Fault::limit;
  }
  return make_error(fault, file, place_and_text());
}

}  // namespace img::criu
