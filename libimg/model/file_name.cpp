// SPDX-License-Identifier: MIT
#include "libimg/model/file_name.h"

#include <fmt/core.h>

namespace img::model {

std::string image_file_name(FileKey file) {
  const Kind kind = file.kind == Kind::zombie ? Kind::core : file.kind;
  const schema::KindInfo& info = schema::kind_info(kind);
  if (kind == Kind::settings) {
    return fmt::format("settings-{}", file.id);  // for people: it has no file
  }
  const std::size_t percent = info.file_name.find('%');
  if (percent == std::string_view::npos) {
    return std::string(info.file_name);
  }
  const std::string_view before = info.file_name.substr(0, percent);
  const std::string_view after = info.file_name.substr(percent + 2);
  return info.file_name[percent + 1] == 'x' ? fmt::format("{}{:x}{}", before, file.id, after)
                                            : fmt::format("{}{}{}", before, file.id, after);
}

}  // namespace img::model
