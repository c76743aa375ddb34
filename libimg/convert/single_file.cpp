// SPDX-License-Identifier: MIT
#include "libimg/convert/single_file.h"

#include <filesystem>

#include "libimg/criu/directory_writer.h"
#include "libimg/criu/names.h"
#include "libimg/json/file_out.h"

namespace img::convert {
namespace {

using criu::WordOrder;

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
  single.name = source.path == "-" ? "standard input" : source.path;
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

Result<void> convert_single(const Source& source, Form to, ByteSink& out) {
  if (source.form == Form::json_file) {
    return fail(Fault::unsupported, source.path, "JSON is not read yet");
  }
  IMG_ASSIGN(const SingleFile single, identify(source));
  if (to == Form::criu_file) {
    return out.write(source.bytes->bytes());
  }
  json::FileOut json;
  json.start(schema::kind_info(single.key.kind), out, {});
  IMG_TRY(read_single(source, json));
  return json.finish();
}

}  // namespace img::convert
