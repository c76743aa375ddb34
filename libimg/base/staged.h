// SPDX-License-Identifier: MIT
// A destination that appears whole or not at all. It is made under a hidden name beside its place,
// for its owner only (0600, 0700) whatever the umask, synced, and renamed at commit(). Destroying
// it before that, or a signal (remove_all_staged), leaves nothing behind.
#pragma once

#include <memory>
#include <string>

#include "libimg/base/result.h"
#include "libimg/base/unique_fd.h"

namespace img {

enum class Replace : bool { no, yes };

/// The place of a destination and the hidden name it has until then; known to remove_all_staged().
class StagedPlace {
 public:
  StagedPlace(std::string place, std::string hidden);
  ~StagedPlace();
  StagedPlace(const StagedPlace&) = delete;
  StagedPlace& operator=(const StagedPlace&) = delete;

  [[nodiscard]] const std::string& place() const { return place_; }
  [[nodiscard]] const std::string& hidden() const { return hidden_; }
  /// renameat2() with these flags, then fsync of the folder that holds it.
  [[nodiscard]] Result<void> rename(unsigned flags);

 private:
  std::string place_;
  std::string hidden_;
  bool renamed_ = false;
};

class StagedFile {
 public:
  /// Refuses at once what commit() would refuse: a file that is there (without Replace::yes), and
  /// anything that is no regular file.
  [[nodiscard]] static Result<StagedFile> create(const std::string& place, Replace replace);

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] Result<void> write(const void* bytes, std::size_t size);
  [[nodiscard]] Result<void> commit();

 private:
  StagedFile() = default;
  std::unique_ptr<StagedPlace> place_;
  UniqueFd fd_;
  Replace replace_ = Replace::no;
};

class StagedDirectory {
 public:
  /// The place must be missing, or an empty directory (and no mount point).
  [[nodiscard]] static Result<StagedDirectory> create(const std::string& place);

  /// Where to write until commit().
  [[nodiscard]] const std::string& path() const { return place_->hidden(); }
  [[nodiscard]] int fd() const { return fd_.get(); }
  /// Syncs the file system once, not file by file: an image has thousands of them.
  [[nodiscard]] Result<void> commit();

 private:
  StagedDirectory() = default;
  std::unique_ptr<StagedPlace> place_;
  UniqueFd fd_;
  bool was_empty_ = false;
};

/// Removes everything that is staged now, and lets nothing be committed any more: what a signal
/// does before it ends the program.
void remove_all_staged();

}  // namespace img
