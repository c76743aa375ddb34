// SPDX-License-Identifier: MIT
#include "libimg/criu/directory_reader.h"

#include <fmt/core.h>

#include <algorithm>
#include <mutex>

#include "libimg/base/digest.h"
#include "libimg/criu/file_digests.h"
#include "libimg/criu/image_file.h"
#include "libimg/criu/names.h"
#include "libimg/criu/pages_ledger.h"
#include "libimg/criu/probes.h"

namespace img::criu {

using model::FileKey;
using schema::Kind;

namespace {

/// What a thread needs while it reads one file.
struct Workspace {
  Workspace() { pages.rarely_touched(); }

  std::unique_ptr<AnyParser> parser;
  ImageFileBytes file;
  ImageFileBytes pages;
};

/// Of all levels of a chain: a thousand of them need no more than one does.
struct Workspaces {
  std::mutex mutex;
  std::vector<std::unique_ptr<Workspace>> idle;
};

}  // namespace

struct DirectoryReader::State {
  std::unique_ptr<ImageFolder> folder;
  DamageSink on_damage;
  const DirectoryForm* form = nullptr;
  std::optional<std::string> link;         // text of `parent`; empty where it is no link
  std::vector<FileKey> known;              // ascending; cores that are zombies' as zombies
  std::vector<std::string> unknown_names;  // sorted; FileKey{unknown_file, index}
  flatbuffers::FlatBufferBuilder header;
  FileContext context;  // what all files share
  std::unique_ptr<ImageReader> parent;

  std::mutex mutex;  // guards `parent`
  std::shared_ptr<Workspaces> workspaces = std::make_shared<Workspaces>();
  PagesLedger ledger;
  FileDigests digests;
  std::once_flag pagemaps_looked_at;

  Result<void> read_inventory();
  Result<void> look_at_cores();
  void find_page_size();
  void make_header();
  Result<void> read_file(FileKey key, model::RecordSink& sink, bool quiet);
  Result<void> read_file(FileKey key, model::RecordSink& sink, bool quiet, Workspace& workspace);
  void look_at_pagemaps();
  Result<void> read_pages(FileKey key, model::RecordSink& sink);
  Result<void> note_pages(FileKey pagemap, std::uint32_t pages_id, std::uint64_t bytes,
                          const DamageSink& sink);
  void report(const Damage& damage) const;

