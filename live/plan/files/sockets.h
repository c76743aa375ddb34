// SPDX-License-Identifier: MIT
// What sockets of all families have in common.
#pragma once

#include <cstdint>

#include "live/plan/files/image_files.h"

namespace img::plan {

/// setsockopt with one number; `what` is for people.
void set_option(PlanBuilder& builder, Slot socket, int level, int option, std::uint32_t value,
                const std::string& what, Tolerate tolerate = kMustSucceed);

/// SOL_SOCKET options; those that change how bind(2) works are set before it.
void set_socket_options(FileContext& context, Slot socket, const schema::SkOptsEntry& options,
                        const std::string& name);

/// shutdown(2), as recorded.
void shut_down(FileContext& context, Slot socket, schema::SkShutdown how, const std::string& name);

}  // namespace img::plan
