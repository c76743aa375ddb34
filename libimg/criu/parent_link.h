// SPDX-License-Identifier: MIT
// Where an image of a chain lies, and where its `parent` link leads. A link is followed only inside
// the directory that holds the image the chain was entered by, whatever its text says.
#pragma once

#include <memory>
#include <string>

#include "libimg/base/result.h"
#include "libimg/base/unique_fd.h"

namespace img::criu {

/// FORMAT.md, "Limits".
inline constexpr std::size_t kMaxChain = 4096;

class ChainPlace {
 public:
  /// The image a user named; links in that path are the user's own and are followed.
  [[nodiscard]] static Result<ChainPlace> of(const std::string& path);

  /// The directory itself, reached through no link.
  [[nodiscard]] Result<UniqueFd> open() const;
  /// Where a `parent` link with this text, in this image, leads. Fails for one that leaves the
  /// chain's directory, comes back to a level that was there before, or is too long.
  [[nodiscard]] Result<ChainPlace> follow(const std::string& link) const;

  /// As a person would write it.
  [[nodiscard]] std::string path() const;

 private:
  std::string container_;  // absolute; holds all levels
  std::string relative_;   // of this level in it: "3", "a/2"

  /// This level and those above it, which share theirs.
  struct Passed {
    std::string relative;
    std::shared_ptr<const Passed> before;
    std::size_t levels = 1;
  };
  std::shared_ptr<const Passed> passed_;
};

}  // namespace img::criu
