// SPDX-License-Identifier: MIT
// Locks between processes that end with their holder: flock with a deadline, and the lease (an open
// file description lock) by which others see that a writer lives.
#pragma once

#include <chrono>
#include <string>

#include "libimg/base/result.h"

namespace img {

enum class LockMode { shared, exclusive };

/// flock(2) on `fd`, tried until `deadline` has passed; then Fault::conflict, naming the holder
/// where the kernel tells who it is. Closing every copy of `fd` frees it.
[[nodiscard]] Result<void> lock_file(int fd, LockMode mode, std::chrono::milliseconds deadline,
                                     const std::string& thing, const std::string& what);

/// Takes the lease on the file behind `fd`; false if someone else has it.
[[nodiscard]] Result<bool> take_lease(int fd, const std::string& thing);
/// Whether someone else holds it.
[[nodiscard]] Result<bool> has_lease(int fd, const std::string& thing);

}  // namespace img
