// SPDX-License-Identifier: MIT
// The bits of mappings, under the name that the rules about memory use.
#pragma once

#include "libimg/model/vma.h"

namespace img::check {

namespace vma = model::vma;

}  // namespace img::check
