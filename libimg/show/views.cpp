// SPDX-License-Identifier: MIT
#include "libimg/show/views.h"

#include <algorithm>
#include <array>

namespace img::show {
namespace {

constexpr std::array kViews = {
    View{"summary", show_summary},
    View{"images", show_images},
    View{"tree", show_tree, false},
    View{"ps", show_ps},
    View{"zombies", show_zombies},
    View{"fds", show_fds},
    View{"files", show_files},
    View{"sockets", show_sockets},
    View{"remaps", show_remaps},
    View{"rss", show_rss},
    View{"mems", show_mems},
    View{"cgroups", show_cgroups},
    View{"namespaces", show_namespaces},
    View{"mounts", show_mounts},
    View{"size", show_size},
    View{"stats", show_stats},
    View{"container", show_container, false},
    View{"rootfs", show_rootfs, false},
    View{"env", show_env, false},
};

}  // namespace

std::span<const View> views() {
  return kViews;
}

const View* find_view(std::string_view name) {
  const auto found = std::ranges::find(kViews, name, &View::name);
  return found == kViews.end() ? nullptr : &*found;
}

}  // namespace img::show
