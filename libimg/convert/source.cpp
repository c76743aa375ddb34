// SPDX-License-Identifier: MIT
#include "libimg/convert/source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>

#include "libimg/base/image_name.h"
#include "libimg/base/text.h"
#include "libimg/base/unique_fd.h"
#include "libimg/convert/json_archive.h"
#include "libimg/convert/sniff.h"
#include "libimg/convert/spool.h"

namespace img::convert {
namespace {

namespace fs = std::filesystem;

struct FormWord {
  Form form;
  std::string_view word;  // empty: not for the command line
  std::string_view name;
};
constexpr std::array<FormWord, 9> kForms = {{{Form::store, "store", "store"},
                                             {Form::criu, "criu", "CRIU directory"},
                                             {Form::json, "json", "JSON directory"},
                                             {Form::archive, "archive", "checkpoint archive"},
                                             {Form::oci, "oci", "OCI layout"},
                                             {Form::core, "core", "core directory"},
                                             {Form::criu_file, "", "CRIU image file"},
                                             {Form::json_file, "", "JSON of an image file"},
                                             {Form::collection, "", "collection"}}};

constexpr std::string_view kLookedFor =
    "looked for a store (data.mdb), CRIU image files, an archive (tar, gzip, zstd), an OCI layout "
    "(oci-layout) and crit's JSON";

Failure known_but_not_read(const std::string& path, std::string_view format) {
  return fail(Fault::unsupported, path, "cannot be read",
              std::string(format) + ", which is known but not read");
}

bool is_dmtcp_name(std::string_view name) {
  return name.starts_with("ckpt_") && name.ends_with(".dmtcp");
}

// The first bytes of a regular file; nothing for anything else. Never blocks on a fifo.
std::optional<std::vector<std::byte>> head_of(int folder, const std::string& name) {
  const UniqueFd fd(::openat(folder, name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat there {};
  if (!fd.is_open() || ::fstat(fd.get(), &there) != 0 || !S_ISREG(there.st_mode)) {
    return std::nullopt;
  }
  std::vector<std::byte> head(kSniffBytes);
  const ssize_t count = ::pread(fd.get(), head.data(), head.size(), 0);
  head.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  return head;
}

Content content_of(int folder, const std::string& name) {
  const auto head = head_of(folder, name);
  return head ? sniff(*head) : Content::unknown;
}

Result<std::vector<std::string>> names_in(const std::string& path) {
  std::error_code error;
  std::vector<std::string> names;
  for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
    std::string name = at->path().filename().string();
    if (!name.starts_with('.')) {  // what is being written is hidden
      names.push_back(std::move(name));
    }
  }
  if (error) {
    return fail(sys_error(error.value(), path, "list directory"));
  }
  std::ranges::sort(names);
  return names;
}

bool has(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::binary_search(names, name);
}

// Nothing: a folder that may be a collection.
Result<std::optional<Form>> directory_form(const std::string& path,
                                           const std::vector<std::string>& names) {
  if (has(names, "data.mdb")) {
    return Form::store;
  }
  if (has(names, "oci-layout")) {
    return Form::oci;
  }
  if (has(names, kArchiveManifest) && is_json_archive(path)) {
    return Form::json;
  }
  if (has(names, "cipher.img")) {
    return known_but_not_read(path, "encrypted images of CRIU (cipher.img)");
  }
  if (has(names, "inventory.img")) {
    return Form::criu;
  }
  const UniqueFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  bool has_json = false;
  for (const std::string& name : names) {
    if (is_dmtcp_name(name)) {
      return known_but_not_read(path, "a checkpoint of DMTCP (" + name + ")");
    }
    if (name.ends_with(".img") && content_of(folder.get(), name) == Content::criu) {
      return Form::criu;
    }
    has_json = has_json ||
               (name.ends_with(".json") && content_of(folder.get(), name) == Content::criu_json);
  }
  return has_json ? std::optional(Form::json) : std::nullopt;
}

Result<std::optional<Form>> file_form(const std::string& path, std::string_view name,
                                      Content content) {
  switch (content) {
    case Content::criu: return Form::criu_file;
    case Content::criu_json: return Form::json_file;
    case Content::dmtcp: return known_but_not_read(path, "a checkpoint of DMTCP");
    case Content::streamed: return known_but_not_read(path, "a shard of criu-image-streamer");
    case Content::tar:
    case Content::zstd:
    case Content::gzip:
      if (is_dmtcp_name(name)) {
        return known_but_not_read(path, "a checkpoint of DMTCP");
      }
      return Form::archive;
    case Content::json:
    case Content::unknown: break;
  }
  return std::optional<Form>();
}

Result<Source> recognise_path(const std::string& path, bool may_collect);

Result<Source> recognise_collection(const std::string& path,
                                    const std::vector<std::string>& names) {
  Source source{Form::collection, path, {}, {}, {}};
  for (const std::string& name : names) {
    // A member that is known and not read, or not readable, is not what makes a collection; one
    // that is damaged still has a form.
    if (Result<Source> member = recognise_path(path + "/" + name, false)) {
      if (member->form != Form::criu_file && member->form != Form::json_file) {
        source.members.push_back(std::move(*member));
      }
    }
  }
  if (source.members.empty()) {
    return fail(Fault::unsupported, path, "no known kind of image", std::string(kLookedFor));
  }
  return source;
}

Result<Source> recognise_directory(const std::string& path, bool may_collect) {
  IMG_ASSIGN(const std::vector<std::string> names, names_in(path));
  IMG_ASSIGN(const std::optional<Form> form, directory_form(path, names));
  if (form) {
    return Source{*form, path, {}, {}, {}};
  }
  if (!may_collect) {
    return fail(Fault::unsupported, path, "no known kind of image", std::string(kLookedFor));
  }
  return recognise_collection(path, names);
}

Result<Source> recognise_file(const std::string& path, int fd) {
  IMG_ASSIGN(MappedFile mapped, map_regular(fd, path));
  const std::string name = fs::path(path).filename().string();
  IMG_ASSIGN(const std::optional<Form> form, file_form(path, name, sniff(mapped.bytes())));
  if (!form) {
    return fail(Fault::unsupported, path, "no known kind of image", std::string(kLookedFor));
  }
  return Source{*form, path, {}, std::make_shared<const MappedFile>(std::move(mapped)), {}};
}

Result<Source> recognise_path(const std::string& path, bool may_collect) {
  // O_NONBLOCK: a fifo must not keep us waiting for its writer.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat there {};
  if (!fd.is_open() || ::fstat(fd.get(), &there) != 0) {
    return fail(sys_error(errno, path, "open"));
  }
  if (S_ISDIR(there.st_mode)) {
    return recognise_directory(path, may_collect);
  }
  if (!S_ISREG(there.st_mode)) {
    return fail(Fault::unsupported, path, "is neither a file nor a directory", {},
                "- reads standard input");
  }
  return recognise_file(path, fd.get());
}

Result<Source> recognise_input(const SourceOptions& options) {
  IMG_ASSIGN(MappedFile mapped, spool(options.input, "standard input", options.stop));
  IMG_ASSIGN(const std::optional<Form> form,
             file_form("standard input", "", sniff(mapped.bytes())));
  if (!form) {
    return fail(Fault::unsupported, "standard input", "no known kind of image",
                "looked for an image file of CRIU, crit's JSON and an archive (tar, gzip, zstd)");
  }
  return Source{*form, "-", {}, std::make_shared<const MappedFile>(std::move(mapped)), {}};
}

// A path that is there is never split, whatever it is called.
std::pair<std::string, std::string> split_argument(const std::string& argument) {
  const std::size_t at = argument.rfind("::");
  if (at == std::string::npos || at == 0 || ::access(argument.c_str(), F_OK) == 0) {
    return {argument, ""};
  }
  return {argument.substr(0, at), argument.substr(at + 2)};
}

}  // namespace

std::string_view form_name(Form form) {
  for (const FormWord& known : kForms) {
    if (known.form == form) {
      return known.name;
    }
  }
  return "";
}

Result<Form> parse_form(std::string_view text) {
  for (const FormWord& known : kForms) {
    if (!text.empty() && known.word == text) {
      return known.form;
    }
  }
  return fail(Fault::usage, escaped(text, 100), "no such kind", {},
              "one of " + std::string(kFormList));
}

std::string Source::place() const {
  return image.empty() ? path : path + "::" + image;
}

Result<Source> recognise(const std::string& argument, const SourceOptions& options) {
  auto [path, name] = split_argument(argument);
  if (!name.empty() && !options.image.empty() && name != options.image) {
    return fail(Fault::usage, argument, "names one image, and -i another");
  }
  name = name.empty() ? options.image : name;
  if (!name.empty()) {
    IMG_TRY(check_image_name(name));
  }
  const bool from_input = path == "-";
  IMG_ASSIGN(Source source, from_input ? recognise_input(options) : recognise_path(path, true));
  source.image = std::move(name);
  const auto same = [&](Form form) {
    return form == source.form || (form == Form::criu && source.form == Form::criu_file) ||
           (form == Form::json && source.form == Form::json_file);
  };
  if (options.from && !same(*options.from)) {
    return fail(Fault::unsupported, source.path, "is not what --from says",
                "it is a " + std::string(form_name(source.form)));
  }
  return source;
}

std::optional<Source> chain_top(const Source& collection) {
  // Members are sorted as text, levels count as numbers.
  const std::size_t levels = collection.members.size();
  const auto member = [&](std::size_t level) {
    const std::string path = collection.path + "/" + std::to_string(level);
    return std::ranges::find(collection.members, path, &Source::path);
  };
  for (std::size_t level = 1; level <= levels; ++level) {
    const auto at = member(level);
    if (at == collection.members.end() || at->form != collection.members.front().form) {
      return std::nullopt;
    }
    std::error_code error;
    const fs::path link = fs::read_symlink(at->path + "/parent", error);
    const fs::path expected = level == 1 ? "" : "../" + std::to_string(level - 1);
    if (link != expected) {
      return std::nullopt;
    }
  }
  return levels == 0 ? std::nullopt : std::optional(*member(levels));
}

}  // namespace img::convert
