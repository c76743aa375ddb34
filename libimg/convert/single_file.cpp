// SPDX-License-Identifier: MIT
#include "libimg/convert/single_file.h"

#include <filesystem>

#include "libimg/base/spool.h"
#include "libimg/criu/directory_writer.h"
#include "libimg/criu/names.h"
#include "libimg/json/directory.h"
#include "libimg/json/file_in.h"

namespace img::convert {
namespace {

using criu::WordOrder;

std::string name_of(const Source& source) {
  return source.path == "-" ? "standard input" : source.path;
}

// The magic that says the kind: the second word where the first is common to all.
std::uint32_t kind_magic(Bytes file, WordOrder order) {
  const std::uint32_t first = order.get32(file.data());
  const bool is_common = first == criu::kCommonMagic || first == criu::kServiceMagic;
  return is_common && file.size() >= 8 ? order.get32(file.data() + 4) : first;
}

const schema::KindInfo* kind_of_magic(std::uint32_t magic) {
  for (const schema::KindInfo& kind : schema::kinds()) {
    if (kind.magic != 0 && kind.magic == magic) {
      return &kind;
    }
  }
  return nullptr;
}

}  // namespace

Result<SingleFile> identify(const Source& source) {
  const Bytes file = source.bytes->bytes();
  SingleFile single;
  single.name = name_of(source);
  if (file.size() < 4) {
    return fail(Fault::corrupt, single.name, "too short for a magic");
  }
  const schema::KindInfo* kind = kind_of_magic(kind_magic(file, {}));
  if (kind == nullptr) {
    single.context.order.swapped = true;
    kind = kind_of_magic(kind_magic(file, single.context.order));
  }
  if (kind == nullptr) {
    return fail(Fault::corrupt, single.name, "no known magic");
  }
  const auto by_name =
      criu::parse_file_name(std::filesystem::path(source.path).filename().string());
  const bool name_fits = by_name && schema::kind_info(by_name->kind).magic == kind->magic;
  single.key = name_fits ? *by_name : model::FileKey{kind->kind, 0};
  return single;
}

Result<void> read_single(const Source& source, model::RecordSink& sink) {
  IMG_ASSIGN(const SingleFile single, identify(source));
  criu::FileParser parser;
  return parser.parse(single.context, single.key, single.name, source.bytes->bytes(), sink);
}

namespace {

/// Records into the bytes of one file of either form; it has no memory beside it.
class ComposedFile : public model::RecordSink {
 public:
  ComposedFile(std::unique_ptr<criu::AnyComposer> composer, ByteSink& out)
      : composer_(std::move(composer)), out_(out) {}

  Result<void> record(const model::Record& record) override {
    begin(record.key.file);  // a core that is a zombie's says so here
    return composer_->record(record);
  }
  /// `file` is for one that had no record.
  [[nodiscard]] Result<void> finish(model::FileKey file) {
    begin(file);
    return composer_->finish();
  }

 private:
  void begin(model::FileKey file) {
    if (!has_begun_) {
      composer_->begin(file, out_);
      has_begun_ = true;
    }
  }

  std::unique_ptr<criu::AnyComposer> composer_;
  ByteSink& out_;
  bool has_begun_ = false;
};

Result<void> json_to_image(const Source& source, ByteSink& out) {
  const Bytes text = source.bytes->bytes();
  const std::string name = std::filesystem::path(source.path).filename().string();
  IMG_ASSIGN(const model::FileKey key, json::identify_text(text, name));
  criu::WriterOptions options;
  if (key.kind == schema::Kind::inventory) {
    options.order = json::json_form().order_of(text);
  }
  ComposedFile image(criu::criu_form().composer(options), out);
  json::FileIn json(temporary_directory());
  IMG_TRY(json.parse({}, key, name_of(source), text, image));
  return image.finish(key);
}

}  // namespace

Result<void> show_records(model::ImageReader& image, model::FileKey file,
                          const json::WriteOptions& options, ByteSink& out) {
  ComposedFile json(json::make_composer(options), out);
  IMG_TRY(image.read(file, json));
  return json.finish(file);
}

Result<void> show_single(const Source& source, json::WriteOptions options, ByteSink& out) {
  IMG_ASSIGN(const SingleFile single, identify(source));
  options.order = single.context.order;
  ComposedFile json(json::make_composer(options), out);
  IMG_TRY(read_single(source, json));
  return json.finish(single.key);
}

Result<void> convert_single(const Source& source, Form to, ByteSink& out) {
  if (source.form == to) {
    return out.write(source.bytes->bytes());
  }
  return to == Form::json_file ? show_single(source, {}, out) : json_to_image(source, out);
}

}  // namespace img::convert
