// SPDX-License-Identifier: MIT
#include "libimg/core/thread_notes.h"

#include <elf.h>

#include "libimg/core/x86_registers.h"

namespace img::core {
namespace {

constexpr std::size_t kSiginfoBytes = 128;
// Not in every <elf.h>: the shadow stack pointer, since Linux 6.6.
constexpr std::uint32_t kShadowStackNote = 0x204;

const schema::SiginfoEntry* first_of(const schema::SignalQueueEntry* queue) {
  const bool has_one =
      queue != nullptr && queue->signals() != nullptr && queue->signals()->size() != 0;
  return has_one ? queue->signals()->Get(0) : nullptr;
}

/// Bit N - 1 for signal N.
std::uint64_t pending_mask(const schema::SignalQueueEntry* queue) {
  std::uint64_t mask = 0;
  if (queue == nullptr || queue->signals() == nullptr) {
    return mask;
  }
  for (const schema::SiginfoEntry* entry : *queue->signals()) {
    if (entry->siginfo()->size() >= sizeof(std::int32_t)) {
      const auto number = load<std::int32_t>(entry->siginfo()->data());
      mask |= number >= 1 && number <= 64 ? std::uint64_t{1} << (number - 1) : 0;
    }
  }
  return mask;
}

}  // namespace

Result<void> write_status(NoteWriter& to, Width width, const model::Process& process,
                          std::uint32_t tid, const schema::CoreEntry& core) {
  const schema::ThreadCoreEntry* thread = core.thread_core();
  const std::uint64_t task_mask = core.tc() == nullptr ? 0 : core.tc()->blk_sigset();
  Packer status;
  status.put_zeros(16);  // the signal that ended it: none did
  status.put_word(width, pending_mask(thread == nullptr ? nullptr : thread->signals_p()));
  status.put_word(width, thread == nullptr ? task_mask : thread->blk_sigset().value_or(task_mask));
  for (const std::uint32_t id : {tid, process.ppid, process.pgid, process.sid}) {
    status.put(id);
  }
  status.put_zeros(width == Width::bits64 ? 64 : 32);  // times, which no image has
  put_general_registers(status, width, *core.thread_info()->gpregs());
  status.put(std::uint32_t{1});  // there are floating-point registers
  status.fill_to(width == Width::bits64 ? 336 : 144);
  return to.note("CORE", NT_PRSTATUS, status.bytes());
}

Result<void> write_signal(NoteWriter& to, Width width, const schema::CoreEntry& core) {
  const schema::ThreadCoreEntry* thread = core.thread_core();
  const schema::SiginfoEntry* entry = first_of(thread == nullptr ? nullptr : thread->signals_p());
  if (entry == nullptr && core.tc() != nullptr) {
    entry = first_of(core.tc()->signals_s());
  }
  // The image has the form for 64 bits, whatever the task is.
  if (entry == nullptr || width == Width::bits32 || entry->siginfo()->size() != kSiginfoBytes) {
    return {};
  }
  return to.note("CORE", NT_SIGINFO,
                 std::as_bytes(std::span(entry->siginfo()->data(), kSiginfoBytes)));
}

Result<void> write_register_sets(NoteWriter& to, Width width, const schema::ThreadInfoX86& info) {
  Packer floating;
  if (width == Width::bits64) {
    put_fxsave(floating, *info.fpregs());
    IMG_TRY(to.note("CORE", NT_FPREGSET, floating.bytes()));
  } else {
    put_fsave(floating, *info.fpregs());
    IMG_TRY(to.note("CORE", NT_FPREGSET, floating.bytes()));
    Packer extended;
    put_fxsave(extended, *info.fpregs());
    IMG_TRY(to.note("LINUX", NT_PRXFPREG, extended.bytes()));
    Packer tls;
    put_tls(tls, info);
    IMG_TRY(to.note("LINUX", NT_386_TLS, tls.bytes()));
  }
  Packer xsave;
  put_xsave(xsave, *info.fpregs());
  if (xsave.size() != 0) {
    IMG_TRY(to.note("LINUX", NT_X86_XSTATE, xsave.bytes()));
  }
  const schema::UserX86XsaveEntry* const saved = info.fpregs()->xsave();
  if (saved != nullptr && saved->cet() != nullptr && width == Width::bits64) {
    Packer pointer;
    pointer.put(saved->cet()->ssp());
    IMG_TRY(to.note("LINUX", kShadowStackNote, pointer.bytes()));
  }
  return {};
}

}  // namespace img::core
