// SPDX-License-Identifier: MIT
#include "libimg/gc/fold.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "libimg/gc/ancestor.h"
#include "libimg/model/stored_place.h"
#include "libimg/store/image_edit.h"
#include "schema/pack_generated.h"

namespace img::gc {
namespace {

using model::FileKey;
using model::kChunkEntries;
using model::Kind;
using store::Id;
using store::ImageRow;

/// An entry as it will be: the form of the one that it comes from, other pages and flags.
struct NewEntry {
  const schema::PagemapEntry* like = nullptr;
  std::uint64_t page = 0;
  std::uint64_t pages = 0;
  bool is_as_it_was = false;
  bool is_present = false;
  std::size_t pieces = 0;
};

/// Chunks of a page map as they fill up.
struct NewChunk {
  std::uint64_t seq = 2;
  std::vector<NewEntry> entries;
  std::vector<Piece> pieces;  // present ones, in order
};

using ChunkSink = std::function<Result<void>(const NewChunk&)>;

class FoldPass {
 public:
  FoldPass(const std::shared_ptr<const store::Store>& store, const store::Snapshot& now,
           const ImageRow& row)
      : store_(store), now_(now), view_(store, now, row) {}

  [[nodiscard]] Result<void> open_ancestors(const Fold& fold);
  /// The page maps that leave something to a parent.
  [[nodiscard]] Result<std::vector<FileKey>> files() const;
  /// Chunk after chunk of one of them. Views that `sink` gets live until the next chunk.
  [[nodiscard]] Result<void> fold(FileKey file, const ChunkSink& sink);
  /// The seq of its last chunk.
  [[nodiscard]] Result<std::uint64_t> chunks(FileKey file) const;
  [[nodiscard]] const store::ImageView& view() const { return view_; }
  [[nodiscard]] std::uint64_t page_size() const { return view_.header().page_size(); }

 private:
  [[nodiscard]] Result<bool> is_incremental(FileKey file) const;
  [[nodiscard]] Result<void> fold_entry(const ChunkEntry& entry, std::span<const Piece> pieces);
  [[nodiscard]] Result<void> resolve(const Piece& wanted, std::vector<Piece>& found);
  [[nodiscard]] Result<void> add(const NewEntry& entry, std::span<const Piece> pieces);
  [[nodiscard]] Result<void> end_chunk();

