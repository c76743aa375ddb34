// SPDX-License-Identifier: MIT
#include "libimg/convert/open_image.h"

namespace img::convert {

Failure not_in_this_version(const std::string& thing, Form form) {
  return fail(Fault::unsupported, thing, "not in this version",
              "a " + std::string(form_name(form)) + " can be neither read nor written yet");
}

Result<std::unique_ptr<model::ImageReader>> open_image(const Source& source,
                                                       const OpenOptions& options) {
  switch (source.form) {
    case Form::criu: {
      if (!source.image.empty()) {
        return fail(Fault::usage, source.place(), "a CRIU directory has no names");
      }
      IMG_ASSIGN(std::unique_ptr<criu::DirectoryReader> reader,
                 criu::DirectoryReader::open(source.path, {options.on_damage}));
      return std::unique_ptr<model::ImageReader>(std::move(reader));
    }
    case Form::collection:
      if (const std::optional<Source> top = chain_top(source)) {
        return open_image(*top, options);
      }
      return fail(Fault::usage, source.path, "a collection of images, not one", {},
                  "name one of its members");
    default: return not_in_this_version(source.path, source.form);
  }
}

}  // namespace img::convert
