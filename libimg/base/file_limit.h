// SPDX-License-Identifier: MIT
// How many files this process may have open.
#pragma once

namespace img {

/// As many as it may ask for: a chain of directories and a restore have many open at once, and the
/// usual limit of 1,024 is kept low only for programs that call select().
void allow_many_files();

}  // namespace img
