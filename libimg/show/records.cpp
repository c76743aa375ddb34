// SPDX-License-Identifier: MIT
#include "libimg/show/records.h"

#include "libimg/criu/names.h"

namespace img::show {
namespace {

Result<std::vector<FileKey>> files_named(Subject& subject, std::string_view name) {
  std::vector<FileKey> found;
  if (const auto file = criu::parse_file_name(name)) {
    const FileKey zombie{Kind::zombie, file->id};
    if (subject.has(*file)) {
      found.push_back(*file);
    } else if (file->kind == Kind::core && subject.has(zombie)) {
      found.push_back(zombie);
    }
    return found;
  }
  Kind wanted = Kind::none;
  for (const schema::KindInfo& kind : schema::kinds()) {
    if (kind.name == name || kind.crit_name == name) {
      wanted = kind.kind;
      break;
    }
  }
  const schema::KindInfo* info = schema::find_kind(wanted);
  if (info == nullptr || info->is_raw()) {
    return fail(Fault::usage, "records", std::string(name),
                info == nullptr ? "no such kind" : "has no records: it is kept as it is",
                "kinds are named as image files: core, mm, files, core-66.img");
  }
  for (const FileKey file : subject.files()) {
    const bool fits = file.kind == wanted || (wanted == Kind::core && file.kind == Kind::zombie);
    const bool is_chosen =
        !info->has_id() || subject.is_chosen(static_cast<std::uint32_t>(file.id));
    if (fits && is_chosen) {
      found.push_back(file);
    }
  }
  return found;
}

}  // namespace

Result<std::vector<FileKey>> record_files(Subject& subject, std::string_view name) {
  IMG_ASSIGN(std::vector<FileKey> files, files_named(subject, name));
  if (files.empty()) {
    return fail(Fault::missing, subject.reader().place(), "no records of " + std::string(name));
  }
  return files;
}

}  // namespace img::show
