// SPDX-License-Identifier: MIT
// Every view by name. Each reads what it needs of the subject and tells a page; what it cannot
// read is a trouble of the subject, not an end.
#pragma once

#include <span>
#include <string_view>
#include <set>

#include "libimg/show/page.h"
#include "libimg/show/subject.h"

namespace img::show {

void show_summary(Subject& subject, Page& page);
void show_images(Subject& subject, Page& page);
void show_ps(Subject& subject, Page& page);
void show_tree(Subject& subject, Page& page);
void show_zombies(Subject& subject, Page& page);
void show_env(Subject& subject, Page& page);
void show_fds(Subject& subject, Page& page);
void show_files(Subject& subject, Page& page);
void show_remaps(Subject& subject, Page& page);
void show_sockets(Subject& subject, Page& page);
void show_mems(Subject& subject, Page& page);
void show_rss(Subject& subject, Page& page);
void show_cgroups(Subject& subject, Page& page);
void show_namespaces(Subject& subject, Page& page);
void show_mounts(Subject& subject, Page& page);
void show_size(Subject& subject, Page& page);
void show_stats(Subject& subject, Page& page);
void show_container(Subject& subject, Page& page);
void show_rootfs(Subject& subject, Page& page);

/// `images`, of any number of images: each with its parents, newest first.
class ImageTable {
 public:
  explicit ImageTable(Page& page);
  /// This image and its parents, as far as they are not listed yet. Troubles with its parents become
  /// troubles of this one.
  void add(Subject& newest);
  void end();

 private:
  void add_level(Subject& one, std::uint64_t level);
  Page& page_;
  std::set<std::string> listed_;  // places
};

struct View {
  std::string_view name;
  void (*show)(Subject&, Page&) = nullptr;
  bool in_all = true;  // not those that show secrets, nor those that say the same again
};

/// In the order in which `all` shows them. `memory` and `records` are not here: they do not fit a
/// page.
[[nodiscard]] std::span<const View> views();
[[nodiscard]] const View* find_view(std::string_view name);

}  // namespace img::show
