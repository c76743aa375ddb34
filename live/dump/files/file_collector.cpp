// SPDX-License-Identifier: MIT
#include "live/dump/files/file_collector.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <string>
#include <utility>

#include "live/dump/object_ids.h"
#include "live/procfs/fdinfo.h"
#include "schema/files_generated.h"

namespace img::dump {
namespace {

constexpr std::uint32_t kUnsetFlags = O_CREAT | O_EXCL | O_TRUNC | O_NOCTTY | O_CLOEXEC;

struct RegularFile {
  std::string path;
  struct stat stat;
  std::uint32_t flags = 0;
  std::uint64_t position = 0;
};

const char* proc_name(PathWhat what) {
  return what == PathWhat::exe ? "exe" : what == PathWhat::cwd ? "cwd" : "root";
}

}  // namespace

class FileCollector::Work {
 public:
  explicit Work(DumpContext& context) : context_(context) {}

  Result<std::uint32_t> by_inode(RegularFile file) {
    const auto key = std::pair(file.stat.st_dev, file.stat.st_ino);
    const auto [found, is_new] = by_inode_.try_emplace(key, next_id_);
    if (is_new) {
      regular(next_id_++, file);
    }
    return found->second;
  }

  Result<void> descriptor(const trace::FrozenProcess& process, std::uint32_t files_id,
                          std::int32_t fd);

 private:
  void regular(std::uint32_t id, const RegularFile& file) {
    auto& builder = context_.records.begin();
    const auto owner = schema::CreateFownEntry(builder);
    const auto name = builder.CreateString(file.path);
    schema::RegFileEntryBuilder entry(builder);
    entry.add_id(id);
    entry.add_flags(file.flags);
    entry.add_pos(file.position);
    entry.add_fown(owner);
    entry.add_name(name);
    if (S_ISREG(file.stat.st_mode)) {
      entry.add_size(static_cast<std::uint64_t>(file.stat.st_size));
    }
    entry.add_mode(file.stat.st_mode);
    const auto reg = entry.Finish();
    schema::FileEntryBuilder out(builder);
    out.add_type(schema::FdTypes::REG);
    out.add_id(id);
    out.add_reg(reg);
    context_.records.add(Kind::files, 0, out.Finish());
  }

  DumpContext& context_;
  ObjectIds open_files_{0};  // KCMP_FILE
  std::map<std::pair<dev_t, ino_t>, std::uint32_t> by_inode_;
  std::uint32_t next_id_ = 1;
};

Result<void> FileCollector::Work::descriptor(const trace::FrozenProcess& process,
                                             std::uint32_t files_id, std::int32_t fd) {
  const std::string number = std::to_string(fd);
  IMG_ASSIGN(const std::string text, process.dir.read(("fdinfo/" + number).c_str()));
  IMG_ASSIGN(const procfs::FdInfo state, procfs::parse_fdinfo(text));
  RegularFile file;
  IMG_ASSIGN(file.path, process.dir.link(("fd/" + number).c_str()));
  if (::fstatat(process.dir.fd(), ("fd/" + number).c_str(), &file.stat, 0) < 0) {
    return fail(sys_error(errno, process.dir.name(), "stat of descriptor " + number));
  }
  IMG_ASSIGN(const ObjectIds::Found id,
             open_files_.find_or(process.pid(), static_cast<std::uint64_t>(fd), next_id_));
  if (id.is_new) {
    ++next_id_;
    file.flags = state.flags & ~kUnsetFlags;
    file.position = static_cast<std::uint64_t>(state.position);
    regular(id.id, file);
  }
  auto& builder = context_.records.begin();
  schema::FdinfoEntryBuilder entry(builder);
  entry.add_id(id.id);
  entry.add_flags((state.flags & O_CLOEXEC) != 0 ? FD_CLOEXEC : 0);
  entry.add_type(schema::FdTypes::REG);
  entry.add_fd(static_cast<std::uint32_t>(fd));
  context_.records.add(Kind::fdinfo, files_id, entry.Finish());
  return {};
}

FileCollector::FileCollector(DumpContext& context) : work_(std::make_unique<Work>(context)) {}
FileCollector::~FileCollector() = default;

Result<std::uint32_t> FileCollector::path_file(const trace::FrozenProcess& process, PathWhat what) {
  RegularFile file;
  IMG_ASSIGN(file.path, process.dir.link(proc_name(what)));
  if (::fstatat(process.dir.fd(), proc_name(what), &file.stat, 0) < 0) {
    return fail(sys_error(errno, process.dir.name(), proc_name(what)));
  }
  return work_->by_inode(std::move(file));
}

Result<std::uint32_t> FileCollector::mapped_file(const trace::FrozenProcess& /*process*/,
                                                 const MappedFile& mapped) {
  return work_->by_inode({mapped.mapping->path, *mapped.stat, 0, 0});
}

Result<void> FileCollector::descriptors(trace::FrozenProcess& process, std::uint32_t files_id) {
  IMG_ASSIGN(const std::vector<std::int32_t> fds, process.dir.numbers("fd"));
  for (const std::int32_t fd : fds) {
    IMG_TRY(work_->descriptor(process, files_id, fd));
  }
  return {};
}

Result<void> FileCollector::finish() {
  return {};
}

}  // namespace img::dump
