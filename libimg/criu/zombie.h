// SPDX-License-Identifier: MIT
// A zombie's core-PID.img is a record of its own with us. Lifting makes it one, lowering gives the
// core back; a core that says more than a Zombie can hold is not lifted.
#pragma once

#include <flatbuffers/flatbuffers.h>

#include "libimg/base/bytes.h"
#include "schema/core_generated.h"
#include "schema/zombie_generated.h"

namespace img::criu {

/// compel's TASK_DEAD: what CRIU writes for a zombie.
inline constexpr std::uint32_t kTaskDead = 2;

/// Whether `core` is a zombie's and all it says fits into a Zombie.
[[nodiscard]] bool is_plain_zombie(const schema::CoreEntry& core);
/// A finished buffer in `builder`, whose content is replaced.
[[nodiscard]] Bytes lift_zombie(const schema::CoreEntry& core,
                                flatbuffers::FlatBufferBuilder& builder);
[[nodiscard]] Bytes lower_zombie(const schema::Zombie& zombie,
                                 flatbuffers::FlatBufferBuilder& builder);

}  // namespace img::criu