  const std::shared_ptr<const store::Store>& store_;
  const store::Snapshot& now_;
  store::ImageView view_;
  std::vector<std::unique_ptr<Ancestor>> ancestors_;  // nearest first
  bool has_parent_left_ = false;
  const ChunkSink* sink_ = nullptr;
  NewChunk out_;
};

Result<void> FoldPass::open_ancestors(const Fold& fold) {
  has_parent_left_ = fold.parent.has_value();
  std::uint64_t younger = view_.row().commit;
  const schema::Id128* next = view_.header().parent();
  while (next != nullptr && (!fold.parent || Id::of(*next) != *fold.parent)) {
    IMG_ASSIGN(const ImageRow row, store::find_image(*now_, Id::of(*next)));
    if (row.commit >= younger || row.header->page_size() != page_size()) {
      return fail(Fault::corrupt, view_.place(), "its parent", "cannot be that");
    }
    younger = row.commit;
    ancestors_.push_back(std::make_unique<Ancestor>(store_, now_, row));
    next = row.header->parent();
  }
  return {};
}

Result<bool> FoldPass::is_incremental(FileKey file) const {
  bool found = false;
  const auto visit = [&](const store::StoredRecord& record) -> Result<bool> {
    if (record.place.kind != file.kind || record.place.id != file.id) {
      return false;
    }
    for (const schema::PagemapEntry* entry :
         *flatbuffers::GetRoot<schema::PagemapChunk>(record.value.flatbuffer.data())->entries()) {
      const model::PageRun run = model::page_run(*entry);
      found = found || (run.is_in_parent() && !run.is_present());
    }
    return !found;
  };
  IMG_TRY(view_.walk({file.kind, file.id, 2}, visit));
  return found;
}

Result<std::uint64_t> FoldPass::chunks(FileKey file) const {
  std::uint64_t last = 1;
  const auto visit = [&](const store::StoredRecord& record) -> Result<bool> {
    const bool is_its = record.place.kind == file.kind && record.place.id == file.id;
    last = is_its ? record.place.seq : last;
    return is_its;
  };
  IMG_TRY(view_.walk({file.kind, file.id, 2}, visit));
  return last;
}

Result<std::vector<FileKey>> FoldPass::files() const {
  std::vector<FileKey> found;
  for (const model::Kind kind : {model::Kind::pagemap, model::Kind::pagemap_shmem}) {
    IMG_ASSIGN(auto place, view_.place_from({kind, 0, 0}));
    while (place && place->kind == kind) {
      const FileKey file{kind, place->id};
      IMG_ASSIGN(const bool is_one, is_incremental(file));
      if (is_one) {
        found.push_back(file);
      }
      if (place->id == ~std::uint64_t{0}) {
        break;
      }
      IMG_ASSIGN(place, view_.place_from({kind, place->id + 1, 0}));
    }
  }
  return found;
}

Result<void> FoldPass::fold(FileKey file, const ChunkSink& sink) {
  sink_ = &sink;
  out_ = {};
  for (const auto& ancestor : ancestors_) {
    IMG_TRY(ancestor->turn_to(file));
  }
  std::vector<ChunkEntry> entries;
  std::vector<Piece> pieces;
  const auto visit = [&](const store::StoredRecord& record) -> Result<bool> {
    if (record.place.kind != file.kind || record.place.id != file.id) {
      return false;
    }
    IMG_TRY(read_chunk(view_, record, entries, pieces));
    for (const ChunkEntry& entry : entries) {
      IMG_TRY(fold_entry(entry, std::span(pieces).subspan(entry.first_piece, entry.pieces)));
    }
    return true;
  };
  IMG_TRY(view_.walk({file.kind, file.id, 2}, visit));
  return end_chunk();
}

Result<void> FoldPass::resolve(const Piece& wanted, std::vector<Piece>& found) {
  found = {wanted};
  std::vector<Piece> next;
  for (const auto& ancestor : ancestors_) {
    next.clear();
    for (const Piece& piece : found) {
      if (piece.is_present) {
        next.push_back(piece);
      } else {
        IMG_TRY(ancestor->find(piece.page, piece.pages, next));
      }
    }
    found.swap(next);
  }
  const bool is_whole = std::ranges::all_of(found, &Piece::is_present);
  if (!is_whole && !has_parent_left_) {
    return fail(Fault::corrupt, view_.place(), "leaves pages to a parent that is not there");
  }
  return {};
}

Result<void> FoldPass::fold_entry(const ChunkEntry& entry, std::span<const Piece> pieces) {
  const model::PageRun run = model::page_run(*entry.entry);
  if (run.is_present() || !run.is_in_parent() || pieces.empty()) {
    return add({entry.entry, run.address / page_size(), run.pages, true, run.is_present()}, pieces);
  }
  std::vector<Piece> found;
  IMG_TRY(resolve(pieces.front(), found));
  for (std::size_t at = 0; at < found.size();) {
    const bool is_present = found[at].is_present;
    NewEntry made{entry.entry, found[at].page, 0, false, is_present};
    const std::size_t first = at;
    while (at < found.size() && found[at].is_present == is_present) {
      made.pages += found[at++].pages;
    }
    IMG_TRY(add(made, is_present ? std::span<const Piece>(found).subspan(first, at - first)
                                 : std::span<const Piece>()));
  }
  return {};
}

Result<void> FoldPass::add(const NewEntry& entry, std::span<const Piece> pieces) {
  if (out_.entries.size() == kChunkEntries) {
    IMG_TRY(end_chunk());
  }
  out_.entries.push_back(entry);
  out_.entries.back().pieces = pieces.size();
  out_.pieces.insert(out_.pieces.end(), pieces.begin(), pieces.end());
  return {};
}

Result<void> FoldPass::end_chunk() {
  if (out_.entries.empty()) {
    return {};
  }
  IMG_TRY((*sink_)(out_));
  ++out_.seq;
  out_.entries.clear();
  out_.pieces.clear();
  return {};
}

Result<std::unique_ptr<FoldPass>> begin_pass(const std::shared_ptr<const store::Store>& store,
                                             const store::Snapshot& now, const Fold& fold) {
  IMG_ASSIGN(const ImageRow row, store::find_image(*now, fold.image));
  auto pass = std::make_unique<FoldPass>(store, now, row);
  IMG_TRY(pass->open_ancestors(fold));
  return pass;
}

/// Calls `use` with every piece that comes from a parent.
template <class Use>
void for_each_taken(const NewChunk& chunk, Use use) {
  std::size_t at = 0;
  for (const NewEntry& entry : chunk.entries) {
    for (const std::size_t end = at + entry.pieces; at < end; ++at) {
      if (!entry.is_as_it_was) {
        use(chunk.pieces[at]);
      }
    }
  }
}

flatbuffers::Offset<schema::PagemapEntry> build_entry(flatbuffers::FlatBufferBuilder& builder,
                                                      const NewEntry& entry,
                                                      std::uint64_t page_size) {
  const schema::PagemapEntry& like = *entry.like;
  schema::PagemapEntryBuilder made(builder);
  made.add_vaddr(entry.page * page_size);
  const bool as_it_was = entry.is_as_it_was;
  const bool counts_long = like.nr_pages().has_value();
  made.add_compat_nr_pages(as_it_was || (counts_long && like.compat_nr_pages() == 0)
                               ? like.compat_nr_pages()
                               : static_cast<std::uint32_t>(entry.pages));
  if (counts_long) {
    made.add_nr_pages(as_it_was ? *like.nr_pages() : entry.pages);
  }
  const bool moved = !as_it_was && entry.is_present;
  if (like.flags()) {
    made.add_flags(moved ? (*like.flags() & ~model::kPageInParent) | model::kPagePresent
                         : *like.flags());
  }
  if (like.in_parent() && !moved) {
    made.add_in_parent(*like.in_parent());
  }
  return made.Finish();
}

/// Puts the chunks of one page map in the place of those that are there.
class FileEdit {
 public:
  FileEdit(store::ImageEdit& edit, FileKey file, std::uint64_t page_size)
      : edit_(edit), file_(file), page_size_(page_size) {}