  std::unique_ptr<Workspace> take_workspace();
  void give_back(std::unique_ptr<Workspace> workspace);
};

DirectoryReader::DirectoryReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
DirectoryReader::~DirectoryReader() = default;

Result<std::unique_ptr<DirectoryReader>> DirectoryReader::open(const std::string& path,
                                                               DirectoryOptions options) {
  IMG_ASSIGN(std::unique_ptr<ImageFolder> folder, open_folder(path));
  return open(std::move(folder), std::move(options));
}

Result<std::unique_ptr<DirectoryReader>> DirectoryReader::open(std::unique_ptr<ImageFolder> folder,
                                                               DirectoryOptions options) {
  auto state = std::make_unique<State>();
  state->folder = std::move(folder);
  state->on_damage = std::move(options.on_damage);
  state->context.on_damage = state->on_damage;
  state->form = options.form;
  IMG_ASSIGN(DirectoryListing listing, state->folder->list(*state->form));
  state->known = std::move(listing.known);
  state->unknown_names = std::move(listing.unknown_names);
  state->link = std::move(listing.parent_link);
  IMG_TRY(state->read_inventory());
  IMG_TRY(state->look_at_cores());
  state->find_page_size();
  state->make_header();
  return std::unique_ptr<DirectoryReader>(new DirectoryReader(std::move(state)));
}

Result<void> DirectoryReader::State::read_inventory() {
  const FileKey key{Kind::inventory, 0};
  if (std::find(known.begin(), known.end(), key) == known.end()) {
    return {};  // a rule of check; without it everything is taken as version 2, little-endian
  }
  Workspace workspace;
  const std::string name = form->name_of(key);
  const auto bytes = folder->open(name, workspace.file);
  if (!bytes) {
    return {};  // found again, and reported, when the file itself is read
  }
  context.order = form->order_of(*bytes);
  FirstRecord first;
  FileContext quiet = context;
  quiet.on_damage = nullptr;
  if (form->parser()->parse(quiet, key, name, *bytes, first)) {
    context.img_version = first.img_version;
  }
  return {};
}

Result<void> DirectoryReader::State::look_at_cores() {
  for (FileKey& key : known) {
    if (key.kind != Kind::core) {
      continue;
    }
    const auto size = folder->size_of(form->name_of(key));
    if (!size || *size > form->largest_zombie()) {
      continue;
    }
    FirstRecord first;
    if (read_file(key, first, true) && first.kind == Kind::zombie) {
      key.kind = Kind::zombie;
    }
  }
  std::sort(known.begin(), known.end());
  return {};
}

/// CRIU does not say how large a page was; where the architecture leaves a choice, the size of a
/// pages file tells.
void DirectoryReader::State::find_page_size() {
  FirstRecord core;
  const auto first =
      std::find_if(known.begin(), known.end(), [](FileKey key) { return key.kind == Kind::core; });
  if (first == known.end() || !read_file(*first, core, true) || has_one_page_size(core.arch)) {
    return;
  }
  for (const FileKey key : known) {
    if (key.kind != Kind::pagemap) {
      continue;
    }
    FileContext alone = context;
    alone.on_damage = nullptr;
    Workspace workspace;
    PageCount count;
    const auto bytes = folder->open(form->name_of(key), workspace.file);
    if (!bytes || !form->parser()->parse(alone, key, "", *bytes, count) || count.present == 0) {
      continue;
    }
    const auto memory = folder->size_of(image_file_name({Kind::pages, count.pages_id}));
    if (!memory) {
      continue;
    }
    for (const std::uint32_t size : {4096U, 16384U, 65536U}) {
      if (*memory / size == count.present && *memory % size == 0) {
        context.page_size = size;
        return;
      }
    }
  }
}

void DirectoryReader::State::make_header() {
  const auto name = header.CreateString("");
  const auto series = header.CreateString("");
  const auto link_text = link ? header.CreateString(*link) : 0;
  schema::ProvenanceBuilder provenance(header);
  provenance.add_origin(form->origin());
  provenance.add_img_version(context.img_version);
  provenance.add_byte_order(context.order.swapped ? schema::ByteOrder::big
                                                  : schema::ByteOrder::little);
  provenance.add_parent_link(link_text);
  const auto made = provenance.Finish();
  const schema::Id128 no_id;
  schema::ImageHeaderBuilder builder(header);
  builder.add_id(&no_id);
  builder.add_name(name);
  builder.add_series(series);
  builder.add_page_size(context.page_size);
  builder.add_provenance(made);
  header.Finish(builder.Finish());
}

void DirectoryReader::State::report(const Damage& damage) const {
  if (on_damage) {
    on_damage(damage);
  }
}

std::unique_ptr<Workspace> DirectoryReader::State::take_workspace() {
  const std::lock_guard lock(workspaces->mutex);
  auto& idle = workspaces->idle;
  if (idle.empty()) {
    auto made = std::make_unique<Workspace>();
    made->parser = form->parser();
    return made;
  }
  auto workspace = std::move(idle.back());
  idle.pop_back();
  return workspace;
}

void DirectoryReader::State::give_back(std::unique_ptr<Workspace> workspace) {
  const std::lock_guard lock(workspaces->mutex);
  workspaces->idle.push_back(std::move(workspace));
}

Result<void> DirectoryReader::State::read_file(FileKey key, model::RecordSink& sink, bool quiet) {
  auto workspace = take_workspace();
  Result<void> done = read_file(key, sink, quiet, *workspace);
  give_back(std::move(workspace));
  return done;
}

Result<void> DirectoryReader::State::read_file(FileKey key, model::RecordSink& sink, bool quiet,
                                               Workspace& workspace) {
  const std::string name =
      key.kind == Kind::unknown_file ? unknown_names.at(key.id) : form->name_of(key);
  auto bytes = folder->open(name, workspace.file);
  Result<void> done;
  if (bytes && !quiet) {
    digests.note(name, *bytes);
  }
  if (!bytes) {
    if (workspace.file.damage() && !quiet) {
      report(*workspace.file.damage());
    }
    done = fail(std::move(bytes).error());
  } else if (key.kind == Kind::unknown_file) {
    flatbuffers::FlatBufferBuilder builder(256);
    builder.ForceDefaults(true);
    const auto text = builder.CreateString(name);
    builder.Finish(schema::CreateImageFile(builder, text));
    model::Record record{{key, 0},
                         &schema::table_layout("ImageFile"),
                         std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize())),
                         {},
                         {}};
    if (!bytes->empty()) {
      record.payload.parts.push_back(*bytes);
    }
    done = sink.record(record);
  } else {
    FileContext mine = context;
    if (quiet) {
      mine.on_damage = nullptr;
    }
    mine.pages = [&](std::uint32_t pages_id) -> Result<Bytes> {
      const std::string pages = image_file_name({Kind::pages, pages_id});
      auto opened = folder->open(pages, workspace.pages);
      if (!opened && workspace.pages.damage() && mine.on_damage) {
        mine.on_damage(*workspace.pages.damage());
      }
      if (opened && !quiet) {
        digests.note(pages, *opened);
      }
      return opened;
    };
    mine.pages_used = [&](std::uint32_t pages_id, std::uint64_t used) {
      return note_pages(key, pages_id, used, mine.on_damage);
    };
    const FileKey file{key.kind == Kind::zombie ? Kind::core : key.kind, key.id};
    done = workspace.parser->parse(mine, file, name, *bytes, sink);
  }
  return done;
}

