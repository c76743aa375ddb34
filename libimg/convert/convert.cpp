// SPDX-License-Identifier: MIT
#include "libimg/convert/convert.h"

#include <algorithm>
#include <filesystem>

#include "libimg/base/staged.h"
#include "libimg/convert/archive_out.h"
#include "libimg/convert/chain.h"
#include "libimg/convert/cores_out.h"
#include "libimg/convert/directory_out.h"
#include "libimg/convert/oci.h"
#include "libimg/convert/open_image.h"
#include "libimg/convert/single_file.h"
#include "libimg/convert/store_in.h"
#include "libimg/merge/flat_reader.h"

namespace img::convert {
namespace {

class CountingBytes : public ByteSink {
 public:
  explicit CountingBytes(ByteSink& to) : to_(to) {}
  [[nodiscard]] Result<void> write(Bytes bytes) override {
    count += bytes.size();
    return to_.write(bytes);
  }
  std::uint64_t count = 0;

 private:
  ByteSink& to_;
};

Result<Outcome> made_one(const Destination& destination, std::uint64_t bytes) {
  Made made;
  made.place = destination.path;
  made.files = 1;
  made.bytes = bytes;
  Outcome outcome;
  outcome.levels.push_back(std::move(made));
  return outcome;
}

Result<Outcome> convert_file(const Source& source, const Destination& destination,
                             const Options& options) {
  if (destination.is_output()) {
    CountingBytes out(*options.output);
    IMG_TRY(convert_single(source, destination.form, out));
    if (destination.form == Form::json_file) {
      IMG_TRY(out.write(as_bytes("\n")));  // crit has one on standard output, and none in a file
    }
    return made_one(destination, out.count);
  }
  IMG_ASSIGN(StagedFile staged,
             StagedFile::create(destination.path, options.force ? Replace::yes : Replace::no));
  FdSink sink(staged.fd(), destination.path);
  CountingBytes out(sink);
  IMG_TRY(convert_single(source, destination.form, out));
  IMG_TRY(sink.flush());
  IMG_TRY(staged.commit());
  return made_one(destination, out.count);
}

Result<Outcome> without_settings(Result<Outcome> outcome, model::ImageReader& newest) {
  if (outcome) {
    IMG_ASSIGN(const std::vector<model::FileKey> files, newest.files());
    outcome->settings_left_out = static_cast<std::uint64_t>(std::ranges::count(
        files, schema::Kind::settings, [](const model::FileKey& file) { return file.kind; }));
  }
  return outcome;
}

}  // namespace

Result<Outcome> convert(const Source& source, const Destination& destination,
                        const Options& options) {
  if (destination.form == Form::criu_file || destination.form == Form::json_file) {
    return convert_file(source, destination, options);
  }
  IMG_ASSIGN(std::unique_ptr<model::ImageReader> newest, open_image(source, {{}, options.stop}));
  IMG_ASSIGN(const model::ImageReader* const parent, newest->parent());
  if (options.flatten && parent != nullptr) {
    IMG_ASSIGN(newest, merge::FlatReader::open(std::move(newest)));
  }
  if (destination.form == Form::core) {
    return write_cores(*newest, destination.path, options);
  }
  IMG_ASSIGN(const std::vector<model::ImageReader*> levels, levels_of(*newest));
  switch (destination.form) {
    case Form::store: return write_store(levels, destination, options);
    case Form::oci: return write_oci(levels, destination, options);
    case Form::archive:
      return without_settings(write_archive(levels, destination, options), *newest);
    case Form::criu:
    case Form::json:
      return without_settings(
          write_directories(levels, destination.form, destination.path, options), *newest);
    default: return not_in_this_version(destination.path, destination.form);
  }
}

}  // namespace img::convert
