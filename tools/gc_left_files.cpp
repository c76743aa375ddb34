// SPDX-License-Identifier: MIT
#include "tools/gc_left_files.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "libimg/base/text.h"
#include "libimg/base/units.h"
#include "libimg/convert/open_image.h"
#include "libimg/gc/left_root.h"
#include "libimg/model/process_tree.h"
#include "tools/gc_report.h"
#include "tools/source_options.h"

namespace img::tools {
namespace {

namespace fs = std::filesystem;
using gc::FoundFile;

/// What was found of one image, and where it was looked for.
struct Below {
  std::string root;
  std::optional<gc::LeftRoot> place;
  std::vector<FoundFile> files;
};

std::string first_line(const fs::path& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

// Whether /proc/N is a process that has this number in the innermost namespace that it is in.
bool has_number(const fs::path& folder, std::uint32_t pid) {
  constexpr std::string_view kKey = "NSpid:";
  std::ifstream in(folder / "status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(kKey)) {
      return line.substr(line.find_last_of("\t ") + 1) == std::to_string(pid);
    }
  }
  return false;
}

// The root directory of the tree's first process, if that still lives: a mount namespace of its own
// can be reached through it. It is known by its number and its name; empty where no process is it,
// or more than one could be.
std::string root_of_living(const model::ProcessTree& tree) {
  if (tree.processes().empty()) {
    return {};
  }
  const model::Process& first = tree.processes().front();
  std::error_code error;
  const fs::path own = fs::read_symlink("/proc/self/ns/mnt", error);
  std::string found;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const fs::path& folder = entry.path();
    if (folder.filename().string().find_first_not_of("0123456789") != std::string::npos ||
        !has_number(folder, first.pid) || first_line(folder / "comm") != first.comm()) {
      continue;
    }
    const fs::path mounts = fs::read_symlink(folder / "ns/mnt", error);
    if (error || mounts == own) {
      continue;
    }
    if (!found.empty()) {
      return {};
    }
    found = folder / "root";
  }
  return found;
}

Result<void> find_root(model::ImageReader& image, const std::string& given, Below& below) {
  IMG_ASSIGN(const bool has_own, gc::has_own_mounts(image));
  if (!given.empty() || !has_own) {
    below.root = given.empty() ? "/" : given;
    IMG_ASSIGN(below.place,
               has_own ? gc::LeftRoot::rebuild(image, below.root) : gc::LeftRoot::open(below.root));
    return {};
  }
  IMG_ASSIGN(const model::ProcessTree tree, model::ProcessTree::read(image));
  below.root = root_of_living(tree);
  if (below.root.empty()) {
    return fail(Fault::missing, image.place(), "had a mount namespace of its own",
                "and its first process does not run, or cannot be told from others",
                "--root DIR says where its root directory is");
  }
  IMG_ASSIGN(below.place, gc::LeftRoot::open(below.root));
  return {};
}

Result<Below> look_for(const convert::Source& source, const std::string& given) {
  IMG_ASSIGN(const auto image, convert::open_image(source));
  IMG_ASSIGN(const std::vector<gc::LeftFile> files, gc::left_files(*image));
  Below below;
  if (files.empty()) {
    return below;
  }
  IMG_TRY(find_root(*image, given, below));
  for (const gc::LeftFile& file : files) {
    IMG_ASSIGN(below.files.emplace_back(), below.place->look(file));
  }
  return below;
}

std::string_view action_of(const FoundFile& found) {
  switch (found.state) {
    case FoundFile::State::there: return "remove";
    case FoundFile::State::missing: return "missing";
    case FoundFile::State::unreachable: return "unknown";
    case FoundFile::State::other: break;
  }
  return "keep";
}

std::string why_of(const FoundFile& found) {
  if (!found.why.empty()) {
    return found.why;
  }
  return (found.file.kind == gc::LeftFile::Kind::link ? "link remap of " : "ghost of ") +
         found.file.original;
}

void list(frame::Call& call, const std::vector<Below>& all, bool dry_run) {
  std::vector<GcLine> lines;
  for (const Below& below : all) {
    const std::string root = below.root == "/" ? "" : below.root;
    for (const FoundFile& found : below.files) {
      if (found.state != FoundFile::State::missing || call.common.verbosity > 0) {
        lines.push_back({std::string(action_of(found)),
                         found.place.empty() ? root + found.file.path : found.place, found.bytes,
                         why_of(found)});
      }
    }
  }
  if (!call.report.is_json()) {
    print_lines(call, lines);
    return;
  }
  JsonWriter& json = call.report.json();
  json.boolean("dry_run", dry_run);
  json.begin_array("files");
  for (const Below& below : all) {
    for (const FoundFile& found : below.files) {
      json.begin_object();
      json.text("root", below.root);
      json.text("path", found.file.path);
      json.text("place", found.place);
      json.text("original", found.file.original);
      json.text("kind", found.file.kind == gc::LeftFile::Kind::link ? "link" : "ghost");
      json.text("action", action_of(found));
      json.text("why", found.why);
      json.number("bytes", found.bytes);
      json.end();
    }
  }
  json.end();
}

// Only of a person at a terminal, who has just read the list.
bool asked_and_agreed(frame::Call& call) {
  if (call.report.is_json() || !call.streams.out_is_terminal || ::isatty(call.streams.in) != 1) {
    return false;
  }
  call.report.text() << "remove them? [y/N] " << std::flush;
  char answer = 0;
  return ::read(call.streams.in, &answer, 1) == 1 && (answer == 'y' || answer == 'Y');
}

Result<std::uint64_t> remove(const std::vector<Below>& all, frame::Call& call) {
  std::uint64_t removed = 0;
  for (const Below& below : all) {
    for (const FoundFile& found : below.files) {
      if (found.state != FoundFile::State::there) {
        continue;
      }
      IMG_ASSIGN(const bool done, below.place->remove(found));
      removed += done ? 1 : 0;
      if (!done) {
        call.report.note(escaped(found.file.path) + ": is another file by now, and stays");
      }
    }
  }
  return removed;
}

}  // namespace

Result<int> collect_left_files(const LeftFilesWanted& wanted, frame::Call& call) {
  std::vector<Below> all;
  std::uint64_t removable = 0;
  for (const std::string& argument : wanted.sources) {
    IMG_ASSIGN(const convert::Source source,
               convert::recognise(argument, source_options("", call)));
    IMG_ASSIGN(const std::vector<convert::Source> images, convert::images_of(source));
    for (const convert::Source& image : images) {
      IMG_ASSIGN(Below below, look_for(image, wanted.root));
      for (const FoundFile& found : below.files) {
        removable += found.state == FoundFile::State::there ? 1 : 0;
      }
      all.push_back(std::move(below));
    }
  }
  list(call, all, wanted.dry_run || !wanted.yes);
  if (removable == 0 && !call.report.is_json() && !call.common.quiet) {
    call.report.text() << "nothing is left\n";
  }
  if (removable == 0 || wanted.dry_run || !(wanted.yes || asked_and_agreed(call))) {
    return 0;
  }
  IMG_ASSIGN(const std::uint64_t removed, remove(all, call));
  if (call.report.is_json()) {
    call.report.json().number("removed_files", removed);
  } else if (!call.common.quiet) {
    call.report.text() << "removed " << removed << (removed == 1 ? " file\n" : " files\n");
  }
  return 0;
}

}  // namespace img::tools
