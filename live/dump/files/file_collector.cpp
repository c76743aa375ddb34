// SPDX-License-Identifier: MIT
#include "live/dump/files/file_collector.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <string>
#include <tuple>

#include "live/dump/files/description_tree.h"
#include "live/dump/files/locks.h"
#include "live/dump/files/regular_files.h"

namespace img::dump {
namespace {

const char* proc_name(PathWhat what) {
  return what == PathWhat::exe ? "exe" : what == PathWhat::cwd ? "cwd" : "root";
}

}  // namespace

class FileCollector::Work {
 public:
  explicit Work(DumpContext& context) : bench_(context), regular_(bench_), locks_(bench_) {
    const auto take = [this](UniqueFd fd) { return in_flight(std::move(fd)); };
    kinds_.push_back(make_pipes(bench_));
    kinds_.push_back(make_fifos(bench_, regular_));
    kinds_.push_back(make_terminals(bench_, regular_));
    kinds_.push_back(make_unix_sockets(bench_, take));
    kinds_.push_back(make_inet_sockets(bench_));
    kinds_.push_back(make_netlink_sockets(bench_));
    kinds_.push_back(make_eventfds(bench_));
    kinds_.push_back(make_signalfds(bench_));
    kinds_.push_back(make_timerfds(bench_));
    kinds_.push_back(make_pidfds(bench_));
    kinds_.push_back(make_epolls(bench_));
    kinds_.push_back(make_inotifies(bench_));
    kinds_.push_back(make_fanotifies(bench_));
    kinds_.push_back(make_namespaces(bench_));
    kinds_.push_back(make_packet_sockets(bench_));
    auto memfds = make_memfds(bench_);
    memfds_ = memfds.get();
    kinds_.push_back(std::move(memfds));
  }

  Result<std::uint32_t> path_file(const trace::FrozenProcess& process, PathWhat what);
  Result<std::uint32_t> by_path(OpenFile file, FileKind& kind);
  /// 0 for one that was not seen before. A program maps the same few files again and again.
  std::uint32_t known_path(const struct stat& stat, const std::string& link) const {
    const auto found = by_path_.find({stat.st_dev, stat.st_ino, link});
    return found == by_path_.end() ? 0 : found->second;
  }
  Result<void> descriptors(const trace::FrozenProcess& process, std::uint32_t files_id);
  Result<void> finish();

  std::uint32_t packet_socket(std::uint64_t inode) const {
    const auto found = packet_sockets_.find(inode);
    return found == packet_sockets_.end() ? 0 : found->second;
  }

  FileKind& kind_of_mapping(bool is_memfd) { return is_memfd ? *memfds_ : regular_; }

 private:
  struct Seen {
    std::uint32_t id = 0;
    bool is_new = false;
  };
  FileKind* kind_of(const OpenFile& file);
  Result<Seen> collect(OpenFile& file, FileKind& kind);
  Result<std::uint32_t> in_flight(UniqueFd fd);

