// SPDX-License-Identifier: MIT
// The registers of an x86 thread as the kernel's register sets have them: what ptrace gives for
// PTRACE_GETREGSET, and what the notes of a core hold. Arrays of a wrong length count as zeros
// where something lacks, and what is too much is left out.
#pragma once

#include "libimg/core/packer.h"
#include "schema/regs_x86_64_generated.h"

namespace img::core {

[[nodiscard]] Width width_of(const schema::ThreadInfoX86& info);

/// struct user_regs_struct, or that of 32-bit tasks.
void put_general_registers(Packer& to, Width width, const schema::UserX86RegsEntry& regs);
/// The 512 bytes of fxsave.
void put_fxsave(Packer& to, const schema::UserX86FpregsEntry& fpregs);
/// The 108 bytes of fsave: what 32-bit tasks have as NT_FPREGSET.
void put_fsave(Packer& to, const schema::UserX86FpregsEntry& fpregs);
/// An XSAVE area in the standard form, its parts where Intel's processors have them; nothing where
/// the image has no more than fxsave.
void put_xsave(Packer& to, const schema::UserX86FpregsEntry& fpregs);
/// struct user_desc of each slot.
void put_tls(Packer& to, const schema::ThreadInfoX86& info);

}  // namespace img::core
