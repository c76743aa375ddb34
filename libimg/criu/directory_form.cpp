// SPDX-License-Identifier: MIT
#include "libimg/criu/directory_form.h"

#include "libimg/criu/directory_writer.h"
#include "libimg/criu/file_parser.h"
#include "libimg/criu/names.h"

namespace img::criu {
namespace {

class CriuForm final : public DirectoryForm {
 public:
  schema::Origin origin() const override { return schema::Origin::criu_directory; }
  std::optional<model::FileKey> parse_name(std::string_view name) const override {
    return parse_file_name(name);
  }
  std::string name_of(model::FileKey file) const override { return image_file_name(file); }
  WordOrder order_of(Bytes inventory) const override {
    const std::uint32_t magic = schema::kind_info(schema::Kind::inventory).magic;
    return {inventory.size() >= kWordBytes && WordOrder{true}.get32(inventory.data()) == magic};
  }
  /// It has no registers; every live one is larger than this.
  std::uint64_t largest_zombie() const override { return 512; }
  std::unique_ptr<AnyParser> parser() const override { return std::make_unique<FileParser>(); }
  std::unique_ptr<AnyComposer> composer(WriterOptions options) const override {
    return std::make_unique<FileComposer>(options);
  }
};

}  // namespace

const DirectoryForm& criu_form() {
  static const CriuForm form;
  return form;
}

}  // namespace img::criu
