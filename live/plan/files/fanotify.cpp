// SPDX-License-Identifier: MIT
// fanotify: marks on files and on mounts, added last, as inotify's watches are.
#include <fcntl.h>
#include <sys/fanotify.h>
#include <sys/syscall.h>

#include <vector>

#include "libimg/base/text.h"
#include "live/plan/files/watched_file.h"

namespace img::plan {
namespace {

constexpr std::uint32_t kEvictable = 0x200;  // FAN_MARK_EVICTABLE, Linux 5.19
constexpr std::uint32_t kIgnore = 0x400;     // FAN_MARK_IGNORE, Linux 6.0

class Fanotify final : public KindPlanner {
 public:
  Result<Slot> open(FileContext& context, const model::OpenFile& file) override {
    const auto& entry = *file.as<schema::FanotifyFileEntry>(schema::FdTypes::FANOTIFY);
    PlanBuilder& builder = *context.builder;
    const std::string name = "fanotify " + std::to_string(file.id);
    const Slot slot = builder.keep(
        builder.call(kRestorer, SYS_fanotify_init, {entry.faflags(), entry.evflags()}, name));
    for (std::uint32_t i = 0; entry.mark() != nullptr && i < entry.mark()->size(); ++i) {
      const schema::FanotifyMarkEntry& mark = *entry.mark()->Get(i);
      IMG_ASSIGN(const Slot marked, open_marked(context, mark, name));
      marks_.push_back({slot, marked, &mark, name});
    }
    context.set_flags(slot, entry.flags(), name);
    return slot;
  }

  void finish(FileContext& context) override {
    for (const Mark& one : marks_) {
      const schema::FanotifyMarkEntry& mark = *one.entry;
      const std::uint32_t where =
          FAN_MARK_ADD | (mark.type() == schema::MarkType::MOUNT ? FAN_MARK_MOUNT : 0U);
      if (mark.mask() != 0) {
        add(context, one, where | (mark.mflags() & kEvictable), mark.mask());
      }
      if (mark.ignored_mask() != 0) {
        const std::uint32_t how = (mark.mflags() & kIgnore) != 0 ? kIgnore : FAN_MARK_IGNORED_MASK;
        add(context, one,
            where | how | (mark.mflags() & (kEvictable | FAN_MARK_IGNORED_SURV_MODIFY)),
            mark.ignored_mask());
      }
    }
  }

 private:
  struct Mark {
    Slot fanotify{};
    Slot marked{};
    const schema::FanotifyMarkEntry* entry = nullptr;
    std::string name;
  };

  static Result<Slot> open_marked(FileContext& context, const schema::FanotifyMarkEntry& mark,
                                  const std::string& name) {
    if (mark.type() == schema::MarkType::INODE && mark.ie() != nullptr) {
      return open_watched(context, {mark.ie()->f_handle(), mark.s_dev(), mark.ie()->i_ino()},
                          "a mark of " + name);
    }
    if (mark.type() == schema::MarkType::MOUNT && mark.me() != nullptr &&
        mark.me()->path() != nullptr) {
      return context.open_path(mark.me()->path()->string_view(), O_PATH);
    }
    return fail(Fault::corrupt, name, "a mark", "does not say what it is on");
  }

  static void add(FileContext& context, const Mark& one, std::uint32_t flags, std::uint32_t mask) {
    PlanBuilder& builder = *context.builder;
    builder.call(kRestorer, SYS_fanotify_mark,
                 {one.fanotify, flags, mask, AT_FDCWD, builder.own_path(one.marked)},
                 "mark of " + one.name);
  }

  std::vector<Mark> marks_;
};

}  // namespace

std::unique_ptr<KindPlanner> plan_fanotify() {
  return std::make_unique<Fanotify>();
}

}  // namespace img::plan
