// SPDX-License-Identifier: MIT
// Descriptors that wait for something: eventfd, signalfd, timerfd, epoll.
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#include <iterator>
#include <set>
#include <vector>

#include "libimg/base/text.h"
#include "live/plan/files/image_files.h"

namespace img::plan {
namespace {

using schema::FdTypes;

constexpr std::uint64_t kSetTicks = 0x4008'5400;  // TFD_IOC_SET_TICKS

class Eventfds final : public KindPlanner {
 public:
  Result<Slot> open(FileContext& context, const model::OpenFile& file) override {
    const auto& entry = *file.as<schema::EventfdFileEntry>(FdTypes::EVENTFD);
    PlanBuilder& builder = *context.builder;
    // The call takes 32 bits of the counter; a write takes them all.
    const bool is_small = entry.counter() <= UINT32_MAX;
    const Slot slot = builder.keep(
        builder.call(kRestorer, SYS_eventfd2,
                     {is_small ? entry.counter() : 0, entry.flags() & (O_NONBLOCK | EFD_SEMAPHORE)},
                     "eventfd " + std::to_string(file.id)));
    if (!is_small) {
      const std::uint64_t counter = entry.counter();
      builder.call(kRestorer, SYS_write, {slot, builder.object(counter), sizeof(counter)},
                   "counter of eventfd " + std::to_string(file.id));
    }
    return slot;
  }
};

class Signalfds final : public KindPlanner {
 public:
  Result<Slot> open(FileContext& context, const model::OpenFile& file) override {
    const auto& entry = *file.as<schema::SignalfdEntry>(FdTypes::SIGNALFD);
    const std::uint64_t mask = entry.signal_mask();
    PlanBuilder& builder = *context.builder;
    return builder.keep(
        builder.call(kRestorer, SYS_signalfd4,
                     {-1, builder.object(mask), sizeof(mask), entry.flags() & O_NONBLOCK},
                     "signalfd " + std::to_string(file.id)));
  }
};

class Timerfds final : public KindPlanner {
 public:
  Result<Slot> open(FileContext& context, const model::OpenFile& file) override {
    const auto& entry = *file.as<schema::TimerfdEntry>(FdTypes::TIMERFD);
    const std::string name = "timerfd " + std::to_string(file.id);
    PlanBuilder& builder = *context.builder;
    const Slot slot = builder.keep(builder.call(
        kRestorer, SYS_timerfd_create, {entry.clockid(), entry.flags() & O_NONBLOCK}, name));
    return slot;
  }

  /// As late as possible: what is recorded is the time that was left. Before the ticks, which
  /// setting the time forgets.
  Result<void> complete(FileContext& context, const model::OpenFile& file, TaskFd at) override {
    const auto& entry = *file.as<schema::TimerfdEntry>(FdTypes::TIMERFD);
    const std::string name = "timerfd " + std::to_string(file.id);
    PlanBuilder& builder = *context.builder;
    if (entry.vsec() != 0 || entry.vnsec() != 0 || entry.isec() != 0 || entry.insec() != 0) {
      itimerspec times{};
      times.it_value = {static_cast<time_t>(entry.vsec()), static_cast<long>(entry.vnsec())};
      times.it_interval = {static_cast<time_t>(entry.isec()), static_cast<long>(entry.insec())};
      // It has run out, and the kernel starts it again when that is read.
      if (entry.vsec() == 0 && entry.vnsec() == 0 && entry.ticks() != 0) {
        times.it_value = times.it_interval;
      }
      builder.call(at.actor, SYS_timerfd_settime, {at.fd, 0, builder.object(times), 0},
                   "time left of " + name);
    }
    if (entry.ticks() != 0) {
      const std::uint64_t ticks = entry.ticks();
      builder.call(at.actor, SYS_ioctl, {at.fd, kSetTicks, builder.object(ticks)},
                   "ticks of " + name);
    }
    return {};
  }
};

class Epolls final : public KindPlanner {
 public:
  Result<Slot> open(FileContext& context, const model::OpenFile& file) override {
    const auto& entry = *file.as<schema::EventpollFileEntry>(FdTypes::EVENTPOLL);
    PlanBuilder& builder = *context.builder;
    const Slot slot = builder.keep(builder.call(kRestorer, SYS_epoll_create1, {O_CLOEXEC},
                                                "epoll " + std::to_string(file.id)));
    context.set_flags(slot, entry.flags(), context.name_of(file));
    return slot;
  }

