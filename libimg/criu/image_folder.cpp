// SPDX-License-Identifier: MIT
#include "libimg/criu/image_folder.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "libimg/base/unique_fd.h"
#include "libimg/criu/parent_link.h"

namespace img::criu {
namespace {

class Directory final : public ImageFolder {
 public:
  [[nodiscard]] static Result<std::unique_ptr<ImageFolder>> open(std::string path,
                                                                 ChainPlace place) {
    IMG_ASSIGN(UniqueFd fd, place.open());
    return std::unique_ptr<ImageFolder>(
        new Directory(std::move(path), std::move(place), std::move(fd)));
  }

  const std::string& path() const override { return path_; }
  Result<DirectoryListing> list(const DirectoryForm& form) const override {
    return list_directory(form, fd_.get(), path_);
  }
  Result<Bytes> open(const std::string& name, ImageFileBytes& into) const override {
    return into.open(fd_.get(), name, path_);
  }
  std::optional<std::uint64_t> size_of(const std::string& name) const override {
    struct stat status = {};
    if (::fstatat(fd_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(status.st_mode)) {
      return std::nullopt;
    }
    return static_cast<std::uint64_t>(status.st_size);
  }
  Result<std::unique_ptr<ImageFolder>> follow(const std::string& link) const override {
    IMG_ASSIGN(ChainPlace next, place_.follow(link));
    std::string path = next.path();
    return open(std::move(path), std::move(next));
  }

 private:
  Directory(std::string path, ChainPlace place, UniqueFd fd)
      : path_(std::move(path)), place_(std::move(place)), fd_(std::move(fd)) {}

  std::string path_;
  ChainPlace place_;
  UniqueFd fd_;
};

}  // namespace

Result<std::unique_ptr<ImageFolder>> open_folder(const std::string& path) {
  IMG_ASSIGN(ChainPlace place, ChainPlace::of(path));
  return Directory::open(path, std::move(place));
}

}  // namespace img::criu
