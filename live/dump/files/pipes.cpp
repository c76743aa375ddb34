// SPDX-License-Identifier: MIT
// Pipes and fifos. What is in them is read with tee(2), which takes nothing out.
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <set>

#include "live/dump/files/file_kind.h"
#include "live/dump/files/regular_files.h"

namespace img::dump {
namespace {

using schema::FdTypes;
using schema::FileEntryBuilder;

/// What is in pipes of one sort; each pipe once, however many ends of it there are.
class PipeContents {
 public:
  PipeContents(FileBench& bench, Kind kind) : bench_(bench), kind_(kind) {}

  [[nodiscard]] Result<void> add(const OpenFile& file) {
    if ((file.flags & O_ACCMODE) == O_WRONLY || !seen_.insert(file.stat.st_ino).second) {
      return {};
    }
    const int size = ::fcntl(file.copy.get(), F_GETPIPE_SZ);
    int waiting = 0;
    if (size < 0 || ::ioctl(file.copy.get(), FIONREAD, &waiting) != 0) {
      return fail(sys_error(errno, file.name(), "fcntl(F_GETPIPE_SZ)"));
    }
    std::vector<Bytes> payload;
    if (waiting > 0) {
      IMG_ASSIGN(const Bytes content, teed(file, size, static_cast<std::size_t>(waiting)));
      payload.push_back(content);
    }
    auto& builder = bench_.builder();
    const auto entry = schema::CreatePipeDataEntry(
        builder, static_cast<std::uint32_t>(file.stat.st_ino), static_cast<std::uint32_t>(waiting),
        static_cast<std::uint32_t>(size));
    bench_.records().add(kind_, 0, entry, std::move(payload));
    return {};
  }

 private:
  [[nodiscard]] Result<Bytes> teed(const OpenFile& file, int size, std::size_t waiting) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
      return fail(sys_error(errno, file.name(), "pipe"));
    }
    const UniqueFd in(ends[0]);
    const UniqueFd out(ends[1]);
    // A pipe may hold more than a user may ask for.
    if (::fcntl(out.get(), F_SETPIPE_SZ, size) < 0) {
      return fail(sys_error(errno, file.name(), "fcntl(F_SETPIPE_SZ)"));
    }
    if (::tee(file.copy.get(), out.get(), waiting, SPLICE_F_NONBLOCK) !=
        static_cast<ssize_t>(waiting)) {
      return fail(sys_error(errno, file.name(), "tee"));
    }
    IMG_ASSIGN(const std::span<std::byte> room, bench_.payloads().room(waiting));
    for (std::size_t at = 0; at < waiting;) {
      const ssize_t got = ::read(in.get(), room.data() + at, waiting - at);
      if (got <= 0) {
        return fail(sys_error(got < 0 ? errno : EIO, file.name(), "read what is in it"));
      }
      at += static_cast<std::size_t>(got);
    }
    return Bytes(room);
  }

  FileBench& bench_;
  Kind kind_;
  std::set<std::uint64_t> seen_;
};

class Pipes final : public FileKind {
 public:
  explicit Pipes(FileBench& bench) : FileKind(bench), contents_(bench, Kind::pipes_data) {}
  FdTypes type() const override { return FdTypes::PIPE; }
  bool recognises(const OpenFile& file) const override {
    return S_ISFIFO(file.stat.st_mode) && file.file_system == PIPEFS_MAGIC;
  }
  Result<void> collect(OpenFile& file, std::uint32_t id) override {
    int waiting = 0;
    if ((file.flags & O_DIRECT) != 0 &&
        (::ioctl(file.copy.get(), FIONREAD, &waiting) != 0 || waiting > 0)) {
      bench_.refuse(file, state::Piece::pipe_packets);
      return {};
    }
    auto& builder = bench_.builder();
    const auto owner = owner_entry(builder, file.owner);
    bench_.add_file(
        type(), id,
        schema::CreatePipeEntry(builder, id, static_cast<std::uint32_t>(file.stat.st_ino),
                                file.flags, owner),
        &FileEntryBuilder::add_pipe);
    return contents_.add(file);
  }

 private:
  PipeContents contents_;
};

class Fifos final : public FileKind {
 public:
  Fifos(FileBench& bench, RegularFiles& regular)
      : FileKind(bench), regular_(regular), contents_(bench, Kind::fifo_data) {}
  FdTypes type() const override { return FdTypes::FIFO; }
  bool recognises(const OpenFile& file) const override {
    return S_ISFIFO(file.stat.st_mode) && file.file_system != PIPEFS_MAGIC && !file.is_path_only();
  }
  Result<void> collect(OpenFile& file, std::uint32_t id) override {
    const std::uint32_t path_id = bench_.new_id();
    IMG_TRY(regular_.collect(file, path_id));
    auto& builder = bench_.builder();
    bench_.add_file(
        type(), id,
        schema::CreateFifoEntry(builder, id, static_cast<std::uint32_t>(file.stat.st_ino), path_id),
        &FileEntryBuilder::add_fifo);
    return contents_.add(file);
  }

 private:
  RegularFiles& regular_;
  PipeContents contents_;
};

}  // namespace

std::unique_ptr<FileKind> make_pipes(FileBench& bench) {
  return std::make_unique<Pipes>(bench);
}
std::unique_ptr<FileKind> make_fifos(FileBench& bench, RegularFiles& regular) {
  return std::make_unique<Fifos>(bench, regular);
}

}  // namespace img::dump
