// SPDX-License-Identifier: MIT
#include "libimg/archive/oci_layout.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <stdio.h>

#include <cerrno>

#include "libimg/archive/json_members.h"
#include "libimg/base/file.h"
#include "libimg/base/json_writer.h"

namespace img::archive {
namespace {

constexpr std::string_view kTagKey = "org.opencontainers.image.ref.name";
// Of a manifest or an index; real ones are a few thousand.
constexpr std::uint64_t kMaxJson = std::uint64_t{4} << 20;
constexpr std::size_t kMaxImages = 100'000;

using json::Parser;

Result<std::string> small_file(int directory, const std::string& name, const std::string& thing) {
  IMG_ASSIGN(const UniqueFd fd, open_regular(directory, name, O_RDONLY, thing));
  IMG_ASSIGN(const std::uint64_t size, file_size(fd.get(), thing));
  if (size > kMaxJson) {
    return fail(Fault::limit, thing, "larger than 4 MiB");
  }
  std::string text(size, '\0');
  IMG_TRY(read_at(fd.get(), 0, std::as_writable_bytes(std::span(text)), thing));
  return text;
}

std::string blob_path(const std::string& digest) {
  return "blobs/sha256/" + digest.substr(digest.find(':') + 1);
}

Result<void> read_annotations(Parser& json, std::map<std::string, std::string>& to) {
  return each_member(json,
                     [&](std::string_view key) { return take_text(json, to[std::string(key)]); });
}

Result<void> read_blob(Parser& json, OciBlob& blob, std::map<std::string, std::string>* notes) {
  IMG_TRY(each_member(json, [&](std::string_view key) -> Result<void> {
    if (key == "annotations" && notes != nullptr) {
      return read_annotations(json, *notes);
    }
    if (key == "size") {
      return take_number(json, blob.size);
    }
    std::string* const to = key == "mediaType" ? &blob.media_type
                            : key == "digest"  ? &blob.digest
                                               : nullptr;
    return to == nullptr ? json.skip() : take_text(json, *to);
  }));
  return is_sha256_digest(blob.digest) ? Result<void>{}
                                       : json.refuse("no SHA-256 digest where there must be one");
}

Result<void> read_manifest(const std::string& path, OciImage& image) {
  IMG_ASSIGN(const auto bytes, open_oci_blob(path, image.manifest));
  const std::string_view text = as_text(bytes->bytes());
  if (text.size() > kMaxJson) {
    return fail(Fault::limit, path + "/" + blob_path(image.manifest.digest), "larger than 4 MiB");
  }
  Parser json(text, path + "/" + blob_path(image.manifest.digest));
  IMG_TRY(each_member(json, [&](std::string_view key) -> Result<void> {
    if (key == "config") {
      return read_blob(json, image.config, nullptr);
    }
    if (key == "annotations") {
      return read_annotations(json, image.annotations);
    }
    return key == "layers"
               ? each_item(json,
                           [&] { return read_blob(json, image.layers.emplace_back(), nullptr); })
               : json.skip();
  }));
  return json.end();
}

void write_blob(JsonWriter& json, std::string_view key, const OciBlob& blob) {
  json.begin_object(key);
  json.text("mediaType", blob.media_type);
  json.text("digest", blob.digest);
  json.number("size", blob.size);
}

void write_annotations(JsonWriter& json, const std::map<std::string, std::string>& all) {
  json.begin_object("annotations");
  for (const auto& [key, value] : all) {
    json.text(key, value);
  }
  json.end();
}

std::string manifest_text(const OciImage& image) {
  std::string text;
  JsonWriter json([&text](std::string_view piece) { text += piece; });
  json.begin_object();
  json.number("schemaVersion", 2);
  json.text("mediaType", kOciManifest);
  write_blob(json, "config", image.config);
  json.end();
  json.begin_array("layers");
  for (const OciBlob& layer : image.layers) {
    write_blob(json, {}, layer);
    json.end();
  }
  json.end();
  write_annotations(json, image.annotations);
  json.end_to(0);
  json.flush();
  return text;
}

std::string index_text(const OciImage& image) {
  std::string text;
  JsonWriter json([&text](std::string_view piece) { text += piece; });
  json.begin_object();
  json.number("schemaVersion", 2);
  json.text("mediaType", "application/vnd.oci.image.index.v1+json");
  json.begin_array("manifests");
  write_blob(json, {}, image.manifest);
  write_annotations(json, {{std::string(kTagKey), image.tag}});
  json.end_to(0);
  json.flush();
  return text;
}

Result<void> write_file(int directory, const std::string& name, std::string_view text,
                        const std::string& place) {
  IMG_ASSIGN(const UniqueFd fd, create_file(directory, name, place + "/" + name));
  return write_all(fd.get(), as_bytes(text), place + "/" + name);
}

}  // namespace

Result<std::vector<OciImage>> read_oci_images(const std::string& path) {
  IMG_ASSIGN(const UniqueFd directory, open_directory(AT_FDCWD, path, path));
  IMG_ASSIGN(const std::string text,
             small_file(directory.get(), "index.json", path + "/index.json"));
  std::vector<OciImage> images;
  Parser json(text, path + "/index.json");
  const auto one = [&]() -> Result<void> {
    if (images.size() == kMaxImages) {
      return json.refuse("more than 100,000 images");
    }
    OciImage& image = images.emplace_back();
    std::map<std::string, std::string> notes;
    IMG_TRY(read_blob(json, image.manifest, &notes));
    image.tag = notes[std::string(kTagKey)];
    return {};
  };
  IMG_TRY(each_member(json, [&](std::string_view key) {
    return key == "manifests" ? each_item(json, one) : json.skip();
  }));
  IMG_TRY(json.end());
  for (OciImage& image : images) {
    IMG_TRY(read_manifest(path, image));
  }
  return images;
}

Result<std::shared_ptr<const MappedFile>> open_oci_blob(const std::string& path,
                                                        const OciBlob& blob) {
  const std::string thing = path + "/" + blob_path(blob.digest);
  IMG_ASSIGN(const UniqueFd directory, open_directory(AT_FDCWD, path + "/blobs/sha256", path));
  IMG_ASSIGN(const UniqueFd fd,
             open_regular(directory.get(), blob.digest.substr(blob.digest.find(':') + 1), O_RDONLY,
                          thing));
  IMG_ASSIGN(const std::uint64_t size, file_size(fd.get(), thing));
  if (size != blob.size) {
    return fail(Fault::corrupt, thing, fmt::format("has {} bytes, not {}", size, blob.size));
  }
  IMG_ASSIGN(MappedFile mapped, MappedFile::map(fd.get(), size, thing));
  if (sha256_of(mapped.bytes()) != blob.digest) {
    return fail(Fault::corrupt, thing, "is not what its name says", "its SHA-256 is another");
  }
  return std::make_shared<const MappedFile>(std::move(mapped));
}

Result<OciWriter> OciWriter::create(int directory, std::string place) {
  OciWriter writer;
  writer.place_ = std::move(place);
  IMG_ASSIGN(writer.directory_, open_directory(directory, ".", writer.place_));
  IMG_ASSIGN(const UniqueFd blobs, create_directory(directory, "blobs", writer.place_ + "/blobs"));
  IMG_ASSIGN(writer.blobs_,
             create_directory(blobs.get(), "sha256", writer.place_ + "/blobs/sha256"));
  return writer;
}

Result<std::unique_ptr<OciWriter::Blob>> OciWriter::begin_blob() {
  const std::string name = "begun-" + std::to_string(++begun_);
  IMG_ASSIGN(UniqueFd fd, create_file(blobs_.get(), name, place_ + "/blobs/sha256/" + name));
  return std::unique_ptr<Blob>(new Blob(std::move(fd), name));
}

Result<OciBlob> OciWriter::end_blob(Blob& blob, std::string_view media_type) {
  IMG_TRY(blob.out_.flush());
  OciBlob made{std::string(media_type), blob.hash_.digest(), blob.hash_.size()};
  const std::string name = made.digest.substr(made.digest.find(':') + 1);
  // Equal bytes have one name; the later replaces the same.
  if (::renameat(blobs_.get(), blob.name_.c_str(), blobs_.get(), name.c_str()) != 0) {
    return fail(sys_error(errno, place_ + "/blobs/sha256/" + name, "rename into place"));
  }
  return made;
}

Result<OciBlob> OciWriter::add_blob(Bytes bytes, std::string_view media_type) {
  IMG_ASSIGN(const std::unique_ptr<Blob> blob, begin_blob());
  IMG_TRY(blob->write(bytes));
  return end_blob(*blob, media_type);
}

Result<void> OciWriter::finish(OciImage image) {
  IMG_ASSIGN(image.manifest, add_blob(as_bytes(manifest_text(image)), kOciManifest));
  IMG_TRY(write_file(directory_.get(), "oci-layout", R"({"imageLayoutVersion": "1.0.0"})", place_));
  return write_file(directory_.get(), "index.json", index_text(image), place_);
}

}  // namespace img::archive
