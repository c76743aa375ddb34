// SPDX-License-Identifier: MIT
// A checkpoint archive that has been looked through once: its members, where their bytes are, and
// which folders hold images. Nothing is unpacked, and no link is ever followed to content.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "libimg/archive/tar_walk.h"
#include "libimg/base/mapped_file.h"

namespace img::archive {

/// A member, kept small: an archive may have 200,000.
struct Entry {
  std::string path;
  Extent place;  // of a hard link: that of what it names
  std::uint32_t head_bytes = 0;
  MemberType type = MemberType::file;
  std::uint32_t level = 0;  // of the image that it is a file of; 0: none
};

struct ReadOptions {
  const std::atomic<int>* stop = nullptr;
  std::function<void(const criu::Damage&)> on_damage = {};
};

class Contents {
 public:
  /// `name` is for messages.
  [[nodiscard]] static Result<std::shared_ptr<const Contents>> read(
      std::shared_ptr<const MappedFile> archive, std::string name, const ReadOptions& options);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] Compression compression() const { return walk_.compression(); }
  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
  /// Null where there is none.
  [[nodiscard]] const Entry* find(std::string_view path) const;
  /// The positions of what is right in this folder.
  [[nodiscard]] std::vector<std::size_t> in_folder(std::string_view folder) const;
  [[nodiscard]] Bytes content(const Entry& entry) const;
  [[nodiscard]] Bytes head(const Entry& entry) const;
  /// What the header says; all of them were understood once.
  [[nodiscard]] Member member(const Entry& entry) const;
  [[nodiscard]] Bytes tail() const;
  /// Of the images' levels, oldest first; the last is what the archive is a checkpoint of.
  [[nodiscard]] const std::vector<std::string>& folders() const { return folders_; }

 private:
  Contents(std::shared_ptr<const MappedFile> archive, std::string name, const ReadOptions& options);
  [[nodiscard]] Result<void> take(Member&& member, const Extent& extent);
  [[nodiscard]] Result<void> expect_pages();
  [[nodiscard]] Result<void> index();
  [[nodiscard]] Result<void> find_folders();
  [[nodiscard]] Result<std::string> newest_folder() const;
  [[nodiscard]] std::string parent_of(const std::string& folder) const;
  [[nodiscard]] Result<void> resolve_links();

  std::shared_ptr<const MappedFile> archive_;
  std::string name_;
  TarWalk walk_;
  std::vector<Entry> entries_;  // in the order of the archive
  std::vector<std::uint32_t> by_path_;
  std::vector<std::uint32_t> pagemaps_;  // whose pages have not been expected yet
  std::vector<std::string> folders_;
};

}  // namespace img::archive
