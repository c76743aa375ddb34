// SPDX-License-Identifier: MIT
#include "libimg/convert/json_archive.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <set>

#include "libimg/archive/json_members.h"
#include "libimg/archive/reader.h"
#include "libimg/base/base64.h"
#include "libimg/base/file.h"
#include "libimg/base/json_writer.h"
#include "libimg/convert/image_files.h"
#include "libimg/json/base64.h"
#include "libimg/json/directory.h"
#include "schema/archive_generated.h"

namespace img::convert {
namespace {

using archive::clean_path;
using json::Parser;
using model::FileKey;
using schema::Kind;
using schema::MemberType;

Result<MappedFile> map_below(int directory, const std::string& path, const std::string& place) {
  open_how how = {};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const UniqueFd fd(
      static_cast<int>(::syscall(SYS_openat2, directory, path.c_str(), &how, sizeof how)));
  const std::string thing = place + "/" + path;
  if (!fd.is_open()) {
    return fail(sys_error(errno, thing, "open"));
  }
  IMG_ASSIGN(const std::uint64_t size, file_size(fd.get(), thing));
  return MappedFile::map(fd.get(), size, thing);
}

struct JsonMember {
  archive::Member member;
  std::uint64_t level = 0;
  std::string head;
};

class JsonArchiveReader final : public model::ImageReader {
 public:
  [[nodiscard]] static Result<std::unique_ptr<ImageReader>> open(const std::string& path,
                                                                 const OpenOptions& options);
  const schema::ImageHeader& header() const override {
    return *flatbuffers::GetRoot<schema::ImageHeader>(header_.GetBufferPointer());
  }
  const std::string& place() const override { return path_; }
  Result<ImageReader*> parent() override { return image_->parent(); }
  Result<std::vector<FileKey>> files() override;
  Result<void> read(FileKey file, model::RecordSink& sink) override;
  std::string file_name(FileKey file) const override {
    return is_of_archive(file.kind) ? kArchiveManifest : image_->file_name(file);
  }

 private:
  using UseMember = std::function<Result<void>(const JsonMember&)>;
  [[nodiscard]] Result<void> parse(const UseMember& use);
  [[nodiscard]] Result<void> parse_member(Parser& json, JsonMember& to) const;
  [[nodiscard]] Result<void> send(std::uint64_t seq, const JsonMember& from,
                                  model::RecordSink& sink) const;

  std::string path_;
  UniqueFd directory_;
  MappedFile manifest_;
  std::string compression_;
  std::vector<std::string> folders_;
  std::string tail_;
  std::set<std::string> not_of_image_;  // names at the top that are no image files
  std::unique_ptr<criu::DirectoryReader> image_;
  flatbuffers::FlatBufferBuilder header_;
};

Result<void> take_base64(Parser& json, std::string& to) {
  std::string scratch;
  IMG_ASSIGN(const std::string_view inside, json.string());
  StringSink sink;
  IMG_TRY(json::decode_base64(inside, sink));
  to = std::move(sink.text);
  return {};
}

template <class Number>
Result<void> take_any_number(Parser& json, Number& to) {
  IMG_ASSIGN(const std::string_view digits, json.number());
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), to);
  return error == std::errc() && end == digits.data() + digits.size()
             ? Result<void>{}
             : json.refuse("no whole number of this size");
}

Result<void> JsonArchiveReader::parse_member(Parser& json, JsonMember& to) const {
  archive::Member& member = to.member;
  std::string type;
  IMG_TRY(archive::each_member(json, [&](std::string_view key) -> Result<void> {
    const std::array<std::pair<std::string_view, std::string*>, 5> texts = {
        {{"path", &member.path},
         {"type", &type},
         {"user", &member.user},
         {"group", &member.group},
         {"target", &member.target}}};
    for (const auto& [name, text] : texts) {
      if (key == name) {
        return archive::take_text(json, *text);
      }
      if (key == std::string(name) + "_base64") {
        return take_base64(json, *text);
      }
    }
    if (key == "head") {
      return take_base64(json, to.head);
    }
    return key == "level"      ? take_any_number(json, to.level)
           : key == "mode"     ? take_any_number(json, member.mode)
           : key == "uid"      ? take_any_number(json, member.uid)
           : key == "gid"      ? take_any_number(json, member.gid)
           : key == "mtime"    ? take_any_number(json, member.mtime)
           : key == "mtime_ns" ? take_any_number(json, member.mtime_ns)
           : key == "size"     ? take_any_number(json, member.size)
                               : json.skip();
  }));
  const auto known = std::ranges::find(kMemberTypes, type);
  std::string why;
  if (known == kMemberTypes.end() || to.level > folders_.size()) {
    return json.refuse("no type or level of a member");
  }
  if (clean_path(member.path.empty() ? "." : member.path, &why) != member.path) {
    return json.refuse("'" + member.path + "' cannot be a member: " + why);
  }
  member.type = static_cast<MemberType>(known - kMemberTypes.begin());
  return {};
}