Result<void> DirectoryReader::State::note_pages(FileKey pagemap, std::uint32_t pages_id,
                                                std::uint64_t bytes, const DamageSink& sink) {
  const auto other = ledger.note(pagemap, pages_id, bytes);
  if (!other) {
    return {};
  }
  const Damage damage{
      DamageKind::pages_shared,
      image_file_name(pagemap),
      1,
      0,
      "pages_id",
      fmt::format("pages-{}.img belongs to {} already", pages_id, image_file_name(*other))};
  if (sink) {
    sink(damage);
  }
  return fail(damage.error());
}

/// Those that nobody has read: each says how much of a pages file it stands for.
void DirectoryReader::State::look_at_pagemaps() {
  for (const FileKey file : known) {
    const bool is_pagemap = file.kind == Kind::pagemap || file.kind == Kind::pagemap_shmem;
    if (is_pagemap && ledger.is_new(file)) {
      PageCount nothing;
      // Its damage is reported when it is read itself; whoever converts does read it.
      static_cast<void>(read_file(file, nothing, true));
    }
  }
}

/// A pages file is the memory of a pagemap; what no pagemap stands for is a file of its own, or the
/// tail of one.
Result<void> DirectoryReader::State::read_pages(FileKey key, model::RecordSink& sink) {
  std::call_once(pagemaps_looked_at, [this] { look_at_pagemaps(); });
  const std::uint64_t used = ledger.used(key.id);
  if (used == 0) {
    return read_file(key, sink, false);
  }
  auto workspace = take_workspace();
  auto bytes = folder->open(image_file_name(key), workspace->pages);
  Result<void> done;
  if (!bytes) {
    done = fail(std::move(bytes).error());
  } else if (bytes->size() > used) {
    report({DamageKind::pages_excess,
            image_file_name(key),
            0,
            used,
            {},
            fmt::format("{} bytes more than its pagemap stands for", bytes->size() - used)});
    flatbuffers::FlatBufferBuilder builder(64);
    builder.ForceDefaults(true);
    builder.Finish(schema::CreateImageFile(builder));
    done = sink.record({{key, 0},
                        &schema::table_layout("ImageFile"),
                        std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize())),
                        {},
                        {{bytes->subspan(used)}}});
  }
  give_back(std::move(workspace));
  return done;
}

