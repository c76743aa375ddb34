// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "libimg/archive/reader.h"
#include "libimg/base/base64.h"
#include "libimg/base/file.h"
#include "libimg/base/json_writer.h"
#include "libimg/convert/image_files.h"
#include "libimg/convert/json_archive.h"
#include "schema/archive_generated.h"

namespace img::convert {
namespace {

using archive::clean_path;
using schema::Kind;
using schema::MemberType;

class FoldersSink : public model::RecordSink {
 public:
  Result<void> record(const model::Record& record) override {
    if (record.key.seq != 0) {
      for (const auto* folder : *record.as<schema::Archive>()->folders()) {
        std::string why;
        if (folder->size() > 0 && clean_path(folder->string_view(), &why) != folder->str()) {
          return fail(Fault::corrupt, folder->str(), "cannot be a folder of an archive", why);
        }
        folders.push_back(folder->str());
      }
    }
    return {};
  }
  std::vector<std::string> folders;
};

/// archive.json and the parts, as the records come.
class PartsOut : public model::RecordSink {
 public:
  PartsOut(int directory, std::string place, int manifest)
      : directory_(directory),
        place_(std::move(place)),
        out_(manifest, place_ + "/" + kArchiveManifest),
        json_([this](std::string_view text) {
          if (written_) {
            written_ = out_.write(as_bytes(text));
          }
        }) {}

  Result<void> record(const model::Record& record) override {
    if (record.key.seq == 0) {
      return {};
    }
    if (record.key.file.kind == Kind::archive) {
      about(*record.as<schema::Archive>(), record.payload);
    } else {
      const auto& member = *record.as<schema::ArchiveMember>();
      describe(member);
      IMG_TRY(unpack(member, record.payload));
    }
    return written_;
  }
  Result<void> finish() {
    json_.end_to(0);
    json_.flush();
    IMG_TRY(written_);
    return out_.flush();
  }

 private:
  void about(const schema::Archive& archive, const model::Payload& tail) {
    json_.begin_object();
    json_.text("format", kArchiveFormat);
    json_.text("compression", kCompressionNames[static_cast<std::size_t>(archive.compression()) %
                                                kCompressionNames.size()]);
    std::vector<std::string> folders;
    for (const auto* folder : *archive.folders()) {
      folders.push_back(folder->str());
    }
    json_.texts("folders", folders);
    std::string end;
    for (const Bytes part : tail.parts) {
      end += as_text(part);
    }
    json_.text("tail", base64(as_bytes(end)));
    json_.begin_array("members");
  }

  void describe(const schema::ArchiveMember& member) {
    const auto text = [&](std::string_view key, const flatbuffers::String* value) {
      if (value != nullptr && value->size() > 0) {
        json_.text(key, value->string_view());
      }
    };
    json_.begin_object();
    text("path", member.path());
    json_.text("type", kMemberTypes[static_cast<std::size_t>(member.type()) % kMemberTypes.size()]);
    json_.number("level", member.level());
    json_.number("mode", member.mode());
    json_.number("uid", member.uid());
    json_.number("gid", member.gid());
    text("user", member.user());
    text("group", member.group());
    json_.number_signed("mtime", member.mtime());
    json_.number("mtime_ns", member.mtime_ns());
    text("target", member.target());
    json_.number("size", member.size());
    if (member.head() != nullptr) {
      json_.text("head",
                 base64(std::as_bytes(std::span(member.head()->data(), member.head()->size()))));
    }
    json_.end();
  }

  Result<void> unpack(const schema::ArchiveMember& member, const model::Payload& payload) {
    const std::string path = member.path()->str();
    std::string why;
    if (clean_path(path.empty() ? "." : path, &why) != path) {
      return fail(Fault::corrupt, path, "cannot be a member of an archive", why);
    }
    if (member.type() == MemberType::directory) {
      return path.empty() ? Result<void>{} : make(path);
    }
    if (member.level() != 0 || member.type() == MemberType::hard_link) {
      return {};
    }
    IMG_ASSIGN(const UniqueFd folder, make_folders(directory_, archive::folder_of(path), place_));
    const std::string name(archive::name_of(path));
    if (member.type() == MemberType::symbolic_link) {
      // Only what is followed when the directory is read again.
      const std::string target = member.target() == nullptr ? "" : member.target()->str();
      if (name == "parent" && archive::stays_inside(path, target) &&
          ::symlinkat(target.c_str(), folder.get(), name.c_str()) != 0) {
        return fail(sys_error(errno, place_ + "/" + path, "make the link"));
      }
      return {};
    }
    IMG_ASSIGN(const UniqueFd file, create_file(folder.get(), name, place_ + "/" + path));
    for (const Bytes part : payload.parts) {
      IMG_TRY(write_all(file.get(), part, place_ + "/" + path));
    }
    return {};
  }

  Result<void> make(const std::string& path) {
    IMG_ASSIGN(const UniqueFd folder, make_folders(directory_, path, place_));
    return {};
  }

  int directory_;
  std::string place_;
  FdSink out_;
  Result<void> written_;
  JsonWriter json_;
};

}  // namespace

Result<std::vector<std::string>> archive_folders(model::ImageReader& newest) {
  FoldersSink sink;
  IMG_TRY(newest.read({Kind::archive, 0}, sink));
  return sink.folders;
}

Result<UniqueFd> make_folders(int directory, std::string_view path, const std::string& place) {
  IMG_ASSIGN(UniqueFd at, open_directory(directory, ".", place));
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string name(path.substr(0, slash));
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
    if (::mkdirat(at.get(), name.c_str(), 0700) != 0 && errno != EEXIST) {
      return fail(sys_error(errno, place + "/" + name, "create directory"));
    }
    UniqueFd next(
        ::openat(at.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    if (!next.is_open()) {
      return fail(sys_error(errno, place + "/" + name, "open directory"));
    }
    at = std::move(next);
  }
  return at;
}

Result<void> write_archive_parts(model::ImageReader& newest, int directory,
                                 const std::string& place) {
  IMG_ASSIGN(const UniqueFd manifest,
             create_file(directory, kArchiveManifest, place + "/" + kArchiveManifest));
  PartsOut parts(directory, place, manifest.get());
  IMG_TRY(newest.read({Kind::archive, 0}, parts));
  IMG_TRY(newest.read({Kind::archive_member, 0}, parts));
  return parts.finish();
}

}  // namespace img::convert
