// SPDX-License-Identifier: MIT
#include "libimg/criu/directory_listing.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <memory>

#include "libimg/criu/names.h"

namespace img::criu {
namespace {

struct CloseDir {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using Stream = std::unique_ptr<DIR, CloseDir>;

Result<std::string> link_text(int directory, const std::string& path) {
  char text[PATH_MAX];
  const ssize_t size = ::readlinkat(directory, "parent", text, sizeof text);
  if (size < 0 && errno != EINVAL) {
    return fail(sys_error(errno, path + "/parent", "cannot read the link"));
  }
  return size < 0 ? std::string() : std::string(text, static_cast<std::size_t>(size));
}

}  // namespace

Result<void> add_name(DirectoryListing& listing, const DirectoryForm& form, std::string_view name,
                      const std::string& path, const std::function<Result<std::string>()>& link) {
  if (name == "cipher.img") {
    return fail(Fault::unsupported, path, "is an encrypted image (cipher.img)", "",
                "decrypt it with the CRIU that made it");
  }
  if (name == "parent") {
    IMG_ASSIGN(listing.parent_link, link());
  } else if (const auto key = form.parse_name(name)) {
    listing.known.push_back(*key);
  } else {
    listing.unknown_names.emplace_back(name);
  }
  return {};
}

Result<DirectoryListing> list_directory(const DirectoryForm& form, int directory,
                                        const std::string& path) {
  const int copy = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const Stream stream(copy < 0 ? nullptr : ::fdopendir(copy));
  if (stream == nullptr) {
    return fail(sys_error(errno, path, "cannot list"));
  }
  DirectoryListing listing;
  errno = 0;
  for (; const dirent* entry = ::readdir(stream.get()); errno = 0) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") {
      continue;
    }
    IMG_TRY(add_name(listing, form, name, path, [&] { return link_text(directory, path); }));
  }
  if (errno != 0) {
    return fail(sys_error(errno, path, "cannot list"));
  }
  std::sort(listing.unknown_names.begin(), listing.unknown_names.end());
  return listing;
}

bool is_image_directory(const std::string& path) {
  const Stream stream(::opendir(path.c_str()));
  if (stream == nullptr) {
    return false;
  }
  while (const dirent* entry = ::readdir(stream.get())) {
    if (parse_file_name(entry->d_name)) {
      return true;
    }
  }
  return false;
}

}  // namespace img::criu
