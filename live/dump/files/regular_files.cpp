// SPDX-License-Identifier: MIT
#include "live/dump/files/regular_files.h"

#include <fcntl.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <limits>

#include "libimg/base/build_id.h"

namespace img::dump {
namespace {

constexpr unsigned kMemoryDevices = 1;  // major number of /dev/null and its like
constexpr unsigned kKmsg = 11;

bool is_stateless_device(const OpenFile& file) {
  const unsigned number = minor(file.stat.st_rdev);
  return S_ISCHR(file.stat.st_mode) && major(file.stat.st_rdev) == kMemoryDevices &&
         (number == 3 || number == 5 || (number >= 7 && number <= 9) || number == kKmsg);
}

bool is_log(const OpenFile& file) {
  return (file.flags & O_ACCMODE) == O_WRONLY && (file.flags & O_APPEND) != 0;
}

// The kernel does not let a kmsg that is only written be positioned.
std::uint64_t position(const OpenFile& file) {
  const bool is_kmsg = S_ISCHR(file.stat.st_mode) && minor(file.stat.st_rdev) == kKmsg &&
                       major(file.stat.st_rdev) == kMemoryDevices;
  return is_kmsg && (file.flags & O_ACCMODE) == O_WRONLY
             ? std::numeric_limits<std::uint64_t>::max()
             : static_cast<std::uint64_t>(file.info.position);
}

std::vector<std::uint32_t> build_id_of(const OpenFile& file) {
  // To open it for reading would break a lease on what is only written.
  const bool has_lease =
      std::any_of(file.info.locks.begin(), file.info.locks.end(),
                  [](const procfs::FileLock& lock) { return lock.kind == "LEASE"; });
  if (has_lease && !file.copy_reads) {
    return {};
  }
  const auto content = readable(file);
  return content ? words_of_build_id(gnu_build_id(content->get())) : std::vector<std::uint32_t>();
}

}  // namespace

bool RegularFiles::recognises(const OpenFile& file) const {
  const mode_t mode = file.stat.st_mode;
  return file.link.starts_with('/') && (S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode) ||
                                        file.is_path_only() || is_stateless_device(file));
}

Result<void> RegularFiles::collect(OpenFile& file, std::uint32_t id) {
  IMG_ASSIGN(const std::string path, remaps_.path_for(file, id));
  if (path.empty()) {
    return {};
  }
  const bool is_checked = S_ISREG(file.stat.st_mode) && !is_log(file);
  const std::vector<std::uint32_t> build =
      is_checked ? build_id_of(file) : std::vector<std::uint32_t>();
  auto& builder = bench_.builder();
  const auto owner = owner_entry(builder, file.owner);
  const auto name = builder.CreateString(path);
  const auto words = build.empty() ? 0 : builder.CreateVector(build);
  schema::RegFileEntryBuilder entry(builder);
  entry.add_id(id);
  entry.add_flags(file.flags);
  entry.add_pos(position(file));
  entry.add_fown(owner);
  entry.add_name(name);
  if (is_checked) {
    entry.add_size(static_cast<std::uint64_t>(file.stat.st_size));
  }
  entry.add_mode(file.stat.st_mode);
  if (!build.empty()) {
    entry.add_build_id(words);
  }
  bench_.add_file(type(), id, entry.Finish(), &schema::FileEntryBuilder::add_reg);
  return {};
}

}  // namespace img::dump
