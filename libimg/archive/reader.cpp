// SPDX-License-Identifier: MIT
#include "libimg/archive/reader.h"

#include <fmt/core.h>

namespace img::archive {
namespace {

using criu::DamageKind;
using model::FileKey;
using schema::Kind;

constexpr FileKey kArchive{Kind::archive, 0};
constexpr FileKey kMembers{Kind::archive_member, 0};

/// One folder of an archive, where a directory could be.
class ArchiveFolder final : public criu::ImageFolder {
 public:
  ArchiveFolder(std::shared_ptr<const Contents> contents, std::size_t level)
      : contents_(std::move(contents)), level_(level) {
    const std::string& folder = contents_->folders()[level_];
    prefix_ = folder.empty() ? "" : folder + "/";
    path_ = contents_->name() + (folder.empty() ? "" : "/" + folder);
  }

  const std::string& path() const override { return path_; }

  Result<criu::DirectoryListing> list(const criu::DirectoryForm& form) const override {
    criu::DirectoryListing listing;
    for (const std::size_t at : contents_->in_folder(contents_->folders()[level_])) {
      const Entry& entry = contents_->entries()[at];
      if (entry.type == MemberType::directory) {
        continue;  // a member of its own
      }
      IMG_TRY(
          criu::add_name(listing, form, name_of(entry.path), path_, [&]() -> Result<std::string> {
            return entry.type == MemberType::symbolic_link ? contents_->member(entry).target
                                                           : std::string();
          }));
    }
    std::ranges::sort(listing.unknown_names);
    return listing;
  }

  Result<Bytes> open(const std::string& name, criu::ImageFileBytes& into) const override {
    const Entry* const entry = contents_->find(prefix_ + name);
    if (entry == nullptr) {
      return into.refuse(DamageKind::missing, name, "is not there");
    }
    if (entry->type == MemberType::symbolic_link || entry->type == MemberType::directory) {
      return into.refuse(DamageKind::not_regular, name,
                         entry->type == MemberType::directory ? "is a directory, not a file"
                                                              : "is a symbolic link, not a file");
    }
    return into.lend(contents_->content(*entry));
  }

  std::optional<std::uint64_t> size_of(const std::string& name) const override {
    const Entry* const entry = contents_->find(prefix_ + name);
    return entry == nullptr || entry->level == 0 ? std::nullopt : std::optional(entry->place.size);
  }

  Result<std::unique_ptr<criu::ImageFolder>> follow(const std::string& link) const override {
    if (level_ == 0) {
      return fail(Fault::missing, path_ + "/parent",
                  fmt::format("link to '{}', which is not in the archive", link), {},
                  "all levels of a chain must be in one archive");
    }
    return std::unique_ptr<criu::ImageFolder>(new ArchiveFolder(contents_, level_ - 1));
  }

 private:
  std::shared_ptr<const Contents> contents_;
  std::size_t level_;
  std::string prefix_;
  std::string path_;
};

model::Record record_of(FileKey file, std::uint64_t seq, std::string_view table,
                        const flatbuffers::FlatBufferBuilder& builder, Bytes payload) {
  model::Record record{{file, seq},
                       &schema::table_layout(table),
                       std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize())),
                       {},
                       {}};
  if (!payload.empty()) {
    record.payload.parts.push_back(payload);
  }
  return record;
}

}  // namespace

void build_member(flatbuffers::FlatBufferBuilder& builder, const Member& member,
                  std::uint32_t level, Bytes head) {
  builder.Clear();
  builder.ForceDefaults(true);
  const auto text = [&](const std::string& value) {
    return value.empty() ? flatbuffers::Offset<flatbuffers::String>() : builder.CreateString(value);
  };
  const auto path = builder.CreateString(member.path);
  const auto user = text(member.user);
  const auto group = text(member.group);
  const auto target = text(member.target);
  const auto bytes =
      builder.CreateVector(reinterpret_cast<const std::uint8_t*>(head.data()), head.size());
  builder.Finish(schema::CreateArchiveMember(builder, path, member.type, level, member.mode,
                                             member.uid, member.gid, user, group, member.mtime,
                                             member.mtime_ns, target, member.size, bytes));
}

