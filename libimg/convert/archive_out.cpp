// SPDX-License-Identifier: MIT
#include "libimg/convert/archive_out.h"

#include <fmt/core.h>

#include <optional>
#include <set>

#include "libimg/archive/tar_writer.h"
#include "libimg/base/staged.h"
#include "libimg/base/units.h"
#include "libimg/convert/chain.h"
#include "libimg/convert/image_files.h"
#include "schema/archive_generated.h"

namespace img::convert {
namespace {

using archive::Compression;
using archive::Member;
using archive::MemberType;
using model::FileKey;
using model::ImageReader;
using schema::Kind;

/// The record of Kind::archive, kept.
class ArchiveRecord : public model::RecordSink {
 public:
  Result<void> record(const model::Record& record) override {
    if (record.key.seq == 0 || record.table == nullptr) {
      return {};
    }
    const auto* const from = record.as<schema::Archive>();
    is_there = true;
    compression = from->compression();
    for (const auto* folder : *from->folders()) {
      folders.push_back(folder->str());
    }
    for (const Bytes part : record.payload.parts) {
      tail += as_text(part.first(std::min<std::size_t>(part.size(), kMaxTail)));
    }
    return {};
  }
  static constexpr std::size_t kMaxTail = std::size_t{1} << 20;
  bool is_there = false;
  Compression compression = Compression::none;
  std::vector<std::string> folders;
  std::string tail;
};

Result<ArchiveRecord> archive_record(ImageReader& image) {
  ArchiveRecord found;
  IMG_TRY(image.read({Kind::archive, 0}, found));
  return found;
}

std::string text_of(const flatbuffers::String* text) {
  return text == nullptr ? std::string() : text->str();
}

Member member_of(const schema::ArchiveMember& from) {
  return {from.path()->str(),
          from.type(),
          from.mode(),
          from.uid(),
          from.gid(),
          text_of(from.user()),
          text_of(from.group()),
          from.mtime(),
          from.mtime_ns(),
          text_of(from.target()),
          from.size()};
}

/// Seconds that members get which have none of their own; the same for the same image.
std::int64_t time_of(const ImageReader& image) {
  const schema::ImageHeader& header = image.header();
  const schema::Freeze* const freeze = header.freeze();
  const std::uint64_t ns =
      freeze != nullptr && freeze->realtime_ns() ? *freeze->realtime_ns() : header.created_ns();
  return static_cast<std::int64_t>(ns / kSecond);
}

class ArchiveOut : public model::RecordSink {
 public:
  ArchiveOut(const std::vector<ImageReader*>& levels, ByteSink& out, const Options& options)
      : levels_(levels), tar_(out), counted_(*this), options_(options) {}

  [[nodiscard]] Result<std::uint64_t> run();
  /// One member of the archive that the image came in.
  [[nodiscard]] Result<void> record(const model::Record& record) override;

 private:
  struct Level {
    std::string folder;
    ImageFiles files;
    std::set<std::string> left;  // not written yet
  };
  class Counted : public ByteSink {
   public:
    explicit Counted(ArchiveOut& to) : to_(to) {}
    Result<void> write(Bytes bytes) override { return to_.content(bytes); }

   private:
    ArchiveOut& to_;
  };

  [[nodiscard]] Result<void> open_levels();
  [[nodiscard]] Result<void> begin(const Member& member, Bytes head);
  [[nodiscard]] Result<void> content(Bytes bytes);
  [[nodiscard]] Result<void> image_file(Level& level, const std::string& name, Member member,
                                        Bytes head);
  [[nodiscard]] Result<void> write_rest(std::size_t at);
  [[nodiscard]] Level* level_of(std::uint32_t number);
  [[nodiscard]] bool is_stale_link(const Member& member) const;
  [[nodiscard]] Member new_member(std::string path, MemberType type, std::uint64_t size) const;

