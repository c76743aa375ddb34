// SPDX-License-Identifier: MIT
#include "live/trace/call_site.h"

#include <elf.h>
#include <signal.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "live/arch/x86_64/stub.h"
#include "live/procfs/lists.h"
#include "live/state/state.h"

namespace img::trace {
namespace {

constexpr std::uint64_t kMaxVdsoBytes = 64 << 10;

const procfs::Mapping* find_vdso(const std::vector<procfs::Mapping>& maps) {
  const auto vdso =
      std::find_if(maps.begin(), maps.end(), [](const auto& one) { return one.path == "[vdso]"; });
  return vdso != maps.end() && vdso->bytes() <= kMaxVdsoBytes && vdso->executable ? &*vdso
                                                                                  : nullptr;
}

// What the slot of a killed tracer names is believed where it is plain memory.
bool is_scratch(const std::vector<procfs::Mapping>& maps, const arch::StubSlot& slot) {
  const procfs::Mapping* found = procfs::find_mapping(maps, slot.scratch);
  return found != nullptr && found->readable && found->writable && !found->executable &&
         !found->shared && found->path.empty() && slot.scratch % 4096 == 0 &&
         slot.scratch_bytes == CallSite::kScratchBytes &&
         found->end - slot.scratch >= slot.scratch_bytes;
}

bool is_zero(Bytes bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

// Free, or with the stub of a tracer that was killed. Anything else is not ours to overwrite.
std::optional<CallSite> site_at(std::uint64_t address, Bytes there,
                                const std::vector<procfs::Mapping>& maps) {
  const Bytes stub = arch::stub_bytes();
  if (is_zero(there)) {
    return CallSite{address, 0};
  }
  if (std::memcmp(there.data(), stub.data(), arch::slot_offset()) != 0) {
    return std::nullopt;
  }
  const auto slot = load<arch::StubSlot>(there.data() + arch::slot_offset());
  return CallSite{address, is_scratch(maps, slot) ? slot.scratch : 0};
}

// As the kernel asks it of the address behind each system call instruction.
bool lets_through(const UserDispatch& dispatch, std::uint64_t stub) {
  const std::uint64_t end = stub + arch::slot_offset();
  return dispatch.mode == 0 ||
         (stub - dispatch.offset < dispatch.bytes && end - dispatch.offset < dispatch.bytes);
}

// A program may have unmapped its vdso. The linker fills up the last page of code with zeros, and
// nothing goes there.
Result<CallSite> find_behind_code(const procfs::ProcDir& process,
                                  const std::vector<procfs::Mapping>& maps,
                                  const RemoteMemory& memory, const UserDispatch& dispatch) {
  const std::uint64_t room = round_up(arch::stub_bytes().size(), 16);
  std::vector<std::byte> tail(room);
  for (const procfs::Mapping& one : maps) {
    if (!one.executable || !one.readable || one.writable || one.shared ||
        !one.path.starts_with('/') || !lets_through(dispatch, one.end - room)) {
      continue;
    }
    IMG_TRY(memory.read(one.end - room, tail));
    if (const auto site = site_at(one.end - room, tail, maps)) {
      return *site;
    }
  }
  return fail(state::refusal(
      dispatch.mode == 0 ? state::Piece::no_call_site : state::Piece::dispatched_calls,
      process.name()));
}

// Nothing, if it has no room there.
Result<std::optional<CallSite>> find_in_vdso(const procfs::Mapping& mapping,
                                             const std::vector<procfs::Mapping>& maps,
                                             const RemoteMemory& memory) {
  std::vector<std::byte> vdso(mapping.bytes());
  IMG_TRY(memory.read(mapping.start, vdso));
  IMG_ASSIGN(const std::uint64_t unused, unused_from(vdso));
  const Bytes stub = arch::stub_bytes();
  if (unused > vdso.size() || vdso.size() - unused < stub.size()) {
    return std::optional<CallSite>();
  }
  return site_at(mapping.start + unused, Bytes(vdso).subspan(unused, stub.size()), maps);
}

}  // namespace

Result<std::uint64_t> unused_from(Bytes vdso) {
  const auto no_elf = [] { return fail(Fault::corrupt, "vdso", "", "it is not an ELF file"); };
  if (vdso.size() < sizeof(Elf64_Ehdr) || std::memcmp(vdso.data(), ELFMAG, SELFMAG) != 0 ||
      vdso[EI_CLASS] != std::byte{ELFCLASS64}) {
    return no_elf();
  }
  const auto head = load<Elf64_Ehdr>(vdso.data());
  // The table of sections is the last thing in the file; a vdso without one ends with its segment.
  std::uint64_t end = sizeof head;
  if (head.e_shnum != 0 && head.e_shoff < vdso.size()) {
    end =
        std::max<std::uint64_t>(end, head.e_shoff + std::uint64_t{head.e_shnum} * head.e_shentsize);
  }
  for (unsigned i = 0; i < head.e_phnum; ++i) {
    const std::uint64_t at = head.e_phoff + std::uint64_t{i} * sizeof(Elf64_Phdr);
    if (at > vdso.size() || vdso.size() - at < sizeof(Elf64_Phdr)) {
      return no_elf();
    }
    const auto segment = load<Elf64_Phdr>(vdso.data() + at);
    if (segment.p_offset > vdso.size() || segment.p_filesz > vdso.size()) {
      return no_elf();
    }
    end = std::max(end, segment.p_offset + segment.p_filesz);
  }
  return round_up(end, 16);
}

Result<CallSite> CallSite::find(const procfs::ProcDir& process, const RemoteMemory& memory) {
  return find_allowed(process, memory, {});
}

Result<CallSite> CallSite::find_allowed(const procfs::ProcDir& process, const RemoteMemory& memory,
                                        const UserDispatch& dispatch) {
  IMG_ASSIGN(const auto maps, process.maps());
  const procfs::Mapping* mapping = find_vdso(maps);
  if (mapping != nullptr && lets_through(dispatch, mapping->end - arch::stub_bytes().size())) {
    IMG_ASSIGN(const std::optional<CallSite> found, find_in_vdso(*mapping, maps, memory));
    if (found) {
      return *found;
    }
  }
  return find_behind_code(process, maps, memory, dispatch);
}

int announcing_signal(const procfs::Status& status) {
  const auto has = [](std::uint64_t set, int signal) { return (set >> (signal - 1) & 1) != 0; };
  const std::uint64_t waiting = status.pending | status.shared_pending;
  for (const int signal : {SIGURG, SIGWINCH, SIGCHLD}) {
    if (!has(status.caught, signal) && !has(waiting, signal)) {
      return signal;
    }
  }
  for (int signal = 1; signal < 32; ++signal) {
    if (has(status.ignored, signal) && !has(waiting, signal) && signal != SIGCONT) {
      return signal;
    }
  }
  return SIGURG;
}

}  // namespace img::trace
