// SPDX-License-Identifier: MIT
// What an image has no place for, and what a restored task has from live-restore as everybody has
// it from its parent: said where a task has it otherwise than this process, once a process.
#pragma once

#include "live/dump/dump_context.h"

namespace img::dump {

void note_inherited(const trace::FrozenProcess& process, Remarks& remarks);

}  // namespace img::dump
