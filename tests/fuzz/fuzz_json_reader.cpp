// SPDX-License-Identifier: MIT
// JSON of an image file. What is read without a complaint says the same when it is written and read
// again; and whatever the image file parser reads comes back from JSON byte for byte. Input: JSON
// text, which begins with `{`, or kind, flags (version, byte order) and an image file.
#include <filesystem>
#include <memory>

#include "libimg/criu/names.h"
#include "libimg/json/directory.h"
#include "libimg/json/file_in.h"
#include "libimg/json/file_out.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/scratch.h"

namespace {

using namespace img;

std::unique_ptr<criu::AnyComposer> composer_of(const criu::DirectoryForm& form,
                                               const criu::FileContext& context) {
  return form.composer({context.img_version, context.order});
}

struct Composing : model::RecordSink {
  explicit Composing(criu::AnyComposer& to) : composer(to) {}
  Result<void> record(const model::Record& record) override { return composer.record(record); }
  criu::AnyComposer& composer;
};

/// The file `from` in another form; nothing if it cannot be read.
std::optional<std::string> transformed(criu::AnyParser& parser, const criu::FileContext& context,
                                       model::FileKey key, std::string_view from,
                                       const criu::DirectoryForm& to) {
  const auto composer = composer_of(to, context);
  StringSink out;
  composer->begin(key, out);
  Composing sink(*composer);
  if (!parser.parse(context, key, "input", as_bytes(from), sink)) {
    return std::nullopt;
  }
  fuzz::must_hold(composer->finish().has_value(), "what was read can be written");
  return std::move(out.text);
}

void text_input(std::string_view text) {
  static json::FileIn in(temporary_directory());
  const auto kind = json::kind_of_text(as_bytes(text), "input");
  if (!kind) {
    return;
  }
  const model::FileKey key{(*kind)->kind, 7};
  const auto once = transformed(in, {}, key, text, json::json_form());
  if (once) {
    const auto twice = transformed(in, {}, key, *once, json::json_form());
    fuzz::must_hold(twice.has_value(), "what was written can be read");
    fuzz::must_hold(*once == *twice, "it says the same");
  }
}

void image_input(const schema::KindInfo& info, unsigned flags, std::string_view file) {
  static json::FileIn in(temporary_directory());
  static criu::FileParser parser;
  if (info.crit_name.empty()) {
    return;
  }
  criu::FileContext context;
  context.img_version = (flags & 1U) != 0 ? 1 : 2;
  context.order.swapped = (flags & 2U) != 0;
  const model::FileKey key{info.kind, 7};
  const auto text = transformed(parser, context, key, file, json::json_form());
  if (text) {
    const auto back = transformed(in, context, key, *text, criu::criu_form());
    fuzz::must_hold(back.has_value(), "JSON of a good file can be read");
    fuzz::must_hold(*back == file, "the file comes back");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (input.starts_with('{')) {
    text_input(input);
  } else if (size >= 2) {
    const auto kinds = schema::kinds();
    image_input(kinds[data[0] % kinds.size()], data[1], input.substr(2));
  }
  return 0;
}

std::vector<std::string> img::fuzz::seeds() {
  std::vector<std::string> out;
  namespace fs = std::filesystem;
  criu::FileParser parser;
  for (const auto& entry : fs::recursive_directory_iterator(STASIS_FIXTURES "/dumps")) {
    const auto key = criu::parse_file_name(entry.path().filename().string());
    if (!entry.is_regular_file() || entry.is_symlink() || !key || entry.file_size() > 8192 ||
        schema::kind_info(key->kind).crit_name.empty()) {
      continue;
    }
    const std::string bytes = test::slurp(entry.path());
    const auto kinds = schema::kinds();
    const auto index = &schema::kind_info(key->kind) - kinds.data();
    out.push_back(std::string{static_cast<char>(index), '\0'} + bytes);
    if (const auto text = transformed(parser, {}, *key, bytes, json::json_form())) {
      out.push_back(*text);
    }
  }
  return out;
}
