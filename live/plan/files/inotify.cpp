// SPDX-License-Identifier: MIT
// inotify: what is watched is found by its path or by its file handle.
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "libimg/base/text.h"
#include "live/plan/files/image_files.h"

namespace img::plan {
namespace {

constexpr std::uint64_t kSetNextWd = 0x4004'4900;  // INOTIFY_IOC_SETNEXTWD, Linux 4.15
constexpr std::uint32_t kMaskBits =
    IN_ALL_EVENTS | IN_UNMOUNT | IN_EXCL_UNLINK | IN_ONESHOT | IN_DONT_FOLLOW | IN_ONLYDIR;
constexpr std::uint32_t kLongestHandle = 128;

class Inotify final : public KindPlanner {
 public:
  Result<Slot> open(FileContext& context, const model::OpenFile& file) override {
    const auto& entry = *file.as<schema::InotifyFileEntry>(schema::FdTypes::INOTIFY);
    PlanBuilder& builder = *context.builder;
    const Slot slot =
        builder.keep(builder.call(kRestorer, SYS_inotify_init1, {entry.flags() & O_NONBLOCK},
                                  "inotify " + std::to_string(file.id)));
    std::vector<const schema::InotifyWdEntry*> watches;
    for (std::uint32_t i = 0; entry.wd() != nullptr && i < entry.wd()->size(); ++i) {
      watches.push_back(entry.wd()->Get(i));
    }
    std::sort(watches.begin(), watches.end(),
              [](const auto* a, const auto* b) { return a->wd() < b->wd(); });
    for (const schema::InotifyWdEntry* watch : watches) {
      IMG_ASSIGN(const Slot watched, open_watched(context, *watch));
      builder.call(kRestorer, SYS_ioctl, {slot, kSetNextWd, watch->wd()},
                   "the next watch is " + std::to_string(watch->wd()));
      builder.call(kRestorer, SYS_inotify_add_watch,
                   {slot, builder.own_path(watched), watch->mask() & kMaskBits & ~IN_DONT_FOLLOW},
                   "watch " + std::to_string(watch->wd()));
      builder.close(watched);
    }
    return slot;
  }

 private:
  static Result<Slot> open_watched(FileContext& context, const schema::InotifyWdEntry& watch) {
    const schema::FhEntry& handle = *watch.f_handle();
    if (handle.path() != nullptr && handle.path()->size() != 0) {
      return context.open_path(handle.path()->string_view(), O_PATH);
    }
    const auto mount = context.options.mounts.find(watch.s_dev());
    const std::string name = "inotify watch " + std::to_string(watch.wd());
    if (mount == context.options.mounts.end()) {
      return fail(Fault::unsupported, name, "cannot be made again",
                  "its file system is not mounted here");
    }
    const std::size_t words = handle.handle() == nullptr ? 0 : handle.handle()->size();
    if (handle.bytes() > kLongestHandle || handle.bytes() > words * 8) {
      return fail(Fault::corrupt, name, "handle of " + std::to_string(handle.bytes()) + " bytes",
                  "a handle has at most 128");
    }
    struct {
      std::uint32_t bytes;
      std::int32_t type;
      std::array<std::uint64_t, kLongestHandle / 8> handle;
    } argument{handle.bytes(), static_cast<std::int32_t>(handle.type()), {}};
    for (std::size_t i = 0; i < std::min(words, argument.handle.size()); ++i) {
      argument.handle[i] = handle.handle()->Get(static_cast<std::uint32_t>(i));
    }
    PlanBuilder& builder = *context.builder;
    const Slot folder = context.open_path(mount->second, O_RDONLY | O_DIRECTORY);
    const Slot opened = builder.keep(builder.call(kRestorer, SYS_open_by_handle_at,
                                                  {folder, builder.object(argument), O_PATH},
                                                  "open what " + name + " is on"));
    builder.close(folder);
    return opened;
  }
};

}  // namespace

std::unique_ptr<KindPlanner> plan_inotify() {
  return std::make_unique<Inotify>();
}

}  // namespace img::plan
