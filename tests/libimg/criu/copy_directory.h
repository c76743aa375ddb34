// SPDX-License-Identifier: MIT
// A CRIU directory read into records and written again.
#pragma once

#include <fcntl.h>

#include <cctype>
#include <vector>

#include "libimg/base/unique_fd.h"
#include "libimg/criu/directory_reader.h"
#include "libimg/criu/directory_writer.h"
#include "tests/libimg/criu/scratch.h"

namespace img::criu::testing {

struct Copy {
  std::string error;  // empty: it worked
  std::vector<Damage> damage;
  unsigned records = 0;
  unsigned kept_original = 0;  // records that carry their original bytes
};

inline Copy copy_directory(const std::string& from, const std::string& to) {
  struct Counting : model::RecordSink {
    Counting(DirectoryWriter& next, Copy& count) : writer(next), copy(count) {}
    Result<void> record(const model::Record& record) override {
      ++copy.records;
      copy.kept_original += record.original.empty() ? 0U : 1U;
      return writer.record(record);
    }
    DirectoryWriter& writer;
    Copy& copy;
  };
  Copy copy;
  auto reader =
      DirectoryReader::open(from, {[&](const Damage& damage) { copy.damage.push_back(damage); }});
  if (!reader) {
    copy.error = reader.error().line();
    return copy;
  }
  const UniqueFd directory(::open(to.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const schema::Provenance& origin = *(*reader)->header().provenance();
  DirectoryWriter writer(directory.get(), to,
                         {origin.img_version(), {origin.byte_order() == schema::ByteOrder::big}});
  Counting sink(writer, copy);
  const auto files = (*reader)->files();
  for (const model::FileKey file : *files) {
    if (const auto done = (*reader)->read(file, sink); !done) {
      copy.error = done.error().line();
      return copy;
    }
  }
  if (const auto done = writer.commit(); !done) {
    copy.error = done.error().line();
  }
  if (origin.parent_link() != nullptr) {
    static_cast<void>(writer.link_parent(origin.parent_link()->str()));
  }
  return copy;
}

/// Every image of the fixtures below that folder.
inline std::vector<fs::path> image_directories(const fs::path& below) {
  std::vector<fs::path> found;
  if (!fs::exists(below)) {
    return found;
  }
  for (const auto& entry : fs::recursive_directory_iterator(below)) {
    if (!entry.is_symlink() && entry.is_directory() && is_image_directory(entry.path())) {
      found.push_back(entry.path());
    }
  }
  return found;
}

/// What a test over that image is called.
inline std::string test_name(const fs::path& image) {
  std::string name = fs::relative(image, STASIS_FIXTURES "/dumps");
  for (char& c : name) {
    c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  }
  return name;
}

}  // namespace img::criu::testing
