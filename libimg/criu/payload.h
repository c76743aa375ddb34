// SPDX-License-Identifier: MIT
// How many bytes follow a message: the payload rules of FORMAT.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "libimg/base/bytes.h"
#include "libimg/criu/wire.h"
#include "schema/layout.h"

namespace img::criu {

/// One message of a message queue, inside the payload of its IpcMsgEntry.
struct QueuedMessage {
  Bytes message;  // the IpcMsg
  Bytes data;     // `msize` bytes
  Bytes padding;  // zeros up to a multiple of 8
};

/// Takes the next one from the front of `rest`; nothing, and why, if it is not whole.
[[nodiscard]] std::optional<QueuedMessage> next_queued_message(Bytes& rest, WordOrder order,
                                                               std::string& why);

/// Bytes after the message `root` (a verified table of the rule's kind) at the front of `rest`;
/// nothing, and why, if they are not all there. The head of a ghost without chunks takes all.
[[nodiscard]] std::optional<std::uint64_t> payload_size(schema::PayloadRule rule,
                                                        const flatbuffers::Table& root, Bytes rest,
                                                        WordOrder order, std::string& why);

}  // namespace img::criu
