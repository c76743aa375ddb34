// SPDX-License-Identifier: MIT
#include "libimg/convert/store_naming.h"

#include <optional>

#include "libimg/base/image_name.h"
#include "libimg/store/catalogue.h"
#include "schema/core_generated.h"
#include "schema/pstree_generated.h"
#include "schema/zombie_generated.h"

namespace img::convert {
namespace {

using schema::Kind;

/// The first process of pstree.img is the root of the tree.
class RootPid : public model::RecordSink {
 public:
  Result<void> record(const model::Record& record) override {
    if (!pid && record.key.seq > 0 && record.table != nullptr) {
      pid = record.as<schema::PstreeEntry>()->pid();
    }
    return {};
  }
  std::optional<std::uint32_t> pid;
};

class ProgramName : public model::RecordSink {
 public:
  Result<void> record(const model::Record& record) override {
    if (record.key.seq == 0) {
      return {};
    }
    if (record.key.file.kind == Kind::zombie) {
      name = record.as<schema::Zombie>()->comm()->str();
    } else if (const auto* task = record.as<schema::CoreEntry>()->tc()) {
      name = task->comm() == nullptr ? "" : task->comm()->str();
    }
    return {};
  }
  std::string name;
};

}  // namespace

std::string series_of(model::ImageReader& image) {
  if (const auto* series = image.header().series(); series != nullptr && series->size() > 0) {
    return sanitised_name(series->string_view());
  }
  // Damage is met, and said, when the files are copied; here it costs only the name.
  RootPid root;
  static_cast<void>(image.read({Kind::pstree, 0}, root));
  ProgramName program;
  if (root.pid) {
    static_cast<void>(image.read({Kind::core, *root.pid}, program));
    if (program.name.empty()) {
      static_cast<void>(image.read({Kind::zombie, *root.pid}, program));
    }
  }
  return sanitised_name(program.name);
}

std::string level_name(const std::string& base, std::size_t level, std::size_t levels) {
  return levels == 1 ? base : numbered_name(base, level);
}

Result<std::string> base_name(const store::Txn& txn, const std::string& as,
                              const std::string& series, std::uint64_t now_ns, std::size_t levels) {
  if (!as.empty()) {
    IMG_TRY(check_image_name(level_name(as, levels, levels)));
    return as;
  }
  const std::string first = default_name(series, now_ns);
  for (std::uint64_t attempt = 1;; ++attempt) {
    const std::string base = attempt == 1 ? first : numbered_name(first, attempt);
    bool is_free = true;
    for (std::size_t level = 1; is_free && level <= levels; ++level) {
      IMG_ASSIGN(const bool taken, store::has_image(txn, level_name(base, level, levels)));
      is_free = !taken;
    }
    if (is_free) {
      return base;
    }
  }
}

}  // namespace img::convert