// Members follow what they are understood by: archive.json is written in that order.
Result<void> JsonArchiveReader::parse(const UseMember& use) {
  Parser json(as_text(manifest_.bytes()), path_ + "/" + kArchiveManifest);
  folders_.clear();
  std::string format;
  std::size_t members = 0;
  const auto one = [&]() -> Result<void> {
    JsonMember member;
    if (++members > archive::kMaxMembers) {
      return json.refuse("more members than an archive can have");
    }
    IMG_TRY(parse_member(json, member));
    return use(member);
  };
  IMG_TRY(archive::each_member(json, [&](std::string_view key) -> Result<void> {
    if (key == "members") {
      return archive::each_item(json, one);
    }
    return key == "format"        ? archive::take_text(json, format)
           : key == "compression" ? archive::take_text(json, compression_)
           : key == "folders"     ? archive::take_texts(json, folders_)
           : key == "tail"        ? take_base64(json, tail_)
                                  : json.skip();
  }));
  IMG_TRY(json.end());
  if (format != kArchiveFormat || folders_.empty()) {
    return json.refuse("not the archive.json of an archive");
  }
  return {};
}

Result<std::unique_ptr<model::ImageReader>> JsonArchiveReader::open(const std::string& path,
                                                                    const OpenOptions& options) {
  auto reader = std::make_unique<JsonArchiveReader>();
  reader->path_ = path;
  IMG_ASSIGN(reader->directory_, open_directory(AT_FDCWD, path, path));
  IMG_ASSIGN(reader->manifest_, map_below(reader->directory_.get(), kArchiveManifest, path));
  reader->not_of_image_.insert(kArchiveManifest);
  IMG_TRY(reader->parse([&](const JsonMember& one) -> Result<void> {
    const std::string& member = one.member.path;
    if (one.level == 0 || member.find('/') != std::string::npos) {
      reader->not_of_image_.insert(member.substr(0, member.find('/')));
    }
    return {};
  }));
  const std::string& folder = reader->folders_.back();
  std::string why;
  if (!folder.empty() && clean_path(folder, &why) != folder) {
    return fail(Fault::corrupt, path + "/" + kArchiveManifest, "names a folder that " + why);
  }
  IMG_ASSIGN(reader->image_, json::open_directory(folder.empty() ? path : path + "/" + folder,
                                                  {options.on_damage}));
  archive::build_header(reader->header_, reader->image_->header(), archive::container_of(*reader));
  return std::unique_ptr<ImageReader>(std::move(reader));
}

Result<std::vector<FileKey>> JsonArchiveReader::files() {
  IMG_ASSIGN(std::vector<FileKey> all, image_->files());
  if (folders_.back().empty()) {
    std::erase_if(all, [&](FileKey file) {
      return file.kind == Kind::unknown_file && not_of_image_.contains(image_->file_name(file));
    });
  }
  all.push_back({Kind::archive, 0});
  all.push_back({Kind::archive_member, 0});
  return all;
}

Result<void> JsonArchiveReader::read(FileKey file, model::RecordSink& sink) {
  if (file.kind == Kind::archive) {
    flatbuffers::FlatBufferBuilder builder;
    builder.ForceDefaults(true);
    const auto how = std::ranges::find(kCompressionNames, compression_);
    const auto compression =
        how == kCompressionNames.end()
            ? schema::Compression::none
            : static_cast<schema::Compression>(how - kCompressionNames.begin());
    const auto folders = builder.CreateVectorOfStrings(folders_);
    builder.Finish(schema::CreateArchive(builder, compression, folders));
    return sink.record({{file, 1},
                        &schema::table_layout("Archive"),
                        std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize())),
                        {},
                        {{as_bytes(tail_)}}});
  }
  if (file.kind == Kind::archive_member) {
    std::uint64_t seq = 0;
    return parse([&](const JsonMember& member) { return send(++seq, member, sink); });
  }
  return image_->read(file, sink);
}

Result<void> JsonArchiveReader::send(std::uint64_t seq, const JsonMember& from,
                                     model::RecordSink& sink) const {
  flatbuffers::FlatBufferBuilder builder;
  archive::build_member(builder, from.member, static_cast<std::uint32_t>(from.level),
                        as_bytes(from.head));
  model::Record record{{{Kind::archive_member, 0}, seq},
                       &schema::table_layout("ArchiveMember"),
                       std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize())),
                       {},
                       {}};
  MappedFile content;
  if (from.level == 0 && from.member.type == MemberType::file) {
    IMG_ASSIGN(content, map_below(directory_.get(), from.member.path, path_));
    if (content.bytes().size() != from.member.size) {
      // A part may have been edited: then its size is what it is, and its old header is not.
      JsonMember edited = from;
      edited.member.size = content.bytes().size();
      archive::build_member(builder, edited.member, 0, {});
      record.flatbuffer = std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize()));
    }
    if (!content.bytes().empty()) {
      record.payload.parts.push_back(content.bytes());
    }
  }
  return sink.record(record);
}

}  // namespace

bool is_json_archive(const std::string& path) {
  const auto directory = open_directory(AT_FDCWD, path, path);
  const auto manifest = directory ? map_below(directory->get(), kArchiveManifest, path)
                                  : Result<MappedFile>(fail(directory.error()));
  return manifest &&
         as_text(manifest->bytes()).substr(0, 256).find(kArchiveFormat) != std::string_view::npos;
}

Result<std::unique_ptr<model::ImageReader>> open_json_archive(const std::string& path,
                                                              const OpenOptions& options) {
  return JsonArchiveReader::open(path, options);
}

}  // namespace img::convert
