// SPDX-License-Identifier: MIT
// Which addresses are files that we have mapped. A file can shrink or its disk fail while it is
// mapped; the kernel then raises SIGBUS. A tool installs the handler, which knows from this list
// that the fault is the file's and not a bug: it writes one line and ends the process.
#pragma once

#include <cstddef>
#include <string_view>

namespace img {

/// Registers [begin, begin + size) under a name (cut to 95 bytes) as long as it lives. When the
/// table (16,384 mappings) is full, the mapping works but a fault in it is not explained.
class MappingGuard {
 public:
  MappingGuard() = default;
  MappingGuard(const void* begin, std::size_t size, std::string_view name);
  MappingGuard(MappingGuard&& other) noexcept;
  MappingGuard& operator=(MappingGuard&& other) noexcept;
  ~MappingGuard();

 private:
  friend class BlameMapping;
  void release();
  int slot_ = -1;
};

/// As long as it lives, every fault of this thread, at whatever address, is one of that mapping:
/// for calls into a library that follows wherever the file's bytes lead.
class BlameMapping {
 public:
  explicit BlameMapping(const MappingGuard& mapping);
  BlameMapping(const BlameMapping&) = delete;
  BlameMapping& operator=(const BlameMapping&) = delete;
  ~BlameMapping();

 private:
  int before_;
};

/// From now on SIGBUS and SIGSEGV inside a registered mapping write "TOOL: NAME: ..." to stderr,
/// and end the process with exit_code; any other fault goes its usual way. `tool` must outlive the
/// process's use of mappings.
void install_mapping_fault_handler(const char* tool, int exit_code);

/// For the assertion of a foreign library about bytes in a mapping: ends the process as a fault at
/// `inside` would, where the handler is installed and the mapping registered; else aborts.
[[noreturn]] void mapping_is_damaged(const void* inside, const char* why);

}  // namespace img
