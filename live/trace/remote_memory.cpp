// SPDX-License-Identifier: MIT
#include "live/trace/remote_memory.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

#include "libimg/base/assert.h"
#include "libimg/base/units.h"

namespace img::trace {
namespace {

std::uint64_t sum(std::span<const RemoteRange> ranges) {
  std::uint64_t out = 0;
  for (const RemoteRange& range : ranges) {
    out += range.bytes;
  }
  return out;
}

// As many bytes of `ranges` as one call brings, from `skip` bytes into the first on. The kernel
// stops before the first byte that it may not read.
ssize_t read_some(pid_t pid, std::span<const RemoteRange> ranges, std::uint64_t skip,
                  std::span<std::byte> out) {
  std::array<iovec, IOV_MAX> remote;
  const std::size_t count = std::min<std::size_t>(ranges.size(), remote.size());
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t cut = i == 0 ? skip : 0;
    remote[i] = {reinterpret_cast<void*>(ranges[i].start + cut), ranges[i].bytes - cut};
    total += ranges[i].bytes - cut;
  }
  const iovec local{out.data(), std::min<std::uint64_t>(total, out.size())};
  return ::process_vm_readv(pid, &local, 1, remote.data(), count, 0);
}

}  // namespace

Result<RemoteMemory> RemoteMemory::open(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/mem";
  UniqueFd file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!file.is_open()) {
    return fail(sys_error(errno, path, "open"));
  }
  return RemoteMemory(pid, std::move(file));
}

Error RemoteMemory::error(const char* what, std::uint64_t address, int sys_errno) const {
  Error out = sys_error(sys_errno, "process " + std::to_string(pid_),
                        std::string(what) + " memory at " + hex(address));
  if (sys_errno == ESRCH) {
    out.fault = Fault::gone;
    out.why = "it has ended";
  }
  return out;
}

Result<void> RemoteMemory::read(std::uint64_t address, std::span<std::byte> out) const {
  const RemoteRange range{address, out.size()};
  return read_ranges({&range, 1}, out);
}

Result<void> RemoteMemory::read_file(std::uint64_t address, std::span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t got = ::pread(file_.get(), out.data(), out.size(), static_cast<off_t>(address));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      return fail(error("read", address, got == 0 ? ESRCH : errno));
    }
    address += static_cast<std::uint64_t>(got);
    out = out.subspan(static_cast<std::size_t>(got));
  }
  return {};
}

Result<void> RemoteMemory::read_ranges(std::span<const RemoteRange> ranges,
                                       std::span<std::byte> out) const {
  IMG_ASSERT(sum(ranges) == out.size());
  std::uint64_t skip = 0;
  while (!out.empty()) {
    if (ranges[0].bytes == skip) {
      ranges = ranges.subspan(1);
      skip = 0;
      continue;
    }
    const ssize_t got = read_some(pid_, ranges, skip, out);
    if (got < 0 && errno != EFAULT) {
      return fail(error("read", ranges[0].start + skip, errno));
    }
    std::uint64_t done = got > 0 ? static_cast<std::uint64_t>(got) : 0;
    if (done == 0) {
      // The first page is one that its owner may not read; the next one may be better.
      const std::uint64_t at = ranges[0].start + skip;
      done = std::min(ranges[0].bytes - skip, 4096 - at % 4096);
      IMG_TRY(read_file(at, out.first(done)));
    }
    out = out.subspan(done);
    for (skip += done; !ranges.empty() && skip >= ranges[0].bytes; ranges = ranges.subspan(1)) {
      skip -= ranges[0].bytes;
    }
  }
  return {};
}

Result<void> RemoteMemory::peek_ranges(std::span<const RemoteRange> ranges,
                                       std::span<std::byte> out) const {
  IMG_ASSERT(sum(ranges) == out.size());
  for (const RemoteRange& range : ranges) {
    IMG_TRY(read_file(range.start, out.first(range.bytes)));
    out = out.subspan(range.bytes);
  }
  return {};
}

Result<void> RemoteMemory::write(std::uint64_t address, Bytes bytes) const {
  while (!bytes.empty()) {
    const iovec local{const_cast<std::byte*>(bytes.data()), bytes.size()};
    const iovec remote{reinterpret_cast<void*>(address), bytes.size()};
    const ssize_t done = ::process_vm_writev(pid_, &local, 1, &remote, 1, 0);
    if (done <= 0) {
      return done == 0 || errno == EFAULT ? overwrite(address, bytes)
                                          : fail(error("write", address, errno));
    }
    address += static_cast<std::uint64_t>(done);
    bytes = bytes.subspan(static_cast<std::size_t>(done));
  }
  return {};
}

Result<void> RemoteMemory::overwrite(std::uint64_t address, Bytes bytes) const {
  while (!bytes.empty()) {
    const ssize_t done =
        ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(address));
    if (done < 0 && errno == EINTR) {
      continue;
    }
    if (done <= 0) {
      return fail(error("write", address, done == 0 ? ESRCH : errno));
    }
    address += static_cast<std::uint64_t>(done);
    bytes = bytes.subspan(static_cast<std::size_t>(done));
  }
  return {};
}

}  // namespace img::trace
