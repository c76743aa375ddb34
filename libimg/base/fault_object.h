// SPDX-License-Identifier: MIT
// What a fault in a mapping (mapping_guard.h) writes to standard output besides its line on stderr:
// the JSON object of a tool that was asked for one and has not begun to write it.
#pragma once

#include <string_view>

namespace img {

/// The object's members that come before its error: `"schema":"stasis/show/1","tool":"img-show"`.
/// Longer than 400 bytes: no object. Only one at a time, for the whole process.
void set_fault_object(std::string_view members, int exit_code);
/// From now on the object is being written, or nobody waits for one.
void clear_fault_object();

}  // namespace img
