// SPDX-License-Identifier: MIT
// What this kernel has that a dump can make use of, each tried, none believed from a number.
#pragma once

#include <string>
#include <vector>

namespace img::dump {

struct HostFeature {
  std::string name;
  bool is_there = false;
  std::string since;    // version of Linux
  std::string without;  // what becomes of a dump
};

[[nodiscard]] std::vector<HostFeature> host_features();

}  // namespace img::dump
