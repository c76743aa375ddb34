// SPDX-License-Identifier: MIT
#include "libimg/criu/parent_link.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

namespace img::criu {

namespace fs = std::filesystem;

Result<ChainPlace> ChainPlace::of(const std::string& path) {
  std::error_code error;
  const fs::path real = fs::canonical(path, error);
  if (error) {
    return fail(sys_error(error.value(), path, "cannot open"));
  }
  ChainPlace place;
  place.container_ = real.parent_path();
  place.relative_ = real.has_relative_path() ? real.filename().string() : ".";
  place.passed_ = std::make_shared<const Passed>(Passed{place.relative_, nullptr});
  return place;
}

Result<UniqueFd> ChainPlace::open() const {
  const UniqueFd container(::open(container_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!container.is_open()) {
    return fail(sys_error(errno, container_, "cannot open"));
  }
  open_how how = {};
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const long fd = ::syscall(SYS_openat2, container.get(), relative_.c_str(), &how, sizeof how);
  if (fd < 0) {
    return fail(sys_error(errno, path(), "cannot open as a directory"));
  }
  return UniqueFd(static_cast<int>(fd));
}

Result<ChainPlace> ChainPlace::follow(const std::string& link) const {
  const std::string thing = path() + "/parent";
  // The levels' directories are no links themselves (open() sees to that), so text is enough.
  const fs::path target = (fs::path(path()) / link).lexically_normal();
  const fs::path inside = target.lexically_relative(container_);
  if (link.empty() || inside.empty() || *inside.begin() == "..") {
    return fail(Fault::corrupt, thing,
                fmt::format("link to '{}' leads out of the checkpoint", link), "",
                "all levels of a chain must lie in one directory");
  }
  ChainPlace next = *this;
  next.relative_ = inside.has_filename() ? inside.string() : inside.parent_path().string();
  for (const Passed* level = passed_.get(); level != nullptr; level = level->before.get()) {
    if (level->relative == next.relative_) {
      return fail(Fault::corrupt, thing,
                  fmt::format("link to '{}' comes back to level {}", link, next.relative_));
    }
  }
  next.passed_ =
      std::make_shared<const Passed>(Passed{next.relative_, passed_, passed_->levels + 1});
  if (next.passed_->levels > kMaxChain) {
    return fail(Fault::limit, thing, fmt::format("chain of more than {} levels", kMaxChain));
  }
  return next;
}

std::string ChainPlace::path() const {
  return container_ + (container_ == "/" ? "" : "/") + relative_;
}

}  // namespace img::criu
