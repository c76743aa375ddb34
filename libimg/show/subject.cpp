// SPDX-License-Identifier: MIT
#include "libimg/show/subject.h"

#include <algorithm>
#include <cctype>

#include "libimg/model/address_space.h"
#include "schema/zombie_generated.h"

namespace img::show {
namespace {

// More is cut off: the kernel allows command lines of many MiB, and nobody reads them.
constexpr std::uint64_t kLongestStrings = std::uint64_t{1} << 20;
constexpr std::size_t kMostTroubles = 1000;

std::string quoted(const std::string& argument) {
  constexpr std::string_view kPlain = "_-+=.,:/@%^";
  const bool is_plain = !argument.empty() && std::ranges::all_of(argument, [&](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || kPlain.find(c) != kPlain.npos ||
           (static_cast<unsigned char>(c) & 0x80U) != 0;
  });
  if (is_plain) {
    return argument;
  }
  std::string text = "'";
  for (const char c : argument) {
    text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  }
  return text + "'";
}

}  // namespace

Result<Subject> Subject::open(model::ImageReader& reader, Choice choice) {
  Subject subject(reader);
  subject.choice_ = std::move(choice);
  IMG_ASSIGN(subject.files_, reader.files());
  std::ranges::sort(subject.files_);
  return subject;
}

std::span<const FileKey> Subject::files_of(Kind kind) const {
  const auto range = std::ranges::equal_range(files_, kind, {}, &FileKey::kind);
  return {range.begin(), range.end()};
}

bool Subject::has(FileKey file) const {
  return std::ranges::binary_search(files_, file);
}

void Subject::trouble(Error error) {
  if (troubles_.size() < kMostTroubles && told_.insert(error.line()).second) {
    troubles_.push_back(std::move(error));
  }
}

void Subject::read(FileKey file, model::RecordSink& sink) {
  if (auto done = reader_->read(file, sink); !done) {
    trouble(std::move(done).error());
  }
}

void Subject::read_tree_file() {
  tree_.emplace();
  each<schema::PstreeEntry>({Kind::pstree, 0},
                            [this](const schema::PstreeEntry& entry, auto&) { tree_->add(entry); });
}

const FileSizes& Subject::sizes() {
  if (sizes_) {
    return *sizes_;
  }
  const bool has_tree = tree_.has_value();
  if (!has_tree) {
    read_tree_file();
  }
  // What tree() would read, seen on the way.
  sizes_ = sizes_of_files(*this, [this, has_tree](const Record& record) {
    const auto pid = static_cast<std::uint32_t>(record.key.file.id);
    if (has_tree || record.key.seq == 0 || record.table == nullptr || tree_->find(pid) == nullptr) {
      return;
    }
    switch (record.key.file.kind) {
      case Kind::zombie: tree_->add_zombie(pid, *record.as<schema::Zombie>()); break;
      case Kind::core: tree_->add_core(pid, *record.as<schema::CoreEntry>()); break;
      case Kind::ids: tree_->add_ids(pid, *record.as<schema::TaskKobjIdsEntry>()); break;
      default: break;
    }
  });
  return *sizes_;
}

const model::ProcessTree& Subject::tree() {
  if (tree_) {
    return *tree_;
  }
  read_tree_file();
  for (const model::Process& process : tree_->processes()) {
    const std::uint32_t pid = process.pid;
    if (has({Kind::zombie, pid})) {
      each<schema::Zombie>({Kind::zombie, pid}, [&](const schema::Zombie& zombie, auto&) {
        tree_->add_zombie(pid, zombie);
      });
    }
    each<schema::CoreEntry>({Kind::core, pid}, [&](const schema::CoreEntry& core, auto&) {
      tree_->add_core(pid, core);
    });
    each<schema::TaskKobjIdsEntry>({Kind::ids, pid}, [&](const schema::TaskKobjIdsEntry& ids,
                                                         auto&) { tree_->add_ids(pid, ids); });
  }
  return *tree_;
}

const model::FileTable& Subject::open_files() {
  if (open_files_) {
    return *open_files_;
  }
  open_files_.emplace();
  FunctionSink sink([this](const Record& record) { open_files_->add(record); });
  for (const FileKey file : files_) {
    if (file.kind == Kind::files || model::old_file_kind(file.kind) != schema::FdTypes::UND) {
      read(file, sink);
    }
  }
  return *open_files_;
}

void Subject::read_remaps() {
  remaps_.emplace();
  each<schema::RemapFilePathEntry>(
      {Kind::remap_fpath, 0}, [this](const schema::RemapFilePathEntry& entry, auto&) {
        remaps_->try_emplace(entry.orig_id(), model::remap_from(entry));
      });
}

const Remap* Subject::remap_of(std::uint32_t file_id) {
  if (!remaps_) {
    read_remaps();
  }
  const auto found = remaps_->find(file_id);
  return found == remaps_->end() ? nullptr : &found->second;
}

const model::SharedMemory& Subject::shared_memory() {
  if (!shared_memory_) {
    shared_memory_.emplace();
    FunctionSink sink([this](const Record& record) { shared_memory_->add(record); });
    read({Kind::memfd, 0}, sink);
  }
  return *shared_memory_;
}

bool Subject::is_chosen(std::uint32_t pid) const {
  return choice_.pids.empty() || std::ranges::find(choice_.pids, pid) != choice_.pids.end();
}

bool Subject::is_chosen_file(std::uint32_t file_id) {
  if (choice_.pids.empty()) {
    return true;
  }
  if (!chosen_files_) {
    chosen_files_.emplace();
    walk([this](const model::Process& process, std::size_t, bool) {
      if (process.has_ids) {
        each<schema::FdinfoEntry>(
            {Kind::fdinfo, process.ids.files},
            [this](const schema::FdinfoEntry& entry, auto&) { chosen_files_->insert(entry.id()); });
      }
    });
  }
  return chosen_files_->contains(file_id);
}

void Subject::walk(const std::function<void(const model::Process&, std::size_t, bool)>& use) {
  tree().walk([&](const model::Process& process, std::size_t depth) {
    if (choice_.pids.empty()) {
      use(process, depth, process.next_sibling == model::Process::kNone);
    } else if (is_chosen(process.pid)) {
      use(process, 0, true);
    }
  });
}

std::string Subject::title(const model::Process& process) const {
  return std::to_string(process.pid) + " " + std::string(process.comm());
}

std::vector<std::string> Subject::strings_at(std::uint32_t pid, std::uint64_t begin,
                                             std::uint64_t end) {
  std::vector<std::string> found;
  if (begin >= end) {
    return found;
  }
  model::AddressSpace space(*reader_, {Kind::pagemap, pid});
  const auto range = space.read(begin, std::min(end - begin, kLongestStrings));
  if (!range) {
    trouble(range.error());
    return found;
  }
  std::string_view left = as_text(range->known_head());
  while (!left.empty()) {
    const std::size_t size = std::min(left.find('\0'), left.size());
    found.emplace_back(left.substr(0, size));
    left.remove_prefix(std::min(size + 1, left.size()));
  }
  return found;
}

std::vector<std::string> Subject::arguments(std::uint32_t pid) {
  std::vector<std::string> found;
  each<schema::MmEntry>({Kind::mm, pid}, [&](const schema::MmEntry& mm, auto&) {
    const std::uint64_t begin = mm.mm_arg_start();
    found = strings_at(pid, begin, mm.mm_arg_end());
    std::uint64_t length = 0;
    for (const std::string& argument : found) {
      length += argument.size() + 1;
    }
    // No zero at the end: a title longer than the arguments, which goes on in the environment.
    // The kernel shows such a one up to its first zero.
    if (!found.empty() && length == mm.mm_arg_end() - begin + 1 &&
        mm.mm_env_start() == mm.mm_arg_end()) {
      found = strings_at(pid, begin, mm.mm_env_end());
      found.resize(1);
    }
  });
  return found;
}

std::vector<std::string> Subject::environment(std::uint32_t pid) {
  std::vector<std::string> found;
  each<schema::MmEntry>({Kind::mm, pid}, [&](const schema::MmEntry& mm, auto&) {
    found = strings_at(pid, mm.mm_env_start(), mm.mm_env_end());
  });
  return found;
}

std::string Subject::command_line(const model::Process& process) {
  return joined(process, arguments(process.pid));
}

std::string joined(const model::Process& process, const std::vector<std::string>& arguments) {
  // A title that a program gave itself: one line, and zeros to where the arguments ended.
  std::size_t count = arguments.size();
  while (count > 1 && arguments[count - 1].empty()) {
    --count;
  }
  std::string line;
  for (std::size_t at = 0; at < count; ++at) {
    const bool is_title = count == 1 && arguments[0].find(": ") != std::string::npos;
    line += (line.empty() ? "" : " ") + (is_title ? arguments[at] : quoted(arguments[at]));
  }
  return line.empty() ? "[" + std::string(process.comm()) + "]" : line;
}

}  // namespace img::show
