// SPDX-License-Identifier: MIT
// One pass over a tar, perhaps compressed: each member as its header says, and where its bytes are.
// What is compressed goes through a nameless temporary file, so that nothing of it is in the heap;
// a plain tar is used where it lies. Refuses what would harm whoever reads on: more bytes than the
// archive's size lets expect, types that no checkpoint has, members that are not whole.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "libimg/archive/compressed.h"
#include "libimg/archive/member.h"
#include "libimg/base/mapped_file.h"
#include "libimg/base/unique_fd.h"
#include "libimg/criu/damage.h"

namespace img::archive {

/// A member's place in the tar.
struct Extent {
  std::uint64_t head = 0;  // offset of its first header block
  std::uint64_t content = 0;
  std::uint64_t size = 0;

  [[nodiscard]] std::uint64_t end() const { return content + size; }
};

struct WalkOptions {
  std::string name;                        // of the archive, for messages
  const std::atomic<int>* stop = nullptr;  // not 0: give up
  /// Told what is wrong with the archive, before run() fails for it.
  std::function<void(const criu::Damage&)> on_damage = {};
  /// A tree of files as it may be anywhere, with devices and links to everywhere.
  bool is_file_tree = false;
};

class TarWalk {
 public:
  /// Called when a member's header has been read, and its content has not. An error ends the walk.
  using Visit = std::function<Result<void>(Member&& member, const Extent& extent)>;

  /// `archive` must outlive it.
  TarWalk(Bytes archive, WalkOptions options);
  ~TarWalk();

  [[nodiscard]] Result<void> run(const Visit& visit);
  /// Once run() has ended well: all of the tar, as long as this lives.
  [[nodiscard]] Bytes bytes() const { return tar_; }
  [[nodiscard]] Compression compression() const { return compression_; }
  /// Where the last member ends, its padding included.
  [[nodiscard]] std::uint64_t end_of_members() const { return end_of_members_; }

  /// For whoever visits: what is known of the tar so far.
  [[nodiscard]] Result<std::string> read_back(std::uint64_t at, std::uint64_t size) const;
  /// Lets this many bytes more come out of the archive than its size lets expect.
  void allow(std::uint64_t bytes) { allowed_ += bytes; }
  /// Something is wrong with a member or the archive: tells of it, and is the error to return.
  [[nodiscard]] Failure broken(criu::DamageKind kind, const std::string& member, std::string text);

 private:
  struct Tar;
  [[nodiscard]] Result<void> open(Tar& tar);
  [[nodiscard]] Result<void> walk(Tar& tar, const Visit& visit);
  [[nodiscard]] Result<void> visit_member(Tar& tar, const Visit& visit);
  [[nodiscard]] Result<void> finish();
  [[nodiscard]] Result<Bytes> inflate();
  [[nodiscard]] Failure tar_error(Tar& tar);

  Bytes archive_;
  WalkOptions options_;
  Compression compression_ = Compression::none;
  std::unique_ptr<Inflater> inflater_;
  UniqueFd spool_;
  std::uint64_t inflated_ = 0;
  std::uint64_t allowed_ = 0;
  std::optional<Error> inflate_error_;
  std::uint64_t members_ = 0;
  std::string last_;  // path of the last member
  std::uint64_t end_of_content_ = 0;
  std::uint64_t end_of_members_ = 0;
  MappedFile mapped_;
  Bytes tar_;
};

/// What one member's header blocks say; nothing where they are not exactly that.
[[nodiscard]] std::optional<Member> parse_head(Bytes head);

}  // namespace img::archive
