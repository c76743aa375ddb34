// SPDX-License-Identifier: MIT
#include "tools/gc_collection.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <set>

#include "libimg/base/file.h"
#include "libimg/base/units.h"
#include "libimg/convert/open_image.h"
#include "libimg/convert/store_naming.h"
#include "tools/gc_report.h"

namespace img::tools {
namespace {

namespace fs = std::filesystem;
using convert::Form;

// What is being removed; no source has a hidden name.
constexpr std::string_view kGoing = ".img-gc.";

std::uint64_t nanoseconds(const timespec& time) {
  return static_cast<std::uint64_t>(time.tv_sec) * kSecond +
         static_cast<std::uint64_t>(time.tv_nsec);
}

// Calls `use` with the name and status of everything in a directory, links not followed.
Result<void> for_each_in(int directory, const std::string& place,
                         const std::function<Result<void>(const char*, const struct stat&)>& use) {
  IMG_ASSIGN(UniqueFd fd, open_directory(directory, ".", place));
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(fd.get()), ::closedir);
  if (dir == nullptr) {
    return fail(sys_error(errno, place, "list"));
  }
  static_cast<void>(fd.release());
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string_view name = entry->d_name;
    struct stat status {};
    if (name != "." && name != ".." &&
        ::fstatat(directory, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0) {
      IMG_TRY(use(entry->d_name, status));
    }
  }
  return {};
}

// The directory itself, never what a link leads to.
Result<UniqueFd> open_below(int folder, const std::string& name) {
  UniqueFd fd(::openat(folder, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.is_open()) {
    return fail(sys_error(errno, name, "open"));
  }
  return fd;
}

// The newest file says when; a directory inside is no part of an image.
Result<void> weigh_directory(int folder, FolderMember& member) {
  IMG_ASSIGN(const UniqueFd fd, open_below(folder, member.name));
  return for_each_in(fd.get(), member.name, [&](const char* name, const struct stat& status) {
    if (S_ISDIR(status.st_mode)) {
      member.verdict.why = "holds more than an image (" + std::string(name) + "/)";
    } else if (S_ISREG(status.st_mode)) {
      member.bytes += static_cast<std::uint64_t>(status.st_size);
      member.time_ns = std::max(member.time_ns, nanoseconds(status.st_mtim));
    }
    return Result<void>();
  });
}

struct Ignore : model::RecordSink {
  Result<void> record(const model::Record&) override { return {}; }
};

// Whether it is one that a restore could begin with: a torn one must not count as one of the newest
// that are kept. Pages are only counted.
Result<void> look_whole(model::ImageReader& image) {
  using model::Kind;
  Ignore sink;
  IMG_ASSIGN(const std::vector<model::FileKey> files, image.files());
  for (const Kind kind : {Kind::inventory, Kind::pstree}) {
    if (std::ranges::find(files, kind, &model::FileKey::kind) == files.end()) {
      return fail(Fault::missing, image.place(), "has no " + image.file_name({kind, 0}));
    }
  }
  for (const model::FileKey file : files) {
    if (file.kind == Kind::inventory || file.kind == Kind::pstree || file.kind == Kind::pagemap ||
        file.kind == Kind::pagemap_shmem) {
      IMG_TRY(image.read(file, sink));
    }
  }
  return {};
}

void name_series(const convert::Source& source, FolderMember& member) {
  auto image = convert::open_image(source);
  const Result<void> whole = image ? look_whole(**image) : fail(image.error());
  if (!whole) {
    member.verdict.why = "cannot be judged: " + whole.error().line();
    return;
  }
  member.series = convert::series_of(**image);
  if (const schema::Freeze* freeze = (*image)->header().freeze()) {
    member.time_ns = freeze->realtime_ns().value_or(member.time_ns);
  }
}

Result<FolderMember> look_at(const convert::Source& source, int folder) {
  FolderMember member;
  member.name = fs::path(source.path).filename().string();
  member.form = source.form;
  struct stat status {};
  if (::fstatat(folder, member.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return fail(sys_error(errno, source.path, "stat"));
  }
  member.device = status.st_dev;
  member.inode = status.st_ino;
  if (source.form == Form::store) {
    member.verdict.why = "a store: collect it by itself";
  } else if (S_ISDIR(status.st_mode)) {
    IMG_TRY(weigh_directory(folder, member));
    name_series(source, member);
  } else if (S_ISREG(status.st_mode)) {
    member.bytes = static_cast<std::uint64_t>(status.st_size);
    member.time_ns = nanoseconds(status.st_mtim);
    name_series(source, member);
  } else {
    member.verdict.why = "is a link";
  }
  return member;
}

// Where a directory leaves pages to another of the folder.
std::optional<std::string> parent_name(const std::string& path) {
  std::error_code error;
  const fs::path target = fs::read_symlink(path + "/parent", error);
  if (error) {
    return std::nullopt;
  }
  const fs::path whole = fs::weakly_canonical(fs::path(path) / target, error);
  const fs::path folder = fs::weakly_canonical(fs::path(path).parent_path(), error);
  return !error && whole.parent_path() == folder ? std::optional(whole.filename().string())
                                                 : std::nullopt;
}

Result<void> empty_directory(int folder, const std::string& name, std::uint64_t& bytes) {
  IMG_ASSIGN(const UniqueFd fd, open_below(folder, name));
  return for_each_in(fd.get(), name, [&](const char* file, const struct stat& status) {
    if (::unlinkat(fd.get(), file, 0) != 0) {
      return Result<void>(fail(sys_error(errno, name + "/" + file, "remove")));
    }
    bytes += S_ISREG(status.st_mode) ? static_cast<std::uint64_t>(status.st_size) : 0;
    return Result<void>();
  });
}

// `name` is hidden already.
Result<void> remove_hidden(int folder, const std::string& name, const struct stat& status,
                           std::uint64_t& bytes) {
  if (S_ISDIR(status.st_mode)) {
    IMG_TRY(empty_directory(folder, name, bytes));
  } else {
    bytes += static_cast<std::uint64_t>(status.st_size);
  }
  if (::unlinkat(folder, name.c_str(), S_ISDIR(status.st_mode) ? AT_REMOVEDIR : 0) != 0) {
    return fail(sys_error(errno, name, "remove"));
  }
  return {};
}

Result<void> remove_member(int folder, const FolderMember& member, std::uint64_t& bytes) {
  const std::string hidden = std::string(kGoing) + member.name;
  if (::renameat(folder, member.name.c_str(), folder, hidden.c_str()) != 0) {
    return errno == ENOENT ? Result<void>() : fail(sys_error(errno, member.name, "remove"));
  }
  struct stat status {};
  if (::fstatat(folder, hidden.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return fail(sys_error(errno, hidden, "stat"));
  }
  if (status.st_dev != member.device || status.st_ino != member.inode) {
    static_cast<void>(::renameat(folder, hidden.c_str(), folder, member.name.c_str()));
    return fail(Fault::conflict, member.name, "remove", "is another than was judged",
                "run img-gc again");
  }
  return remove_hidden(folder, hidden, status, bytes);
}

// What is beside the images, so that it is said that it stays.
Result<void> add_others(int folder, const std::string& place, FolderPlan& plan) {
  std::set<std::string> images;
  for (const FolderMember& member : plan.members) {
    images.insert(member.name);
  }
  return for_each_in(folder, place, [&](const char* name, const struct stat& status) {
    if (name[0] != '.' && !images.contains(name)) {
      FolderMember& other = plan.members.emplace_back();
      other.name = name;
      other.is_image = false;
      other.is_judged = false;
      other.time_ns = nanoseconds(status.st_mtim);
      other.bytes = S_ISREG(status.st_mode) ? static_cast<std::uint64_t>(status.st_size) : 0;
      other.verdict.why = "is no image of a known kind";
    }
    return Result<void>();
  });
}

}  // namespace

Result<FolderPlan> plan_folder(const convert::Source& folder, const gc::Policy& policy) {
  IMG_ASSIGN(const UniqueFd fd, open_directory(AT_FDCWD, folder.path, folder.path));
  FolderPlan plan;
  for (const convert::Source& source : folder.members) {
    IMG_ASSIGN(FolderMember member, look_at(source, fd.get()));
    member.is_judged = member.verdict.why.empty();
    plan.members.push_back(std::move(member));
  }
  std::vector<gc::Candidate> candidates;
  for (const FolderMember& member : plan.members) {
    // What is not judged is in no series, and as good as pinned.
    candidates.push_back(
        {member.name, member.series, member.time_ns, !member.is_judged, true, std::nullopt});
  }
  for (std::size_t at = 0; at < plan.members.size(); ++at) {
    if (const auto parent = parent_name(folder.members[at].path)) {
      const auto found = std::ranges::find(plan.members, *parent, &FolderMember::name);
      if (found != plan.members.end()) {
        candidates[at].parent = static_cast<std::size_t>(found - plan.members.begin());
      }
    }
  }
  IMG_ASSIGN(const std::vector<gc::Verdict> verdicts,
             gc::judge(candidates, policy, gc::Needed::in_place, folder.path));
  for (std::size_t at = 0; at < plan.members.size(); ++at) {
    FolderMember& member = plan.members[at];
    if (member.is_judged) {
      member.verdict = verdicts[at];
      plan.bytes += member.verdict.drop ? member.bytes : 0;
    }
  }
  IMG_TRY(add_others(fd.get(), folder.path, plan));
  return plan;
}

void report_folder(frame::Call& call, const FolderPlan& plan, bool dry_run) {
  if (call.report.is_json()) {
    JsonWriter& json = call.report.json();
    json.boolean("dry_run", dry_run);
    json.begin_array("paths");
    for (const FolderMember& member : plan.members) {
      json.begin_object();
      json.text("path", member.name);
      json.text("kind", member.is_image ? convert::form_name(member.form) : "other");
      json.text("series", member.series);
      json.time("time", member.time_ns);
      json.text("action", member.verdict.drop ? "drop" : "keep");
      json.text("why", member.verdict.why);
      json.number("bytes", member.bytes);
      json.end();
    }
    json.end();
    json.number("planned_bytes", plan.bytes);
    return;
  }
  std::vector<GcLine> lines;
  for (const FolderMember& member : plan.members) {
    const bool is_odd = member.is_image && !member.is_judged;
    if (member.verdict.drop || is_odd || call.common.verbosity > 0) {
      lines.push_back(
          {member.verdict.drop ? "drop" : "keep", member.name, member.bytes, member.verdict.why});
    }
  }
  print_lines(call, lines);
  if (!call.common.quiet) {
    call.report.text() << (plan.bytes == 0 ? "nothing can go\n"
                           : dry_run ? "could free " + size_text(plan.bytes) + "; --yes does it\n"
                                     : "");
  }
}

Result<std::uint64_t> remove_paths(const std::string& folder, const FolderPlan& plan) {
  IMG_ASSIGN(const UniqueFd fd, open_directory(AT_FDCWD, folder, folder));
  std::uint64_t bytes = 0;
  // What a run before was interrupted at.
  IMG_TRY(for_each_in(fd.get(), folder, [&](const char* name, const struct stat& status) {
    return std::string_view(name).starts_with(kGoing) ? remove_hidden(fd.get(), name, status, bytes)
                                                      : Result<void>();
  }));
  // The youngest first: a level goes before the one that it needs.
  std::vector<const FolderMember*> going;
  for (const FolderMember& member : plan.members) {
    if (member.verdict.drop) {
      going.push_back(&member);
    }
  }
  std::ranges::stable_sort(going, std::greater(), &FolderMember::time_ns);
  for (const FolderMember* member : going) {
    IMG_TRY(remove_member(fd.get(), *member, bytes));
  }
  return bytes;
}

void report_removed(frame::Call& call, std::uint64_t bytes) {
  if (call.report.is_json()) {
    call.report.json().number("freed_bytes", bytes);
  } else if (!call.common.quiet) {
    call.report.text() << "freed " << size_text(bytes) << '\n';
  }
}

}  // namespace img::tools
