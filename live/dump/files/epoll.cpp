// SPDX-License-Identifier: MIT
// epoll: what is watched is named by the descriptor number it was added with. Where that number
// was closed since, or used again, a duplicate that still has the file takes its place.
#include <linux/kcmp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>

#include "live/dump/files/file_kind.h"

namespace img::dump {
namespace {

using schema::FdTypes;

// struct kcmp_epoll_slot of <linux/kcmp.h>, which not every libc has.
struct EpollSlot {
  std::uint32_t epoll = 0;
  std::uint32_t target = 0;
  std::uint32_t offset = 0;  // among the entries of this number
};

struct Holding {
  pid_t pid = 0;
  pid_t tid = 0;
  int number = -1;
};

/// The entry `slot` of the epoll that `holder` has is descriptor `number` of `owner`.
bool watches(pid_t holder, const EpollSlot& slot, pid_t owner, int descriptor) {
  constexpr int kEpollTarget = 7;  // KCMP_EPOLL_TFD
  const long order = ::syscall(SYS_kcmp, owner, holder, kEpollTarget, descriptor, &slot);
  return order == 0 ||
         (order < 0 && errno == EOPNOTSUPP && slot.target == std::uint32_t(descriptor));
}

class Epolls final : public FileKind {
 public:
  using FileKind::FileKind;
  FdTypes type() const override { return FdTypes::EVENTPOLL; }
  bool recognises(const OpenFile& file) const override {
    return file.link == "anon_inode:[eventpoll]";
  }

  Result<void> collect(OpenFile& file, std::uint32_t id) override {
    Epoll& epoll = epolls_[id];
    epoll.file.pid = file.pid;
    epoll.file.number = file.number;
    epoll.file.link = file.link;
    epoll.file.flags = file.flags;
    epoll.file.owner = file.owner;
    epoll.file.info.epoll = std::move(file.info.epoll);
    seen_again(file, id);
    return {};
  }
  void seen_again(const OpenFile& file, std::uint32_t id) override {
    if (file.pid != ::getpid()) {
      epolls_[id].holdings.push_back({file.pid, file.tid, file.number});
    }
  }

  Result<void> finish() override {
    for (auto& [id, epoll] : epolls_) {
      IMG_TRY(finish_one(id, epoll));
    }
    epolls_.clear();
    return {};
  }

 private:
  struct Epoll {
    OpenFile file;
    std::vector<Holding> holdings;
  };

  Result<void> finish_one(std::uint32_t id, const Epoll& epoll) {
    const std::optional<std::vector<int>> found =
        epoll.holdings.empty() ? numbers_in_flight(epoll) : numbers_of(epoll);
    if (!found) {
      bench_.refuse(epoll.file, state::Piece::epoll_escaped);
      return {};
    }
    const std::vector<int>& numbers = *found;
    auto& builder = bench_.builder();
    std::vector<flatbuffers::Offset<schema::EventpollTfdEntry>> targets;
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      const procfs::EpollTarget& target = epoll.file.info.epoll[i];
      targets.push_back(schema::CreateEventpollTfdEntry(
          builder, id, static_cast<std::uint32_t>(numbers[i]), target.events, target.data,
          target.device, target.inode, static_cast<std::uint64_t>(target.position)));
    }
    const auto owner = owner_entry(builder, epoll.file.owner);
    const auto list = targets.empty() ? 0 : builder.CreateVector(targets);
    bench_.add_file(type(), id,
                    schema::CreateEventpollFileEntry(builder, id, epoll.file.flags, owner, list),
                    &schema::FileEntryBuilder::add_epfd);
    return {};
  }

  /// For each target a descriptor of one that has the epoll, and which it watches; nothing where
  /// one has none.
  std::optional<std::vector<int>> numbers_of(const Epoll& epoll) {
    std::map<std::uint32_t, std::uint32_t> uses;  // of each number so far
    std::vector<int> numbers;
    for (const procfs::EpollTarget& target : epoll.file.info.epoll) {
      const std::uint32_t offset = uses[target.fd]++;
      int number = -1;
      for (const Holding& holding : epoll.holdings) {
        const auto table =
            std::find_if(bench_.tables().begin(), bench_.tables().end(),
                         [&](const DescriptorTable& one) { return one.pid == holding.pid; });
        if (number < 0 && table != bench_.tables().end()) {
          const EpollSlot slot{static_cast<std::uint32_t>(holding.number), target.fd, offset};
          number = number_in(*table, target, holding.tid, slot, holding.tid);
        }
      }
      if (number < 0) {
        return std::nullopt;
      }
      numbers.push_back(number);
    }
    return numbers;
  }

  /// One on its way through a socket belongs to no table, but what it watches must be in one.
  std::optional<std::vector<int>> numbers_in_flight(const Epoll& epoll) {
    for (const DescriptorTable& table : bench_.tables()) {
      std::map<std::uint32_t, std::uint32_t> uses;
      std::vector<int> numbers;
      for (const procfs::EpollTarget& target : epoll.file.info.epoll) {
        const EpollSlot slot{static_cast<std::uint32_t>(epoll.file.number), target.fd,
                             uses[target.fd]++};
        numbers.push_back(number_in(table, target, ::getpid(), slot, table.pid));
      }
      if (std::find(numbers.begin(), numbers.end(), -1) == numbers.end()) {
        return numbers;
      }
    }
    return std::nullopt;
  }

  // Its own number first.
  static int number_in(const DescriptorTable& table, const procfs::EpollTarget& target,
                       pid_t holder, const EpollSlot& slot, pid_t owner) {
    const auto is_it = [&](const TableSlot& one) {
      return one.inode == target.inode && watches(holder, slot, owner, one.number);
    };
    const auto own =
        std::lower_bound(table.slots.begin(), table.slots.end(), static_cast<int>(target.fd),
                         [](const TableSlot& one, int number) { return one.number < number; });
    if (own != table.slots.end() && own->number == static_cast<int>(target.fd) && is_it(*own)) {
      return own->number;
    }
    const auto other = std::find_if(table.slots.begin(), table.slots.end(), is_it);
    return other == table.slots.end() ? -1 : other->number;
  }

  std::map<std::uint32_t, Epoll> epolls_;
};

}  // namespace

std::unique_ptr<FileKind> make_epolls(FileBench& bench) {
  return std::make_unique<Epolls>(bench);
}

}  // namespace img::dump
