// SPDX-License-Identifier: MIT
// Descriptors of namespaces. Only those that this program is in can be opened again.
#include <linux/magic.h>
#include <sys/stat.h>

#include <string>

#include "live/dump/files/file_kind.h"
#include "live/dump/namespace_ids.h"
#include "schema/namespaces_generated.h"

namespace img::dump {
namespace {

class Namespaces final : public FileKind {
 public:
  using FileKind::FileKind;
  schema::FdTypes type() const override { return schema::FdTypes::NS; }
  bool recognises(const OpenFile& file) const override {
    return file.file_system == NSFS_MAGIC && !file.is_path_only();
  }

  Result<void> collect(OpenFile& file, std::uint32_t id) override {
    const std::string_view kind = std::string_view(file.link).substr(0, file.link.find(':'));
    for (const HostNamespace& one : kHostNamespaces) {
      struct stat own {};
      const std::string path = "/proc/self/ns/" + std::string(one.name);
      if (one.name != kind || ::stat(path.c_str(), &own) != 0 || own.st_ino != file.stat.st_ino) {
        continue;
      }
      auto& builder = bench_.builder();
      bench_.add_file(type(), id,
                      schema::CreateNsFileEntry(builder, id, one.id, one.flag, file.flags),
                      &schema::FileEntryBuilder::add_nsf);
      return {};
    }
    bench_.refuse(file, state::Piece::namespace_foreign);
    return {};
  }
};

}  // namespace

std::unique_ptr<FileKind> make_namespaces(FileBench& bench) {
  return std::make_unique<Namespaces>(bench);
}

}  // namespace img::dump
