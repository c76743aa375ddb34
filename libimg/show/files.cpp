// SPDX-License-Identifier: MIT
// fds, files, remaps: what is open, who holds it, and what stands in for names that are gone.
#include <fmt/core.h>

#include "libimg/show/open_file_words.h"
#include "libimg/show/views.h"
#include "libimg/show/words.h"

namespace img::show {
namespace {

using model::Process;

constexpr std::uint32_t kCloseOnExec = 1;
constexpr std::size_t kListedHolders = 4;

const std::vector<Column> kDescriptorColumns = {{"fd", "FD", Align::right},
                                                {"file_id", ""},
                                                {"kind", ""},
                                                {"type", "TYPE"},
                                                {"access", "ACCESS"},
                                                {"close_on_exec", ""},
                                                {"position", "POS", Align::right},
                                                {"path", ""},
                                                {"what", "WHAT"}};

std::vector<model::Descriptor> descriptors_of(Subject& subject, std::uint32_t files_id) {
  std::vector<model::Descriptor> found;
  subject.each<schema::FdinfoEntry>(
      {Kind::fdinfo, files_id}, [&found](const schema::FdinfoEntry& entry, auto&) {
        found.push_back({entry.fd(), entry.id(), entry.type(), entry.flags()});
      });
  return found;
}

void add_descriptor(Subject& subject, Page& page, const model::Descriptor& descriptor) {
  const model::OpenFile* file = subject.open_files().find(descriptor.id);
  const FileWords words =
      file != nullptr
          ? words_of(subject, *file)
          : FileWords{"?", fmt::format("file {} (missing)", descriptor.id), {}, {}, {}, {}};
  const bool closes = (descriptor.flags & kCloseOnExec) != 0;
  page.row({Value::count(descriptor.fd), Value::count(descriptor.id),
            Value::text(model::type_name(descriptor.type)), Value::text(words.type),
            Value::text(page.is_for_people() && closes ? words.access + " cloexec" : words.access),
            Value::yes_no(closes), words.position ? Value::count(*words.position) : Value::none(),
            words.path.empty() ? Value::none() : Value::text(words.path), Value::text(words.what)});
}

/// The path alone for programs.
void add_place(Subject& subject, Page& page, std::string_view name, std::uint32_t id) {
  const model::OpenFile* file = subject.open_files().find(id);
  const std::string path = file == nullptr ? std::string() : words_of(subject, *file).path;
  page.field(name, {}, path.empty() ? Value::none() : Value::text(path));
  page.field({}, name, Value::text(file_words(subject, id)));
}

void add_process(Subject& subject, Page& page, const Process& process) {
  page.begin({}, subject.title(process));
  page.field("pid", {}, Value::count(process.pid));
  page.field("comm", {}, Value::text(process.comm()));
  page.field("files_id", {}, process.has_ids ? Value::count(process.ids.files) : Value::none());
  subject.each<schema::FsEntry>({Kind::fs, process.pid}, [&](const schema::FsEntry& fs, auto&) {
    add_place(subject, page, "cwd", fs.cwd_id());
    add_place(subject, page, "root", fs.root_id());
  });
  subject.each<schema::MmEntry>({Kind::mm, process.pid}, [&](const schema::MmEntry& mm, auto&) {
    add_place(subject, page, "exe", mm.exe_file_id());
  });
  page.begin_table("descriptors", kDescriptorColumns);
  bool any = false;
  if (process.has_ids) {
    for (const model::Descriptor& descriptor : descriptors_of(subject, process.ids.files)) {
      any = true;
      add_descriptor(subject, page, descriptor);
    }
  }
  page.end_table();
  if (!any) {
    page.say(process.is_zombie() ? "(zombie: no descriptors)" : "(no descriptors in the image)");
  }
  page.end();
}

struct Holders {
  std::vector<std::string> some;  // "66:3"
  std::size_t count = 0;
};

std::unordered_map<std::uint32_t, Holders> holders(Subject& subject) {
  std::unordered_map<std::uint32_t, Holders> by_file;
  subject.walk([&](const Process& process, std::size_t, bool) {
    if (!process.has_ids) {
      return;
    }
    for (const model::Descriptor& descriptor : descriptors_of(subject, process.ids.files)) {
      Holders& holding = by_file[descriptor.id];
      if (++holding.count <= kListedHolders) {
        holding.some.push_back(fmt::format("{}:{}", process.pid, descriptor.fd));
      }
    }
  });
  return by_file;
}

/// What a remap leaves outside of the image, or keeps inside of it.
struct Substitute {
  std::string place;
  std::optional<std::uint64_t> size;
  std::string mode;
  std::optional<std::uint32_t> uid;
};

Substitute substitute_of(Subject& subject, const Remap& remap) {
  Substitute found;
  if (remap.type == schema::RemapType::LINKED) {
    found.place = file_words(subject, remap.remap_id);
    const model::OpenFile* file = subject.open_files().find(remap.remap_id);
    if (file != nullptr) {
      found.size = words_of(subject, *file).size;
    }
  } else if (remap.type == schema::RemapType::PROCFS) {
    found.place = fmt::format("process {}", remap.remap_id);
  } else {
    const FileKey ghost{Kind::ghost_file, remap.remap_id};
    found.place = subject.reader().file_name(ghost);
    if (!subject.has(ghost)) {
      found.place += " (missing)";
    }
    std::uint64_t content = 0;
    subject.each<schema::GhostFileEntry>(ghost, [&](const auto& entry, const Record& record) {
      content += record.payload.size();
      if (record.table->name == "GhostFileEntry") {
        found.mode = mode_text(entry.mode());
        found.uid = entry.uid();
        found.size = entry.size();
      }
    });
    found.size = found.size.value_or(content);
  }
  return found;
}

std::string_view remap_type(schema::RemapType type) {
  switch (type) {
    case schema::RemapType::LINKED: return "link";
    case schema::RemapType::GHOST: return "ghost";
    case schema::RemapType::PROCFS: return "procfs";
  }
  return "unknown";
}

}  // namespace

void show_fds(Subject& subject, Page& page) {
  page.begin("fds", "Descriptors");
  if (subject.tree().processes().empty()) {
    page.say("No processes in the image.");
  }
  page.begin_list("processes");
  subject.walk(
      [&](const Process& process, std::size_t, bool) { add_process(subject, page, process); });
  page.end();
  page.end();
}

void show_files(Subject& subject, Page& page) {
  static const std::vector<Column> kColumns = {{"id", "ID", Align::right},
                                               {"kind", ""},
                                               {"type", "TYPE"},
                                               {"access", "ACCESS"},
                                               {"position", "POS", Align::right},
                                               {"size", "SIZE", Align::right},
                                               {"holders", ""},
                                               {"holder_count", ""},
                                               {"path", ""},
                                               {"", "HELD BY"},
                                               {"what", "WHAT"}};
  page.begin("files", "Open files");
  if (subject.open_files().files().empty()) {
    page.say("No open files in the image.");
  }
  const auto holding = holders(subject);
  page.begin_table("files", kColumns);
  for (const model::OpenFile& file : subject.open_files().files()) {
    if (!subject.is_chosen_file(file.id)) {
      continue;
    }
    const FileWords words = words_of(subject, file);
    const auto found = holding.find(file.id);
    const Holders none;
    const Holders& by = found == holding.end() ? none : found->second;
    std::vector<std::string> shown = by.some;
    if (by.count > shown.size()) {
      shown.push_back(fmt::format("{} more", by.count - shown.size()));
    }
    page.row({Value::count(file.id), Value::text(model::type_name(file.type)),
              Value::text(words.type), Value::text(words.access),
              words.position ? Value::count(*words.position) : Value::none(), size_if(words.size),
              Value::list(by.some), Value::count(by.count),
              words.path.empty() ? Value::none() : Value::text(words.path), Value::list(shown),
              Value::text(words.what)});
  }
  page.end_table();
  page.end();
}

void show_remaps(Subject& subject, Page& page) {
  static const std::vector<Column> kColumns = {{"type", "TYPE"},
                                               {"file_id", ""},
                                               {"remap_id", ""},
                                               {"size", "SIZE", Align::right},
                                               {"mode", "MODE"},
                                               {"uid", "UID", Align::right},
                                               {"path", "FILE WITHOUT A NAME"},
                                               {"substitute", "STANDS IN"}};
  page.begin("remaps", "Remaps");
  bool any = false;
  page.begin_table("remaps", kColumns);
  subject.each<schema::RemapFilePathEntry>({Kind::remap_fpath, 0}, [&](const auto& entry, auto&) {
    const Remap* remap = subject.remap_of(entry.orig_id());
    if (remap == nullptr || !subject.is_chosen_file(remap->orig_id)) {
      return;
    }
    any = true;
    const Substitute stands_in = substitute_of(subject, *remap);
    const model::OpenFile* file = subject.open_files().find(remap->orig_id);
    const std::string path = file == nullptr ? fmt::format("file {} (missing)", remap->orig_id)
                                             : words_of(subject, *file).path;
    page.row({Value::text(remap_type(remap->type)), Value::count(remap->orig_id),
              Value::count(remap->remap_id), size_if(stands_in.size),
              stands_in.mode.empty() ? Value::none() : Value::text(stands_in.mode),
              stands_in.uid ? Value::count(*stands_in.uid) : Value::none(), Value::text(path),
              Value::text(stands_in.place)});
  });
  page.end_table();
  if (!any) {
    page.say("No remaps: every open file has its name.");
  }
  page.end();
}

}  // namespace img::show
