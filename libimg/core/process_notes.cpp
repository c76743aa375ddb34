// SPDX-License-Identifier: MIT
#include "libimg/core/process_notes.h"

#include <elf.h>

namespace img::core {
namespace {

constexpr std::size_t kNameBytes = 16;
constexpr std::size_t kArgumentBytes = 80;
constexpr std::uint64_t kPage = model::vma::kPage;
// A note's size has 32 bits; half of that is more than any kernel writes.
constexpr std::uint64_t kLongestNote = std::uint64_t{1} << 31;

}  // namespace

Result<void> write_process(NoteWriter& to, Width width, const model::Process& process,
                           const std::string& arguments, const schema::CoreEntry& core,
                           const schema::CredsEntry* creds) {
  const bool is_stopped = process.state == model::TaskState::stopped;
  const schema::ThreadCoreEntry* thread = core.thread_core();
  const std::int32_t nice = thread == nullptr ? 0 : thread->sched_nice().value_or(0);
  const std::uint32_t uid = creds == nullptr ? 0 : creds->uid();
  const std::uint32_t gid = creds == nullptr ? 0 : creds->gid();
  Packer about;
  about.put(static_cast<std::uint8_t>(is_stopped ? 3 : 0));
  about.put(static_cast<std::uint8_t>(is_stopped ? 'T' : 'R'));
  about.put(std::uint8_t{0});  // no zombie
  about.put(static_cast<std::uint8_t>(nice));
  about.fill_to(width == Width::bits64 ? 8 : 4);
  about.put_word(width, core.tc() == nullptr ? 0 : core.tc()->flags());
  if (width == Width::bits64) {
    about.put(uid);
    about.put(gid);
  } else {
    about.put(static_cast<std::uint16_t>(uid));
    about.put(static_cast<std::uint16_t>(gid));
  }
  for (const std::uint32_t id : {process.pid, process.ppid, process.pgid, process.sid}) {
    about.put(id);
  }
  about.put_text(process.comm(), kNameBytes);
  about.put_text(arguments, kArgumentBytes);
  return to.note("CORE", NT_PRPSINFO, about.bytes());
}

Result<void> write_auxv(NoteWriter& to, Width width, const std::vector<std::uint64_t>& auxv) {
  Packer words;
  for (const std::uint64_t word : auxv) {
    words.put_word(width, word);
  }
  return to.note("CORE", NT_AUXV, words.bytes());
}

Result<void> write_file_map(NoteWriter& to, Width width, const std::vector<Mapping>& mappings,
                            const Backings& backings) {
  const std::size_t word = width == Width::bits64 ? 8 : 4;
  std::uint64_t count = 0;
  std::uint64_t size = 2 * word;
  for (const Mapping& mapping : mappings) {
    if (const std::string name = backings.name_of(mapping); !name.empty()) {
      ++count;
      size += 3 * word + name.size() + 1;
    }
  }
  if (count == 0) {
    return {};
  }
  if (size > kLongestNote) {
    return fail(Fault::limit, "names of mapped files", "too long for a core");
  }
  IMG_TRY(to.begin("CORE", NT_FILE, static_cast<std::uint32_t>(size)));
  Packer head;
  head.put_word(width, count);
  head.put_word(width, kPage);
  IMG_TRY(to.add(head.bytes()));
  for (const Mapping& mapping : mappings) {
    if (!backings.name_of(mapping).empty()) {
      Packer place;
      place.put_word(width, mapping.start);
      place.put_word(width, mapping.end);
      place.put_word(width, mapping.offset / kPage);
      IMG_TRY(to.add(place.bytes()));
    }
  }
  for (const Mapping& mapping : mappings) {
    if (const std::string name = backings.name_of(mapping); !name.empty()) {
      IMG_TRY(to.add(Bytes(as_bytes(std::string_view(name.c_str(), name.size() + 1)))));
    }
  }
  return to.end();
}

}  // namespace img::core
