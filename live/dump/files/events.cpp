// SPDX-License-Identifier: MIT
// eventfd, signalfd, timerfd and pidfd: all their state is in fdinfo.
#include <fcntl.h>
#include <unistd.h>

#include "live/dump/files/file_kind.h"

namespace img::dump {
namespace {

using schema::FdTypes;
using schema::FileEntryBuilder;

class Eventfds final : public FileKind {
 public:
  using FileKind::FileKind;
  FdTypes type() const override { return FdTypes::EVENTFD; }
  bool recognises(const OpenFile& file) const override { return file.info.eventfd.has_value(); }
  // O_RDWR is 2 and EFD_SEMAPHORE 1: CRIU, which cannot keep the latter, ignores the bit.
  Result<void> collect(OpenFile& file, std::uint32_t id) override {
    const std::uint32_t flags = file.flags | (file.info.eventfd->semaphore ? 1U : 0U);
    auto& builder = bench_.builder();
    const auto owner = owner_entry(builder, file.owner);
    bench_.add_file(
        type(), id,
        schema::CreateEventfdFileEntry(builder, id, flags, owner, file.info.eventfd->count),
        &FileEntryBuilder::add_efd);
    return {};
  }
};

class Signalfds final : public FileKind {
 public:
  using FileKind::FileKind;
  FdTypes type() const override { return FdTypes::SIGNALFD; }
  bool recognises(const OpenFile& file) const override {
    return file.info.signalfd_mask.has_value();
  }
  Result<void> collect(OpenFile& file, std::uint32_t id) override {
    auto& builder = bench_.builder();
    const auto owner = owner_entry(builder, file.owner);
    bench_.add_file(
        type(), id,
        schema::CreateSignalfdEntry(builder, id, file.flags, owner, *file.info.signalfd_mask),
        &FileEntryBuilder::add_sgfd);
    return {};
  }
};

class Timerfds final : public FileKind {
 public:
  using FileKind::FileKind;
  FdTypes type() const override { return FdTypes::TIMERFD; }
  bool recognises(const OpenFile& file) const override { return file.info.timerfd.has_value(); }
  Result<void> collect(OpenFile& file, std::uint32_t id) override {
    const procfs::TimerfdState& timer = *file.info.timerfd;
    auto& builder = bench_.builder();
    const auto owner = owner_entry(builder, file.owner);
    const auto number = [](std::int64_t value) { return static_cast<std::uint64_t>(value); };
    bench_.add_file(type(), id,
                    schema::CreateTimerfdEntry(builder, id, file.flags, owner,
                                               static_cast<std::uint32_t>(timer.clock), timer.ticks,
                                               timer.settime_flags, number(timer.value[0]),
                                               number(timer.value[1]), number(timer.interval[0]),
                                               number(timer.interval[1])),
                    &FileEntryBuilder::add_tfd);
    return {};
  }
};

class Pidfds final : public FileKind {
 public:
  using FileKind::FileKind;
  FdTypes type() const override { return FdTypes::PIDFD; }
  bool recognises(const OpenFile& file) const override { return file.info.pidfd.has_value(); }
  Result<void> collect(OpenFile& file, std::uint32_t id) override {
    constexpr std::uint32_t kThread = O_EXCL;  // PIDFD_THREAD
    const pid_t pid = *file.info.pidfd;
    if (pid > 0 && !bench_.is_member(pid)) {
      bench_.refuse(file, state::Piece::pidfd_foreign);
      return {};
    }
    if ((file.flags & kThread) != 0 && pid > 0) {
      bench_.refuse(file, state::Piece::pidfd_thread);
      return {};
    }
    auto& builder = bench_.builder();
    const auto owner = owner_entry(builder, file.owner);
    bench_.add_file(
        type(), id,
        schema::CreatePidfdEntry(builder, id, static_cast<std::uint32_t>(file.stat.st_ino),
                                 file.flags & ~static_cast<std::uint32_t>(O_RDWR),
                                 pid > 0 ? pid : -1, owner),
        &FileEntryBuilder::add_pidfd);
    return {};
  }
};

}  // namespace

std::unique_ptr<FileKind> make_eventfds(FileBench& bench) {
  return std::make_unique<Eventfds>(bench);
}
std::unique_ptr<FileKind> make_signalfds(FileBench& bench) {
  return std::make_unique<Signalfds>(bench);
}
std::unique_ptr<FileKind> make_timerfds(FileBench& bench) {
  return std::make_unique<Timerfds>(bench);
}
std::unique_ptr<FileKind> make_pidfds(FileBench& bench) {
  return std::make_unique<Pidfds>(bench);
}

}  // namespace img::dump
