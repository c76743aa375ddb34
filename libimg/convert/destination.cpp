// SPDX-License-Identifier: MIT
#include "libimg/convert/destination.h"

#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <filesystem>

namespace img::convert {
namespace {

namespace fs = std::filesystem;

bool is_single(Form form) {
  return form == Form::criu_file || form == Form::json_file;
}

std::optional<Form> form_of_suffix(std::string_view path) {
  constexpr std::array<std::pair<std::string_view, Form>, 5> kSuffixes = {
      {{".tar", Form::archive},
       {".tar.gz", Form::archive},
       {".tar.zst", Form::archive},
       {".store", Form::store},
       {".json", Form::json}}};
  while (path.size() > 1 && path.ends_with('/')) {
    path.remove_suffix(1);
  }
  for (const auto& [suffix, form] : kSuffixes) {
    if (path.ends_with(suffix)) {
      return form;
    }
  }
  return std::nullopt;
}

// The form of what is there, if that says anything: an empty directory can become anything.
Result<std::optional<Form>> form_of_what_is_there(const std::string& path, bool* exists) {
  struct stat there {};
  if (::stat(path.c_str(), &there) != 0) {
    if (errno != ENOENT) {
      return fail(sys_error(errno, path, "look at destination"));
    }
    *exists = false;
    return std::optional<Form>();
  }
  *exists = true;
  std::error_code error;
  if (S_ISDIR(there.st_mode) && fs::is_empty(path, error)) {
    return std::optional<Form>();
  }
  if (Result<Source> known = recognise(path, {}); known && known->form != Form::collection) {
    return std::optional(known->form);
  }
  return std::optional<Form>();
}

// A file becomes the other of its two forms, unless a suffix or --to says otherwise.
Result<Form> single_form(const std::string& argument, std::optional<Form> to, Form source) {
  if (to && *to != Form::criu && *to != Form::json) {
    return fail(Fault::usage, argument, "one image file becomes only an image file or JSON");
  }
  const bool to_json = to ? *to == Form::json
                          : (argument.ends_with(".json") ||
                             (source == Form::criu_file && !argument.ends_with(".img")));
  return to_json ? Form::json_file : Form::criu_file;
}

Result<Form> whole_form(const std::string& argument, std::optional<Form> to,
                        std::optional<Form> there) {
  std::optional<Form> form = to;
  form = form ? form : there;
  form = form ? form : form_of_suffix(argument);
  if (!form) {
    return fail(Fault::usage, argument, "cannot tell what to make", {},
                "--to one of " + std::string(kFormList));
  }
  if (argument == "-" && *form != Form::archive) {
    return fail(Fault::usage, "standard output", "takes an archive, an image file or JSON",
                "this would be a " + std::string(form_name(*form)));
  }
  return *form;
}

}  // namespace

Result<Destination> choose_destination(const std::string& argument, std::optional<Form> to,
                                       const Source& source) {
  Destination destination;
  destination.path = argument;
  std::optional<Form> there;
  if (argument != "-") {
    IMG_ASSIGN(there, form_of_what_is_there(argument, &destination.exists));
  } else if (!to && !is_single(source.form)) {
    to = Form::archive;
  }
  if (is_single(source.form)) {
    IMG_ASSIGN(destination.form, single_form(argument, to, source.form));
  } else {
    IMG_ASSIGN(destination.form, whole_form(argument, to, there));
  }
  return destination;
}

}  // namespace img::convert