  const std::vector<ImageReader*>& levels_;
  archive::TarWriter tar_;
  Counted counted_;
  const Options& options_;
  ArchiveRecord from_;
  std::vector<Level> files_;
  std::uint64_t members_ = 0;
};

Result<void> ArchiveOut::begin(const Member& member, Bytes head) {
  if (options_.stop != nullptr && options_.stop->load() != 0) {
    return fail(Fault::gone, member.path, "interrupted");
  }
  ++members_;
  if (options_.copied != nullptr) {
    ++options_.copied->files;
  }
  return tar_.begin(member, head);
}

Result<void> ArchiveOut::content(Bytes bytes) {
  if (options_.copied != nullptr) {
    options_.copied->bytes += bytes.size();
  }
  return tar_.content(bytes);
}

Member ArchiveOut::new_member(std::string path, MemberType type, std::uint64_t size) const {
  Member member;
  member.path = std::move(path);
  member.type = type;
  member.mode = type == MemberType::directory ? 0700 : 0600;
  member.user = "root";
  member.group = "root";
  member.mtime = time_of(*levels_.back());
  member.size = size;
  return member;
}

Result<void> ArchiveOut::open_levels() {
  if (from_.is_there && from_.folders.size() < levels_.size()) {
    return fail(Fault::unsupported, levels_.back()->place(),
                fmt::format("came in an archive of {} levels, and has {}", from_.folders.size(),
                            levels_.size()),
                {}, "--flatten makes one of them");
  }
  const std::size_t gone = from_.is_there ? from_.folders.size() - levels_.size() : 0;
  for (std::size_t at = 0; at < levels_.size(); ++at) {
    std::string folder;
    if (from_.is_there) {
      folder = from_.folders[gone + at];
    } else if (levels_.size() > 1) {
      folder = std::to_string(at + 1);
    }
    IMG_ASSIGN(ImageFiles files, ImageFiles::of(*levels_[at]));
    std::set<std::string> left;
    for (std::string& name : files.names()) {
      left.insert(std::move(name));
    }
    files_.push_back({std::move(folder), std::move(files), std::move(left)});
  }
  return {};
}

ArchiveOut::Level* ArchiveOut::level_of(std::uint32_t number) {
  const std::size_t gone = from_.folders.size() - levels_.size();
  return number > gone && number <= from_.folders.size() ? &files_[number - 1 - gone] : nullptr;
}

// A `parent` link of a level that is the oldest now.
bool ArchiveOut::is_stale_link(const Member& member) const {
  const std::string& oldest = files_.front().folder;
  return member.type == MemberType::symbolic_link && archive::name_of(member.path) == "parent" &&
         archive::folder_of(member.path) == oldest && from_.folders.size() > levels_.size();
}

Result<void> ArchiveOut::image_file(Level& level, const std::string& name, Member member,
                                    Bytes head) {
  level.left.erase(name);
  return level.files.write(name, [&](std::uint64_t size) -> Result<ByteSink*> {
    member.size = size;
    IMG_TRY(begin(member, head));
    return &counted_;
  });
}

Result<void> ArchiveOut::record(const model::Record& record) {
  if (record.key.seq == 0) {
    return {};
  }
  const auto& from = *record.as<schema::ArchiveMember>();
  const Member member = member_of(from);
  const Bytes head = from.head() == nullptr
                         ? Bytes()
                         : std::as_bytes(std::span(from.head()->data(), from.head()->size()));
  if (from.level() != 0 && member.type == MemberType::file) {
    Level* const level = level_of(from.level());
    const std::string name(archive::name_of(member.path));
    // What is no more in the image is not in the archive either.
    return level == nullptr || !level->left.contains(name) ? Result<void>{}
                                                           : image_file(*level, name, member, head);
  }
  if (is_stale_link(member)) {
    return {};
  }
  if (from.level() != 0) {
    if (Level* const level = level_of(from.level())) {
      level->left.erase(std::string(archive::name_of(member.path)));  // a hard link
    }
  }
  IMG_TRY(begin(member, head));
  for (const Bytes part : record.payload.parts) {
    IMG_TRY(content(part));
  }
  return {};
}

Result<void> ArchiveOut::write_rest(std::size_t at) {
  Level& level = files_[at];
  const std::string prefix = level.folder.empty() ? "" : level.folder + "/";
  if (!from_.is_there && !level.folder.empty()) {
    IMG_TRY(begin(new_member(level.folder, MemberType::directory, 0), {}));
  }
  for (const std::string& name : std::set<std::string>(level.left)) {
    IMG_TRY(image_file(level, name, new_member(prefix + name, MemberType::file, 0), {}));
  }
  if (!from_.is_there && at > 0) {
    Member link = new_member(prefix + "parent", MemberType::symbolic_link, 0);
    link.target = level_link(at + 1);
    link.mode = 0777;
    IMG_TRY(begin(link, {}));
  }
  return {};
}

Result<std::uint64_t> ArchiveOut::run() {
  IMG_ASSIGN(from_, archive_record(*levels_.back()));
  IMG_TRY(open_levels());
  IMG_TRY(levels_.back()->read({Kind::archive_member, 0}, *this));
  for (std::size_t at = 0; at < files_.size(); ++at) {
    IMG_TRY(write_rest(at));
  }
  const std::vector<Bytes> tail = {as_bytes(from_.tail)};
  IMG_TRY(tar_.finish(from_.is_there ? &tail : nullptr));
  return members_;
}

Result<std::uint64_t> write_compressed(const std::vector<ImageReader*>& levels, ByteSink& out,
                                       Compression how, const Options& options) {
  const std::unique_ptr<archive::Deflater> deflater = archive::make_deflater(how, out);
  IMG_ASSIGN(const std::uint64_t members, write_tar(levels, *deflater, options));
  IMG_TRY(deflater->finish());
  return members;
}

}  // namespace

Result<std::uint64_t> write_tar(const std::vector<ImageReader*>& levels, ByteSink& out,
                                const Options& options) {
  return ArchiveOut(levels, out, options).run();
}

Compression compression_for(const std::string& path, ImageReader& newest) {
  if (path.ends_with(".gz") || path.ends_with(".tgz")) {
    return Compression::gzip;
  }
  if (path.ends_with(".zst")) {
    return Compression::zstd;
  }
  const auto record =
      path.ends_with(".tar") ? Result<ArchiveRecord>(ArchiveRecord()) : archive_record(newest);
  return record ? record->compression : Compression::none;
}

Result<Outcome> write_archive(const std::vector<ImageReader*>& levels,
                              const Destination& destination, const Options& options) {
  const Compression how = compression_for(destination.path, *levels.back());
  Made made;
  made.place = destination.path;
  Copied own;
  Options counted = options;
  counted.copied = options.copied == nullptr ? &own : options.copied;
  if (destination.is_output()) {
    IMG_ASSIGN(made.files, write_compressed(levels, *options.output, how, counted));
  } else {
    IMG_ASSIGN(StagedFile staged,
               StagedFile::create(destination.path, options.force ? Replace::yes : Replace::no));
    FdSink out(staged.fd(), destination.path);
    IMG_ASSIGN(made.files, write_compressed(levels, out, how, counted));
    IMG_TRY(out.flush());
    IMG_TRY(staged.commit());
  }
  made.bytes = counted.copied->bytes;
  Outcome outcome;
  outcome.levels.push_back(std::move(made));
  return outcome;
}

}  // namespace img::convert
