// SPDX-License-Identifier: MIT
#include "libimg/convert/directory_out.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "libimg/base/staged.h"
#include "libimg/base/unique_fd.h"
#include "libimg/convert/chain.h"
#include "libimg/convert/copying.h"
#include "libimg/convert/image_files.h"
#include "libimg/convert/json_archive.h"
#include "libimg/criu/directory_writer.h"
#include "libimg/json/directory.h"

namespace img::convert {
namespace {

using model::FileKey;
using model::ImageReader;

/// A place for one level, and what writes files into it: one writer per thread.
struct LevelOut {
  int directory;
  std::string place;
  Form form;

  [[nodiscard]] std::unique_ptr<model::ImageWriter> writer(const ImageReader& image) const {
    if (form == Form::json) {
      return json::make_writer(directory, place, writer_options(image));
    }
    return std::make_unique<criu::DirectoryWriter>(directory, place, writer_options(image));
  }
  [[nodiscard]] Result<void> link_parent(const std::string& text) const {
    return criu::DirectoryWriter(directory, place).link_parent(text);
  }
};

/// Several files, each written whole by one thread.
Result<void> write_files(ImageReader& image, std::span<const FileKey> files, const LevelOut& out,
                         const Options& options, Copied& copied) {
  std::vector<std::unique_ptr<model::ImageWriter>> writers;
  std::vector<model::RecordSink*> sinks;
  for (std::size_t at = worthwhile_threads(files.size()); at > 0; --at) {
    writers.push_back(out.writer(image));
    sinks.push_back(writers.back().get());
  }
  IMG_TRY(copy_files(image, files, sinks, copied, options.stop));
  for (const auto& writer : writers) {
    IMG_TRY(writer->commit());
  }
  return {};
}

Result<void> write_level(ImageReader& image, const LevelOut& out, const Options& options,
                         Copied& copied) {
  IMG_ASSIGN(std::vector<FileKey> files, image.files());
  std::erase_if(files, [](FileKey file) { return has_no_file(file.kind); });
  // What no pagemap stands for is appended to a pages file, so that comes after all pagemaps.
  const auto pages = std::ranges::stable_partition(
      files, [](FileKey file) { return file.kind != schema::Kind::pages; });
  const auto others = static_cast<std::size_t>(pages.begin() - files.begin());
  const std::span<const FileKey> all(files);
  IMG_TRY(write_files(image, all.first(others), out, options, copied));
  return write_files(image, all.subspan(others), out, options, copied);
}

Result<UniqueFd> make_directory(int parent, const std::string& name, const std::string& place) {
  if (::mkdirat(parent, name.c_str(), 0700) != 0) {
    return fail(sys_error(errno, place, "create directory"));
  }
  UniqueFd fd(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd.is_open() || ::fchmod(fd.get(), 0700) != 0) {
    return fail(sys_error(errno, place, "open directory"));
  }
  return fd;
}

Result<Made> write_level_into(int directory, ImageReader& image, Form form, std::string place,
                              const std::string& link, const Options& options) {
  const LevelOut out{directory, place, form};
  Copied own;
  Copied& copied = options.copied == nullptr ? own : *options.copied;
  Made made;
  made.place = std::move(place);
  made.files = copied.files;
  made.records = copied.records;
  made.bytes = copied.bytes;
  IMG_TRY(write_level(image, out, options, copied));
  if (!link.empty()) {
    IMG_TRY(out.link_parent(link));
  }
  made.files = copied.files - made.files;
  made.records = copied.records - made.records;
  made.bytes = copied.bytes - made.bytes;
  return made;
}

}  // namespace

Result<Outcome> write_directories(const std::vector<ImageReader*>& levels, Form form,
                                  const std::string& place, const Options& options) {
  IMG_ASSIGN(StagedDirectory staged, StagedDirectory::create(place));
  Outcome outcome;
  IMG_ASSIGN(const std::vector<std::string> folders, archive_folders(*levels.back()));
  if (form == Form::json && folders.size() == levels.size()) {
    for (std::size_t at = 0; at < levels.size(); ++at) {
      IMG_ASSIGN(const UniqueFd fd, make_folders(staged.fd(), folders[at], place));
      IMG_ASSIGN(Made made, write_level_into(fd.get(), *levels[at], form, place + "/" + folders[at],
                                             "", options));
      outcome.levels.push_back(std::move(made));
    }
    IMG_TRY(write_archive_parts(*levels.back(), staged.fd(), place));
    IMG_TRY(staged.commit());
    return outcome;
  }
  if (levels.size() == 1) {
    IMG_ASSIGN(Made made, write_level_into(staged.fd(), *levels.front(), form, place, "", options));
    outcome.levels.push_back(std::move(made));
  }
  for (std::size_t level = 1; levels.size() > 1 && level <= levels.size(); ++level) {
    const std::string name = std::to_string(level);
    IMG_ASSIGN(const UniqueFd fd, make_directory(staged.fd(), name, place + "/" + name));
    IMG_ASSIGN(Made made, write_level_into(fd.get(), *levels[level - 1], form, place + "/" + name,
                                           level == 1 ? "" : level_link(level), options));
    outcome.levels.push_back(std::move(made));
  }
  IMG_TRY(staged.commit());
  return outcome;
}

}  // namespace img::convert
