// SPDX-License-Identifier: MIT
// Regular files, folders, device nodes and O_PATH descriptors: opened by their path.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstdlib>

#include "libimg/base/text.h"
#include "live/plan/files/image_files.h"

namespace img::plan {
namespace {

std::vector<std::uint32_t> build_id_of(const schema::RegFileEntry& entry) {
  return entry.build_id() == nullptr
             ? std::vector<std::uint32_t>()
             : std::vector(entry.build_id()->begin(), entry.build_id()->end());
}

class RegularFiles final : public KindPlanner {
 public:
  Result<Slot> open(FileContext& context, const model::OpenFile& file) override {
    const auto& entry = *file.as<schema::RegFileEntry>(schema::FdTypes::REG);
    const std::string name = entry.name()->str();
    Slot slot{};
    if (is_taken(context, file, name, slot)) {
      return slot;
    }
    if (is_of_task(context, file, name)) {
      return context.open_path("/dev/null", O_RDONLY);  // holds the number until complete()
    }
    expect_file(context, file.id, entry, name);
    IMG_ASSIGN(slot, context.open_node(file.id, entry.flags()));
    if (cuts(context, name) && entry.size()) {
      context.builder->call(kRestorer, SYS_ftruncate, {slot, *entry.size()},
                            "cut " + escaped(name) + " to its recorded size");
    }
    if (entry.pos() != 0 && (entry.flags() & O_PATH) == 0) {
      context.builder->call(kRestorer, SYS_lseek, {slot, entry.pos(), SEEK_SET},
                            "position in " + escaped(name), may_fail_with(ESPIPE));
    }
    return slot;
  }

  /// A file of /proc of a task of the tree: opened when that task is there.
  bool is_for_each_task(const FileContext& context, const model::OpenFile& file) const override {
    const auto& entry = *file.as<schema::RegFileEntry>(schema::FdTypes::REG);
    return is_of_task(context, file, entry.name()->str());
  }

  Result<void> complete(FileContext& context, const model::OpenFile& file, TaskFd at) override {
    const auto& entry = *file.as<schema::RegFileEntry>(schema::FdTypes::REG);
    const std::string name = entry.name()->str();
    if (!is_of_task(context, file, name)) {
      return {};
    }
    PlanBuilder& builder = *context.builder;
    const Slot opened = builder.call(
        at.actor, SYS_openat,
        {AT_FDCWD, builder.text(name), entry.flags() & (O_ACCMODE | O_NONBLOCK | O_DIRECTORY)},
        "open " + escaped(name));
    if (entry.pos() != 0) {
      builder.call(at.actor, SYS_lseek, {opened, entry.pos(), SEEK_SET},
                   "position in " + escaped(name));
    }
    context.put_in_place(at, opened);
    return {};
  }

 private:
  static bool is_of_task(const FileContext& context, const model::OpenFile& file,
                         const std::string& name) {
    constexpr std::string_view kProc = "/proc/";
    if (name.rfind(kProc, 0) != 0 || context.has_lost_name(file.id)) {
      return false;
    }
    return context.tasks.count(static_cast<std::uint32_t>(
               std::strtoul(name.c_str() + kProc.size(), nullptr, 10))) != 0;
  }

  /// The caller has a descriptor for it.
  static bool is_taken(FileContext& context, const model::OpenFile& file, const std::string& name,
                       Slot& slot) {
    const int fd = context.standard_descriptor(file);
    return context.inherits(name, slot) ||
           (fd >= 0 && context.inherits("fd[" + std::to_string(fd) + "]", slot));
  }

  static bool cuts(const FileContext& context, const std::string& name) {
    const auto& paths = context.options.truncate;
    return std::find(paths.begin(), paths.end(), name) != paths.end();
  }

  static void expect_file(FileContext& context, std::uint32_t id, const schema::RegFileEntry& entry,
                          const std::string& name) {
    if (context.has_lost_name(id)) {
      return;
    }
    FilePresent there;
    there.path = name;
    there.mode = entry.mode().value_or(0);
    // Only of a regular file is the size the content's; a path of /proc has none.
    there.has_size = entry.size().has_value() && S_ISREG(there.mode) && !cuts(context, name) &&
                     name.rfind("/proc/", 0) != 0;
    there.size = entry.size().value_or(0);
    there.build_id = build_id_of(entry);
    there.hint = "put it back, or give --inherit-fd N:" + escaped(name);
    context.builder->expect(std::move(there));
  }
};

}  // namespace

std::unique_ptr<KindPlanner> plan_regular_files(FileContext& /*context*/) {
  return std::make_unique<RegularFiles>();
}

}  // namespace img::plan
