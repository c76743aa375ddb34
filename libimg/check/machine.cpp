// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "libimg/base/bytes.h"
#include "libimg/check/host.h"

#ifdef __x86_64__
#include <cpuid.h>
#endif

namespace img::check {
namespace {

std::uint64_t xfeatures_of_this_cpu() {
#ifdef __x86_64__
  constexpr unsigned kOsXsave = 1U << 27;
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & kOsXsave) == 0) {
    return 0;
  }
  __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
  return a | static_cast<std::uint64_t>(d) << 32;
#else
  return 0;
#endif
}

std::uint32_t kernel_version() {
  utsname name = {};
  unsigned major = 0;
  unsigned minor = 0;
  if (::uname(&name) != 0 || std::sscanf(name.release, "%u.%u", &major, &minor) != 2) {
    return 0;
  }
  return major << 8 | std::min(minor, 255U);
}

bool has_capability(unsigned number) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[2] = {};
  return ::syscall(SYS_capget, &header, sets) == 0 &&
         (sets[number / 32].effective >> (number % 32) & 1) != 0;
}

std::uint64_t size_of_own_vdso() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    unsigned long long begin = 0;
    unsigned long long end = 0;
    if (line.ends_with("[vdso]") && std::sscanf(line.c_str(), "%llx-%llx", &begin, &end) == 2) {
      return end - begin;
    }
  }
  return 0;
}

void read_interfaces(Machine& machine) {
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) {
    return;
  }
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    machine.interfaces.emplace_back(one->ifa_name);
    if (one->ifa_addr == nullptr) {
      continue;
    }
    HostAddress address;
    if (one->ifa_addr->sa_family == AF_INET) {
      std::memcpy(address.words.data(),
                  &reinterpret_cast<const sockaddr_in*>(one->ifa_addr)->sin_addr, 4);
    } else if (one->ifa_addr->sa_family == AF_INET6) {
      address.is_v6 = true;
      std::memcpy(address.words.data(),
                  &reinterpret_cast<const sockaddr_in6*>(one->ifa_addr)->sin6_addr, 16);
    } else {
      continue;
    }
    machine.addresses.push_back(address);
  }
  ::freeifaddrs(all);
}

}  // namespace

Machine Machine::here() {
  Machine machine;
#ifndef __x86_64__
  machine.is_x86_64 = false;
#endif
  machine.kernel = kernel_version();
  machine.xfeatures = xfeatures_of_this_cpu();
  machine.pid = static_cast<std::uint32_t>(::getpid());
  machine.sid = static_cast<std::uint32_t>(::getsid(0));
  machine.pgid = static_cast<std::uint32_t>(::getpgrp());
  machine.is_root = ::geteuid() == 0;
  machine.may_raise_limits = has_capability(CAP_SYS_RESOURCE);
  for (std::size_t i = 0; i < machine.hard_limits.size(); ++i) {
    rlimit limit = {};
    machine.hard_limits[i] = ::getrlimit(static_cast<__rlimit_resource_t>(i), &limit) == 0
                                 ? limit.rlim_max
                                 : RLIM_INFINITY;
  }
  machine.vdso_size = size_of_own_vdso();
  read_interfaces(machine);
  return machine;
}

}  // namespace img::check
