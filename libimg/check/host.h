// SPDX-License-Identifier: MIT
// The machine that is to restore, as far as any user can ask it: its files below a root, what
// /proc and /sys say, its processor. Changes nothing. What it does not know it says so
// (Fault::denied), which is never the same as "not there" (Fault::missing).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "libimg/base/result.h"
#include "libimg/base/unique_fd.h"

namespace img::check {

/// An address of an interface, in network order; IPv4 in the first word.
struct HostAddress {
  bool is_v6 = false;
  std::array<std::uint32_t, 4> words = {};
};

/// What does not stand in a file.
struct Machine {
  bool is_x86_64 = true;
  std::uint32_t kernel = 0;                  // 6.1 is 0x601; 0: not known
  std::uint64_t xfeatures = 0;               // XCR0; 0: not known
  std::uint32_t pid = 0, sid = 0, pgid = 0;  // of who asks
  bool is_root = false;
  bool may_raise_limits = false;  // CAP_SYS_RESOURCE
  std::array<std::uint64_t, 16> hard_limits = {};
  std::uint64_t vdso_size = 0;  // 0: not known
  std::vector<HostAddress> addresses;
  std::vector<std::string> interfaces;

  [[nodiscard]] static Machine here();
};

struct HostFile {
  std::uint32_t mode = 0;
  std::uint64_t size = 0;
  std::uint64_t links = 0;
};

class Host {
 public:
  struct Places {
    std::string root = "/";  // of the files that processes have open
    bool is_root_given = false;
    std::string system = "/";  // what /proc, /sys and programs are below
  };
  /// Fault::missing and the like where a place is no directory.
  [[nodiscard]] static Result<Host> open(Places places, Machine machine);

  [[nodiscard]] const Machine& machine() const { return machine_; }
  [[nodiscard]] bool is_root_given() const { return is_root_given_; }

  /// What the name means below the root, links followed without leaving it.
  [[nodiscard]] Result<HostFile> file(std::string_view path) const;
  /// The GNU build id of an ELF file; empty: it has none.
  [[nodiscard]] Result<std::vector<std::byte>> build_id(std::string_view path) const;

  /// At most 1 MiB of a file below the system: "proc/sys/kernel/pid_max".
  [[nodiscard]] Result<std::string> text(const std::string& path) const;
  [[nodiscard]] std::optional<std::uint64_t> number(const std::string& path) const;
  [[nodiscard]] bool has(const std::string& path) const;
  /// In one of the directories in which root looks.
  [[nodiscard]] bool has_program(std::string_view name) const;
  /// Ids that clone3() would refuse: of processes, threads, groups and sessions. Null: /proc shows
  /// only part of them.
  [[nodiscard]] const std::unordered_set<std::uint32_t>* ids_in_use() const;
  /// The next question looks again.
  void forget_ids() const { has_read_ids_ = false; }
  [[nodiscard]] bool is_thread(std::uint32_t tid) const;
  [[nodiscard]] bool is_zombie(std::uint32_t pid) const;

 private:
  Host() = default;
  [[nodiscard]] Result<UniqueFd> find(std::string_view path, int flags) const;
  void read_ids() const;

  UniqueFd root_;
  UniqueFd system_;
  bool is_root_given_ = false;
  Machine machine_;
  mutable bool has_read_ids_ = false;
  mutable bool knows_ids_ = false;
  mutable std::unordered_set<std::uint32_t> ids_;
};

}  // namespace img::check
