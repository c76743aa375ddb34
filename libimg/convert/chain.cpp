// SPDX-License-Identifier: MIT
#include "libimg/convert/chain.h"

#include <algorithm>

namespace img::convert {

Result<std::vector<model::ImageReader*>> levels_of(model::ImageReader& newest) {
  constexpr std::size_t kMaxLevels = 4096;  // FORMAT.md, "Limits"
  std::vector<model::ImageReader*> levels;
  for (model::ImageReader* level = &newest; level != nullptr;) {
    if (levels.size() == kMaxLevels) {
      return fail(Fault::limit, newest.place(), "a chain of more than 4096 levels");
    }
    levels.push_back(level);
    IMG_ASSIGN(level, level->parent());
  }
  std::ranges::reverse(levels);
  return levels;
}

std::string level_link(std::size_t level) {
  return "../" + std::to_string(level - 1);
}

}  // namespace img::convert