  /// The kernel knows what an epoll watches by file and number, so it is the task that adds them.
  Result<void> complete(FileContext& context, const model::OpenFile& file, TaskFd at) override {
    add_targets(context, file, at.actor, at.fd);
    return {};
  }

  /// One on its way through a socket is in no table: a task that has all those numbers adds them.
  Result<void> installed(FileContext& context, Actor actor, std::uint32_t files_id) override {
    find_in_flight(context);
    std::set<std::uint32_t> numbers;
    for (const model::Descriptor& descriptor : context.tables[files_id]) {
      numbers.insert(descriptor.fd);
    }
    for (auto at = in_flight_.begin(); at != in_flight_.end();) {
      const model::OpenFile& file = **at;
      const auto& entry = *file.as<schema::EventpollFileEntry>(FdTypes::EVENTPOLL);
      bool has_all = true;
      for (std::uint32_t i = 0; entry.tfd() != nullptr && i < entry.tfd()->size(); ++i) {
        has_all = has_all && numbers.contains(entry.tfd()->Get(i)->tfd());
      }
      if (has_all) {
        IMG_ASSIGN(const Slot slot, context.slot_of(file.id, FdTypes::EVENTPOLL));
        add_targets(context, file, actor, slot);
      }
      at = has_all ? in_flight_.erase(at) : std::next(at);
    }
    return {};
  }

 private:
  void find_in_flight(const FileContext& context) {
    if (has_looked_) {
      return;
    }
    has_looked_ = true;
    std::set<std::uint32_t> installed;
    for (const auto& [id, table] : context.tables) {
      for (const model::Descriptor& descriptor : table) {
        installed.insert(descriptor.id);
      }
    }
    for (const model::OpenFile& file : context.table.files()) {
      if (file.type == FdTypes::EVENTPOLL && file.body != nullptr && !installed.contains(file.id)) {
        in_flight_.push_back(&file);
      }
    }
  }

  static void add_targets(FileContext& context, const model::OpenFile& file, Actor actor,
                          Value epoll) {
    const auto& entry = *file.as<schema::EventpollFileEntry>(FdTypes::EVENTPOLL);
    for (std::uint32_t i = 0; entry.tfd() != nullptr && i < entry.tfd()->size(); ++i) {
      const schema::EventpollTfdEntry& target = *entry.tfd()->Get(i);
      epoll_event event{};
      event.events = target.events();
      event.data.u64 = target.data();
      context.builder->call(actor, SYS_epoll_ctl,
                            {epoll, EPOLL_CTL_ADD, target.tfd(), context.builder->object(event)},
                            "watch descriptor " + std::to_string(target.tfd()) + " by epoll " +
                                std::to_string(file.id));
    }
  }

  bool has_looked_ = false;
  std::vector<const model::OpenFile*> in_flight_;
};

}  // namespace

std::unique_ptr<KindPlanner> plan_eventfds() {
  return std::make_unique<Eventfds>();
}
std::unique_ptr<KindPlanner> plan_epolls() {
  return std::make_unique<Epolls>();
}
std::unique_ptr<KindPlanner> plan_signalfds() {
  return std::make_unique<Signalfds>();
}
std::unique_ptr<KindPlanner> plan_timerfds() {
  return std::make_unique<Timerfds>();
}

}  // namespace img::plan