  [[nodiscard]] Result<void> put(const NewChunk& chunk) {
    const model::RecordKey key{file_, chunk.seq};
    builder_.Clear();
    builder_.ForceDefaults(true);
    std::vector<flatbuffers::Offset<schema::PagemapEntry>> entries;
    for (const NewEntry& entry : chunk.entries) {
      entries.push_back(build_entry(builder_, entry, page_size_));
    }
    builder_.Finish(schema::CreatePagemapChunk(builder_, builder_.CreateVector(entries)));
    IMG_TRY(put_built(model::stored_place(key)));
    for_each_taken(chunk, [&](const Piece& piece) {
      edit_.use(piece.pack, static_cast<std::int64_t>(piece.pages * page_size_));
      has_taken_ = true;
    });
    last_ = chunk.seq;
    return put_extents(key, chunk.pieces);
  }
  /// What was there before goes: first all extents, since a chunk can have many records of them,
  /// and in the end the chunks that are too many.
  [[nodiscard]] Result<void> clear_extents(const store::ImageView& before) {
    const Kind kind = model::extents_of({file_, 2}, 0).kind;
    return before.walk({kind, file_.id, 0}, [&](const store::StoredRecord& record) -> Result<bool> {
      if (record.place.kind != kind || record.place.id != file_.id) {
        return false;
      }
      IMG_TRY(edit_.remove_record(record.place));
      return true;
    });
  }
  /// CRIU makes an empty pages file for a page map that leaves everything to a parent. It was a
  /// file of its own; now the page map stands for it.
  [[nodiscard]] Result<void> remove_pages_file(const store::ImageView& before) {
    IMG_ASSIGN(const auto head, before.record({file_.kind, file_.id, 1}));
    if (!head || !has_taken_) {
      return {};
    }
    const std::uint64_t id =
        flatbuffers::GetRoot<schema::PagemapHead>(head->value.flatbuffer.data())->pages_id();
    return before.walk({Kind::pages, id, 0},
                       [&](const store::StoredRecord& record) -> Result<bool> {
                         if (record.place.kind != Kind::pages || record.place.id != id) {
                           return false;
                         }
                         edit_.count_records(-1);
                         IMG_TRY(edit_.remove_record(record.place));
                         return true;
                       });
  }
  [[nodiscard]] Result<void> remove_rest(std::uint64_t before) {
    edit_.count_records(static_cast<std::int64_t>(last_ - before));
    for (std::uint64_t seq = last_ + 1; seq <= before; ++seq) {
      IMG_TRY(edit_.remove_record(model::stored_place({file_, seq})));
    }
    return {};
  }