const schema::ImageHeader& DirectoryReader::header() const {
  return *flatbuffers::GetRoot<schema::ImageHeader>(state_->header.GetBufferPointer());
}

const std::string& DirectoryReader::place() const {
  return state_->folder->path();
}

Result<model::ImageReader*> DirectoryReader::parent() {
  const std::lock_guard lock(state_->mutex);
  if (!state_->link || state_->parent != nullptr) {
    return state_->parent.get();
  }
  if (state_->link->empty()) {
    return fail(Fault::corrupt, place() + "/parent", "is not a link to a directory");
  }
  IMG_ASSIGN(std::unique_ptr<ImageFolder> folder, state_->folder->follow(*state_->link));
  IMG_ASSIGN(std::unique_ptr<DirectoryReader> parent,
             open(std::move(folder), {state_->on_damage, state_->form}));
  parent->state_->workspaces = state_->workspaces;
  state_->parent = std::move(parent);
  return state_->parent.get();
}

Result<std::vector<FileKey>> DirectoryReader::files() {
  std::vector<FileKey> all = state_->known;
  for (std::size_t i = 0; i < state_->unknown_names.size(); ++i) {
    all.push_back({Kind::unknown_file, i});
  }
  std::sort(all.begin(), all.end());
  return all;
}

Result<void> DirectoryReader::read(FileKey file, model::RecordSink& sink) {
  if (file.kind == Kind::unknown_file) {
    return file.id < state_->unknown_names.size() ? state_->read_file(file, sink, false)
                                                  : Result<void>{};
  }
  if (!std::binary_search(state_->known.begin(), state_->known.end(), file)) {
    return {};
  }
  return file.kind == Kind::pages ? state_->read_pages(file, sink)
                                  : state_->read_file(file, sink, false);
}

// What one level of a chain keeps for itself there is kept a thousand times, so it is nothing.
Result<void> DirectoryReader::read_held(FileKey file, model::RecordSink& sink,
                                        std::shared_ptr<const void>& hold) {
  if (!std::binary_search(state_->known.begin(), state_->known.end(), file)) {
    return {};
  }
  Workspace workspace;
  workspace.parser = state_->form->parser();
  workspace.pages.always_map();
  IMG_TRY(state_->read_file(file, sink, false, workspace));
  hold = std::make_shared<const ImageFileBytes>(std::move(workspace.pages));
  return {};
}

std::string DirectoryReader::file_name(FileKey file) const {
  if (file.kind == Kind::unknown_file) {
    return file.id < state_->unknown_names.size() ? state_->unknown_names[file.id] : std::string();
  }
  return state_->form->name_of(file);
}

void DirectoryReader::keep_digests() {
  state_->digests.keep();
}

/// FORMAT.md, "Provenance": names, sizes and hashes in the order of the names.
Result<schema::Id128> DirectoryReader::digest() {
  std::vector<std::string> names = state_->unknown_names;
  for (const FileKey file : state_->known) {
    names.push_back(state_->form->name_of(file));
  }
  std::sort(names.begin(), names.end());
  Hasher128 hasher;
  ImageFileBytes file;
  for (const std::string& name : names) {
    auto known = state_->digests.find(name);
    if (!known) {
      IMG_ASSIGN(const Bytes bytes, state_->folder->open(name, file));
      known = FileDigest::of(bytes);
    }
    hasher.add(name.size());
    hasher.add(as_bytes(name));
    hasher.add(known->size);
    hasher.add(known->hash.hi);
    hasher.add(known->hash.lo);
  }
  const Hash128 hash = hasher.finish();
  return schema::Id128(hash.hi, hash.lo);
}

}  // namespace img::criu
