// SPDX-License-Identifier: MIT
#include "live/procfs/procmap_query.h"

#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

namespace img::procfs {
namespace {

// From <linux/fs.h> of Linux 6.11, which Debian 12 does not have.
struct Query {
  std::uint64_t size = sizeof(Query);
  std::uint64_t query_flags = 0;
  std::uint64_t query_address = 0;
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  std::uint64_t flags = 0;
  std::uint64_t page_size = 0;
  std::uint64_t offset = 0;
  std::uint64_t inode = 0;
  std::uint32_t device_major = 0;
  std::uint32_t device_minor = 0;
  std::uint32_t name_size = 0;
  std::uint32_t build_id_size = 0;
  std::uint64_t name_address = 0;
  std::uint64_t build_id_address = 0;
};
static_assert(sizeof(Query) == 104);
constexpr unsigned long kProcmapQuery = _IOWR(0x9f, 17, Query);
constexpr std::uint64_t kCoveringOrNext = 0x10;

Result<std::optional<Mapping>> from_text(const ProcDir& process, std::uint64_t address, Find find) {
  IMG_ASSIGN(const std::vector<Mapping> maps, process.maps());
  const auto at =
      std::find_if(maps.begin(), maps.end(), [&](const Mapping& one) { return address < one.end; });
  if (at == maps.end() || (find == Find::covering && address < at->start)) {
    return std::optional<Mapping>();
  }
  return std::optional<Mapping>(*at);
}

}  // namespace

Result<std::optional<Mapping>> query_mapping(const ProcDir& process, int maps_fd,
                                             std::uint64_t address, Find find) {
  std::array<char, PATH_MAX> name{};
  Query query;
  query.query_flags = find == Find::covering ? 0 : kCoveringOrNext;
  query.query_address = address;
  query.name_size = name.size();
  query.name_address = reinterpret_cast<std::uint64_t>(name.data());
  if (::ioctl(maps_fd, kProcmapQuery, &query) != 0) {
    if (errno == ENOTTY || errno == EINVAL) {
      return from_text(process, address, find);
    }
    if (errno == ENOENT) {
      return std::optional<Mapping>();
    }
    return fail(sys_error(errno, process.name() + "/maps", "PROCMAP_QUERY"));
  }
  Mapping out;
  out.start = query.start;
  out.end = query.end;
  out.readable = (query.flags & 1) != 0;
  out.writable = (query.flags & 2) != 0;
  out.executable = (query.flags & 4) != 0;
  out.shared = (query.flags & 8) != 0;
  out.offset = query.offset;
  out.device_major = query.device_major;
  out.device_minor = query.device_minor;
  out.inode = query.inode;
  out.path = name.data();
  return std::optional<Mapping>(std::move(out));
}

}  // namespace img::procfs