 private:
  Result<void> put_extents(const model::RecordKey& key, std::span<const Piece> pieces) {
    std::uint64_t part = 0;
    Piece run;
    for (const Piece& piece : pieces) {
      if (run.pages != 0 && run.pack == piece.pack && run.end() == piece.page &&
          run.offset + run.pages * page_size_ == piece.offset) {
        run.pages += piece.pages;
        continue;
      }
      IMG_TRY(add_extent(run));
      if (extents_.size() == kChunkEntries) {
        IMG_TRY(end_part(model::extents_of(key, part++)));
      }
      run = piece;
    }
    IMG_TRY(add_extent(run));
    return extents_.empty() ? Result<void>() : end_part(model::extents_of(key, part));
  }
  Result<void> add_extent(const Piece& run) {
    if (run.pages != 0) {
      IMG_ASSIGN(const std::uint32_t pack, edit_.index_of(run.pack));
      extents_.emplace_back(run.page, run.pages, pack, schema::Encoding::raw, run.offset,
                            run.pages * page_size_);
    }
    return {};
  }
  Result<void> end_part(const store::RecordPlace& place) {
    builder_.Clear();
    builder_.Finish(schema::CreateExtentChunk(builder_, builder_.CreateVectorOfStructs(extents_)));
    extents_.clear();
    return put_built(place);
  }
  Result<void> put_built(const store::RecordPlace& place) {
    store::Envelope value;
    value.kind = static_cast<std::uint16_t>(place.kind);
    value.flatbuffer = std::as_bytes(std::span(builder_.GetBufferPointer(), builder_.GetSize()));
    return edit_.put_record(place, value);
  }

  store::ImageEdit& edit_;
  FileKey file_;
  std::uint64_t page_size_;
  std::uint64_t last_ = 1;
  bool has_taken_ = false;
  std::vector<schema::Extent> extents_;
  flatbuffers::FlatBufferBuilder builder_;
};

}  // namespace

Result<std::map<Id, std::uint64_t>> weigh_fold(const std::shared_ptr<const store::Store>& store,
                                               const store::Snapshot& now, const Fold& fold) {
  std::map<Id, std::uint64_t> taken;
  IMG_ASSIGN(const auto pass, begin_pass(store, now, fold));
  IMG_ASSIGN(const std::vector<FileKey> files, pass->files());
  for (const FileKey file : files) {
    IMG_TRY(pass->fold(file, [&](const NewChunk& chunk) -> Result<void> {
      for_each_taken(
          chunk, [&](const Piece& piece) { taken[piece.pack] += piece.pages * pass->page_size(); });
      return {};
    }));
  }
  return taken;
}

Result<void> apply_fold(const std::shared_ptr<const store::Store>& store, const Fold& fold) {
  {
    IMG_ASSIGN(const store::Snapshot now, store->snapshot());
    IMG_ASSIGN(const auto pass, begin_pass(store, now, fold));
    IMG_ASSIGN(const std::vector<FileKey> files, pass->files());
    for (const FileKey file : files) {
      IMG_ASSIGN(const std::uint64_t chunks, pass->chunks(file));
      IMG_ASSIGN(const auto txn, store->write());
      IMG_ASSIGN(store::ImageEdit edit, store::ImageEdit::begin(*txn, fold.image));
      FileEdit file_edit(edit, file, pass->page_size());
      IMG_TRY(file_edit.clear_extents(pass->view()));
      IMG_TRY(pass->fold(file, [&](const NewChunk& chunk) { return file_edit.put(chunk); }));
      IMG_TRY(file_edit.remove_rest(chunks));
      IMG_TRY(file_edit.remove_pages_file(pass->view()));
      IMG_TRY(edit.finish());
      IMG_TRY(txn->commit());
    }
  }
  IMG_ASSIGN(const auto txn, store->write());
  if (fold.parent) {
    IMG_TRY(store::find_image(*txn, *fold.parent));
  }
  IMG_ASSIGN(store::ImageEdit edit, store::ImageEdit::begin(*txn, fold.image));
  edit.set_parent(fold.parent);
  edit.forget_origin();
  IMG_TRY(edit.finish());
  return txn->commit();
}

}  // namespace img::gc