  FileBench bench_;
  RegularFiles regular_;
  std::vector<std::unique_ptr<FileKind>> kinds_;
  FileKind* memfds_ = nullptr;
  FileLocks locks_;
  DescriptionTree known_;
  std::map<std::tuple<dev_t, ino_t, std::string>, std::uint32_t> by_path_;
  std::map<std::uint64_t, std::uint32_t> packet_sockets_;  // ids by inode
  std::vector<OpenFile> in_flight_;                        // held open: known_ compares with them
};

FileKind* FileCollector::Work::kind_of(const OpenFile& file) {
  for (const auto& kind : kinds_) {
    if (kind->recognises(file)) {
      return kind.get();
    }
  }
  return regular_.recognises(file) ? &regular_ : nullptr;
}

Result<FileCollector::Work::Seen> FileCollector::Work::collect(OpenFile& file, FileKind& kind) {
  IMG_ASSIGN(const DescriptionTree::Found found, known_.find(file));
  const bool is_new = *found.id == 0;
  if (is_new) {
    *found.id = bench_.new_id();
    const std::uint32_t id = *found.id;
    IMG_TRY(kind.collect(file, id));
    return Seen{id, true};
  }
  kind.seen_again(file, *found.id);
  return Seen{*found.id, false};
}

Result<std::uint32_t> FileCollector::Work::in_flight(UniqueFd fd) {
  IMG_ASSIGN(OpenFile file, look_at_own(std::move(fd)));
  FileKind* kind = kind_of(file);
  if (kind == nullptr) {
    bench_.refuse(file, state::Piece::file_kind);
    return std::uint32_t{0};
  }
  IMG_ASSIGN(const Seen seen, collect(file, *kind));
  if (seen.is_new) {
    in_flight_.push_back(std::move(file));
  }
  return seen.id;
}

Result<void> FileCollector::Work::descriptors(const trace::FrozenProcess& process,
                                              std::uint32_t files_id) {
  const Holder holder{process.pid(), process.pid(), &process.dir};
  IMG_ASSIGN(const std::vector<std::int32_t> numbers, process.dir.numbers("fd"));
  IMG_ASSIGN(const DescriptorTaker taker, DescriptorTaker::open(holder));
  bench_.tables().push_back({process.pid(), {}});
  for (const std::int32_t number : numbers) {
    IMG_ASSIGN(OpenFile file, taker.take(number));
    FileKind* kind = kind_of(file);
    if (kind == nullptr) {
      bench_.refuse(file, state::Piece::file_kind);
      continue;
    }
    const std::uint64_t inode = file.stat.st_ino;
    IMG_ASSIGN(const Seen seen, collect(file, *kind));
    if (kind->type() == schema::FdTypes::PACKETSK) {
      packet_sockets_.emplace(inode, seen.id);
    }
    locks_.add(file, seen.is_new, files_id);
    bench_.tables().back().slots.push_back({number, seen.id, inode});
    auto& builder = bench_.builder();
    bench_.records().add(
        Kind::fdinfo, files_id,
        schema::CreateFdinfoEntry(builder, seen.id, file.close_on_exec ? FD_CLOEXEC : 0,
                                  kind->type(), static_cast<std::uint32_t>(number)));
  }
  return {};
}

Result<std::uint32_t> FileCollector::Work::path_file(const trace::FrozenProcess& process,
                                                     PathWhat what) {
  IMG_ASSIGN(UniqueFd fd, process.dir.open_file(proc_name(what), O_PATH));
  IMG_ASSIGN(OpenFile file, look_at_own(std::move(fd)));
  file.pid = process.pid();
  return by_path(std::move(file), regular_);
}

// Opened by path alone, whoever does it: one entry for all of them.
Result<std::uint32_t> FileCollector::Work::by_path(OpenFile file, FileKind& kind) {
  const auto [found, is_new] =
      by_path_.try_emplace({file.stat.st_dev, file.stat.st_ino, file.link}, 0);
  if (is_new) {
    found->second = bench_.new_id();
    const std::uint32_t id = found->second;
    file.forget_opening();
    IMG_TRY(kind.collect(file, id));
    return id;
  }
  return found->second;
}

Result<void> FileCollector::Work::finish() {
  for (const auto& kind : kinds_) {
    IMG_TRY(kind->finish());
  }
  return {};
}

FileCollector::FileCollector(DumpContext& context) : work_(std::make_unique<Work>(context)) {}
FileCollector::~FileCollector() = default;

Result<std::uint32_t> FileCollector::path_file(const trace::FrozenProcess& process, PathWhat what) {
  return work_->path_file(process, what);
}

Result<std::uint32_t> FileCollector::mapped_file(const trace::FrozenProcess& process,
                                                 const MappedFile& mapped) {
  if (const std::uint32_t known = work_->known_path(*mapped.stat, mapped.mapping->path)) {
    return known;
  }
  UniqueFd fd(::fcntl(mapped.fd, F_DUPFD_CLOEXEC, 0));
  if (!fd.is_open()) {
    return fail(sys_error(errno, process.dir.name(), "dup"));
  }
  IMG_ASSIGN(OpenFile file, look_at_own(std::move(fd)));
  file.pid = process.pid();
  return work_->by_path(std::move(file), work_->kind_of_mapping(mapped.is_memfd));
}

std::uint32_t FileCollector::packet_socket(std::uint64_t inode) const {
  return work_->packet_socket(inode);
}

Result<void> FileCollector::descriptors(trace::FrozenProcess& process, std::uint32_t files_id) {
  return work_->descriptors(process, files_id);
}

Result<void> FileCollector::finish() {
  return work_->finish();
}

}  // namespace img::dump