void build_header(flatbuffers::FlatBufferBuilder& out, const schema::ImageHeader& image,
                  const Container& container) {
  const auto name = out.CreateString("");
  const auto series = out.CreateString(container.series());
  const auto* const link = image.provenance()->parent_link();
  const auto link_text = link == nullptr ? 0 : out.CreateString(link);
  schema::ProvenanceBuilder provenance(out);
  // A tar of a directory is that directory; only a container's archive is restored by a runtime.
  provenance.add_origin(container.is_there ? schema::Origin::archive
                                           : schema::Origin::criu_directory);
  provenance.add_img_version(image.provenance()->img_version());
  provenance.add_byte_order(image.provenance()->byte_order());
  provenance.add_parent_link(link_text);
  const auto made = provenance.Finish();
  flatbuffers::Offset<schema::Freeze> freeze;
  if (container.checkpointed_ns) {
    freeze = schema::CreateFreeze(out, *container.checkpointed_ns);
  }
  const schema::Id128 no_id;
  schema::ImageHeaderBuilder builder(out);
  builder.add_id(&no_id);
  builder.add_name(name);
  builder.add_series(series);
  builder.add_page_size(image.page_size());
  builder.add_freeze(freeze);
  builder.add_provenance(made);
  out.Finish(builder.Finish());
}

Result<std::unique_ptr<ArchiveReader>> ArchiveReader::open(
    std::shared_ptr<const MappedFile> archive, std::string place, ReadOptions options) {
  IMG_ASSIGN(std::shared_ptr<const Contents> contents,
             Contents::read(std::move(archive), std::move(place), options));
  auto folder = std::make_unique<ArchiveFolder>(contents, contents->folders().size() - 1);
  IMG_ASSIGN(std::unique_ptr<criu::DirectoryReader> image,
             criu::DirectoryReader::open(std::move(folder), {options.on_damage}));
  std::unique_ptr<ArchiveReader> reader(new ArchiveReader(std::move(contents), std::move(image)));
  build_header(reader->header_, reader->image_->header(), container_of(*reader));
  return reader;
}

const schema::ImageHeader& ArchiveReader::header() const {
  return *flatbuffers::GetRoot<schema::ImageHeader>(header_.GetBufferPointer());
}

Result<std::vector<FileKey>> ArchiveReader::files() {
  IMG_ASSIGN(std::vector<FileKey> all, image_->files());
  all.push_back(kArchive);
  all.push_back(kMembers);
  return all;
}

Result<void> ArchiveReader::read(FileKey file, model::RecordSink& sink) {
  if (file == kArchive) {
    return read_archive(sink);
  }
  return file == kMembers ? read_members(sink) : image_->read(file, sink);
}

Result<void> ArchiveReader::read_archive(model::RecordSink& sink) const {
  flatbuffers::FlatBufferBuilder builder;
  builder.ForceDefaults(true);
  const auto folders = builder.CreateVectorOfStrings(contents_->folders());
  builder.Finish(schema::CreateArchive(builder, contents_->compression(), folders));
  return sink.record(record_of(kArchive, 1, "Archive", builder, contents_->tail()));
}

Result<void> ArchiveReader::read_members(model::RecordSink& sink) const {
  flatbuffers::FlatBufferBuilder builder;
  std::uint64_t seq = 0;
  for (const Entry& entry : contents_->entries()) {
    const Bytes head = contents_->head(entry);
    build_member(builder, contents_->member(entry), entry.level, head);
    const bool has_own_bytes = entry.level == 0 && entry.type == MemberType::file;
    IMG_TRY(sink.record(record_of(kMembers, ++seq, "ArchiveMember", builder,
                                  has_own_bytes ? contents_->content(entry) : Bytes())));
  }
  return {};
}

std::string ArchiveReader::file_name(FileKey file) const {
  if (file == kArchive || file == kMembers) {
    return name_of(contents_->name()).data();
  }
  return image_->file_name(file);
}

}  // namespace img::archive
