// SPDX-License-Identifier: MIT
#include "libimg/gc/mount_yard.h"

#include <fcntl.h>
#include <fmt/core.h>

#include <algorithm>
#include <filesystem>

#include "libimg/base/file.h"
#include "libimg/base/text.h"

namespace img::gc {
namespace {

namespace fs = std::filesystem;

Device device_of(const Mount& mount) {
  return {mount.device_major, mount.device_minor};
}

std::string joined(const std::string& folder, const std::string& rest) {
  return rest.empty()                      ? folder
         : folder.empty() || folder == "/" ? folder + rest
                                           : folder + "/" + rest;
}

Way no_way(Way::Kind kind, std::string why) {
  Way way;
  way.kind = kind;
  way.why = std::move(why);
  return way;
}

std::string name_of(const DumpedMount& mount) {
  return fmt::format("{}:{}, {} from {}", mount.device.major, mount.device.minor,
                     mount.type.empty() ? "mounted" : mount.type, escaped(mount.source, 80));
}

}  // namespace

Result<MountYard> MountYard::open(model::ImageReader& image, const std::string& root) {
  MountYard yard;
  IMG_ASSIGN(yard.dumped_, DumpedMounts::read(image));
  IMG_ASSIGN(yard.host_, read_host_mounts());
  IMG_ASSIGN(const UniqueFd folder, open_directory(AT_FDCWD, root, root));
  IMG_ASSIGN(yard.root_mount_, mount_id_of(folder.get(), root));
  std::error_code error;
  yard.root_ = fs::canonical(root, error).string();
  if (error) {
    return fail(sys_error(error.value(), root, "find"));
  }
  return yard;
}

// What the root directory's own file system holds of it, wherever it was mounted.
std::optional<MountYard::Start> MountYard::below_root(const DumpedMount& mount,
                                                      const std::string& inside) const {
  const DumpedMount* top = dumped_.root();
  if (top == nullptr || top->device != mount.device) {
    return std::nullopt;
  }
  const auto cut = path_below(mount.root, top->root);
  return cut ? std::optional(Start{root_, root_mount_, joined(*cut, inside)}) : std::nullopt;
}

// What somebody has mounted below the root directory where the tree had it.
std::optional<MountYard::Start> MountYard::at_its_place(const DumpedMount& mount,
                                                        const std::string& inside) const {
  const std::string place = joined(root_, mount.point.substr(1));
  for (auto here = host_.rbegin(); mount.point != "/" && here != host_.rend(); ++here) {
    if (here->mountpoint == place) {
      const bool is_it = device_of(*here) == mount.device || is_same_system(mount, *here) ||
                         (!mount.in_memory && here->source == mount.source);
      return is_it && here->root == mount.root ? std::optional(Start{place, here->id, inside})
                                               : std::nullopt;
    }
  }
  return std::nullopt;
}

// CRIU writes down where it found the source of an external mount outside.
std::optional<MountYard::Start> MountYard::at_its_source(const DumpedMount& mount,
                                                         const std::string& inside) const {
  if (!mount.source.starts_with('/')) {
    return std::nullopt;
  }
  std::error_code error;
  const std::string place = fs::canonical(mount.source, error).string();
  if (error) {
    return std::nullopt;
  }
  const auto folder = open_directory(AT_FDCWD, place, place);
  const auto id = folder ? mount_id_of(folder->get(), place) : fail(folder.error());
  const auto here = id ? std::ranges::find(host_, *id, &Mount::id) : host_.end();
  if (here == host_.end() || device_of(*here) != mount.device) {
    return std::nullopt;
  }
  const auto below = path_below(place, here->mountpoint);
  return below && joined(here->root, *below) == mount.root
             ? std::optional(Start{place, here->id, inside})
             : std::nullopt;
}

bool MountYard::is_same_system(const DumpedMount& mount, const Mount& here) const {
  const DumpedMount* top = dumped_.root();
  const auto below = std::ranges::find(host_, root_mount_, &Mount::id);
  // The root directory is where it was in its file system, so that is the same one, whatever number
  // it has now.
  if (top != nullptr && top->device == mount.device && below != host_.end()) {
    const auto inside = path_below(root_, below->mountpoint);
    if (inside && joined(below->root, *inside) == top->root) {
      return device_of(here) == device_of(*below);
    }
  }
  return !(mount.device.is_anonymous() && !mount.source.starts_with("/dev/")) &&
         device_of(here) == mount.device && here.source == mount.source;
}

std::vector<MountYard::Start> MountYard::on_disk(const DumpedMount& mount,
                                                 const std::string& inside) const {
  std::vector<Start> starts;
  const std::string whole = joined(mount.root, inside);
  for (const Mount& here : host_) {
    const auto rest = path_below(whole, here.root);
    if (rest && is_same_system(mount, here)) {
      starts.push_back({here.mountpoint, here.id, *rest});
    }
  }
  return starts;
}

Result<Way> MountYard::way_to(const std::string& path, std::optional<std::int32_t> id) const {
  const DumpedMount* mount = dumped_.mount_of(path, id);
  if (mount == nullptr) {
    return no_way(Way::Kind::unreachable, "the image does not say in which mount it was");
  }
  const auto inside = path_below(path, mount->point);
  if (!inside) {
    return no_way(Way::Kind::unreachable,
                  fmt::format("it is not in its mount {}, {}", mount->id, escaped(mount->point)));
  }
  std::vector<Start> starts;
  if (const auto start = at_its_place(*mount, *inside)) {
    starts.push_back(*start);
  } else if (mount->is_deleted) {
    return no_way(Way::Kind::gone, "the folder that was mounted had been removed");
  } else if (!mount->root.starts_with('/')) {
    return no_way(Way::Kind::unreachable,
                  "it was in an external mount, and the image does not say of what");
  } else if (const auto below = below_root(*mount, *inside)) {
    starts.push_back(*below);
  } else if (mount->in_memory) {
    return no_way(Way::Kind::gone,
                  "it was in memory (" + name_of(*mount) + ") and ended with that");
  } else if (const auto source = at_its_source(*mount, *inside)) {
    starts.push_back(*source);
  } else {
    starts = on_disk(*mount, *inside);
  }
  for (const Start& start : starts) {
    auto folder = open_directory(AT_FDCWD, start.folder, start.folder);
    const auto on = folder ? mount_id_of(folder->get(), start.folder) : fail(folder.error());
    if (on && *on == start.mount) {  // else something else is mounted over it
      Way way;
      way.kind = Way::Kind::open;
      way.from = copy_of_mount(std::move(*folder));
      way.rest = start.rest;
      way.place = start.folder;
      return way;
    }
  }
  return no_way(Way::Kind::unreachable, "its file system (" + name_of(*mount) +
                                            ") is not mounted here, or cannot be told from others");
}

}  // namespace img::gc
