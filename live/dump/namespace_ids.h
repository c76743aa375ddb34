// SPDX-License-Identifier: MIT
// Namespaces, which are all the host's: how they are named in /proc, and how in an image.
#pragma once

#include <sched.h>

#include <array>
#include <cstdint>
#include <string_view>

namespace img::dump {

inline constexpr std::uint32_t kNewTime = 0x80;  // CLONE_NEWTIME

struct HostNamespace {
  std::string_view name;  // "net", as in /proc/PID/ns
  std::uint32_t flag;     // CLONE_NEW*
  std::uint32_t id;       // in the order in which CRIU looks at those of the host
};
inline constexpr std::array kHostNamespaces = {
    HostNamespace{"pid", CLONE_NEWPID, 1},   HostNamespace{"net", CLONE_NEWNET, 2},
    HostNamespace{"ipc", CLONE_NEWIPC, 3},   HostNamespace{"uts", CLONE_NEWUTS, 4},
    HostNamespace{"time", kNewTime, 5},      HostNamespace{"mnt", CLONE_NEWNS, 6},
    HostNamespace{"user", CLONE_NEWUSER, 7}, HostNamespace{"cgroup", CLONE_NEWCGROUP, 8}};

[[nodiscard]] constexpr std::uint32_t host_namespace_id(std::uint32_t flag) {
  for (const HostNamespace& one : kHostNamespaces) {
    if (one.flag == flag) {
      return one.id;
    }
  }
  return 0;
}

}  // namespace img::dump
