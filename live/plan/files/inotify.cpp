// SPDX-License-Identifier: MIT
// inotify: its watches are added last, so that what a restore does to files is no event.
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <vector>

#include "live/plan/files/watched_file.h"

namespace img::plan {
namespace {

constexpr std::uint64_t kSetNextWd = 0x4004'4900;  // INOTIFY_IOC_SETNEXTWD, Linux 4.15
constexpr std::uint32_t kMaskBits =
    IN_ALL_EVENTS | IN_UNMOUNT | IN_EXCL_UNLINK | IN_ONESHOT | IN_DONT_FOLLOW | IN_ONLYDIR;

class Inotify final : public KindPlanner {
 public:
  Result<Slot> open(FileContext& context, const model::OpenFile& file) override {
    const auto& entry = *file.as<schema::InotifyFileEntry>(schema::FdTypes::INOTIFY);
    PlanBuilder& builder = *context.builder;
    const std::string name = "inotify " + std::to_string(file.id);
    const Slot slot = builder.keep(
        builder.call(kRestorer, SYS_inotify_init1, {entry.flags() & O_NONBLOCK}, name));
    std::vector<const schema::InotifyWdEntry*> watches;
    for (std::uint32_t i = 0; entry.wd() != nullptr && i < entry.wd()->size(); ++i) {
      watches.push_back(entry.wd()->Get(i));
    }
    std::sort(watches.begin(), watches.end(),
              [](const auto* a, const auto* b) { return a->wd() < b->wd(); });
    for (const schema::InotifyWdEntry* watch : watches) {
      IMG_ASSIGN(const Slot watched,
                 open_watched(context, {watch->f_handle(), watch->s_dev(), watch->i_ino()},
                              "watch " + std::to_string(watch->wd()) + " of " + name));
      watches_.push_back({slot, watched, watch->wd(), watch->mask(), name});
    }
    return slot;
  }

  void finish(FileContext& context) override {
    PlanBuilder& builder = *context.builder;
    for (const Watch& one : watches_) {
      const std::string what = "watch " + std::to_string(one.number) + " of " + one.name;
      builder.call(kRestorer, SYS_ioctl, {one.inotify, kSetNextWd, one.number},
                   "number of " + what);
      builder.call(
          kRestorer, SYS_inotify_add_watch,
          {one.inotify, builder.own_path(one.watched), one.mask & kMaskBits & ~IN_DONT_FOLLOW},
          what);
    }
  }

 private:
  struct Watch {
    Slot inotify{};
    Slot watched{};
    std::uint32_t number = 0;
    std::uint32_t mask = 0;
    std::string name;
  };
  std::vector<Watch> watches_;
};

}  // namespace

std::unique_ptr<KindPlanner> plan_inotify() {
  return std::make_unique<Inotify>();
}

}  // namespace img::plan
