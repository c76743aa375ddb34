// SPDX-License-Identifier: MIT
// ARC-6 to ARC-8: what an archive holds besides the image. The rules before them are about archives
// that cannot be opened.
#include <fmt/core.h>

#include "libimg/archive/container.h"
#include "libimg/archive/json_members.h"
#include "libimg/archive/member.h"
#include "libimg/check/facts.h"
#include "libimg/check/needs.h"
#include "schema/archive_generated.h"

namespace img::check {
namespace {

// No runtime writes more.
constexpr std::uint64_t kMaxPart = std::uint64_t{16} << 20;

enum class Shape : std::uint8_t { object, array, anything };

struct Part {
  std::string_view path;
  Shape shape;
  bool of_container;  // nothing but a container's archive has it
};
constexpr Part kParts[] = {
    {"config.dump", Shape::object, true},      {"spec.dump", Shape::object, true},
    {"network.status", Shape::anything, true}, {"deleted.files", Shape::array, true},
    {"status.dump", Shape::anything, true},    {"pod.options", Shape::object, false},
    {"pod.dump", Shape::object, false},
};

class ArchiveRules : public RuleSet {
 public:
  explicit ArchiveRules(Facts& facts) : facts_(facts) {}

  void record(const Record& record) override {
    if (record.key.file.kind == Kind::unknown_file &&
        facts_.reader.file_name(record.key.file) == "descriptors.json") {
      well_formed(record, {"descriptors.json", Shape::array, false});
      return;
    }
    if (record.key.file.kind != Kind::archive_member || record.key.seq == 0) {
      return;
    }
    has_members_ = true;
    const auto path = record.as<schema::ArchiveMember>()->path()->string_view();
    for (const Part& part : kParts) {
      if (part.path != path) {
        continue;
      }
      is_container_ = is_container_ || part.of_container;
      has_config_ = has_config_ || path == "config.dump";
      has_spec_ = has_spec_ || path == "spec.dump";
      well_formed(record, part);
    }
  }

  void finish() override {
    if (!has_members_ || !is_container_) {
      return;
    }
    if (!has_config_) {
      missing("config.dump");
    }
    if (!has_spec_) {
      missing("spec.dump");
    }
  }

 private:
  void missing(std::string_view name) {
    facts_.report.add(RuleId::ARC_6,
                      facts_.at(FileKey{Kind::archive_member, 0}, 0, {}, std::string(name)),
                      fmt::format("{} is not in this archive of a container", name));
  }

  Where where(const Record& record, std::string_view part) const {
    return facts_.at(record.key.file, record.key.seq, {}, std::string(part));
  }

  void well_formed(const Record& record, const Part& part) {
    if (record.payload.size() > kMaxPart) {
      facts_.report.add(RuleId::ARC_7, where(record, part.path),
                        fmt::format("{} is larger than 16 MiB", part.path));
      return;
    }
    std::string text;
    for (const Bytes bytes : record.payload.parts) {
      text += as_text(bytes);
    }
    json::Parser json(text, std::string(part.path));
    const Result<void> read = this->read(json, record, part);
    if (!read) {
      facts_.report.add(
          RuleId::ARC_7, where(record, part.path),
          fmt::format("{} is not the JSON that it should be: {}", part.path, read.error().line()));
    }
  }

  Result<void> read(json::Parser& json, const Record& record, const Part& part) {
    IMG_ASSIGN(const json::ValueType type, json.peek());
    const bool fits =
        part.shape == Shape::anything || type == json::ValueType::null ||
        type == (part.shape == Shape::object ? json::ValueType::object : json::ValueType::array);
    if (!fits || (type == json::ValueType::null && part.shape == Shape::object)) {
      return json.refuse(part.shape == Shape::object ? "no object" : "no list");
    }
    if (part.path == "deleted.files") {
      std::vector<std::string> names;
      IMG_TRY(archive::take_texts(json, names));
      deleted(record, names);
    } else {
      IMG_TRY(json.skip());
    }
    return json.end();
  }

  // The runtime removes each of them below the container's root, wherever the name leads.
  void deleted(const Record& record, const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      std::string why;
      const std::size_t start = name.find_first_not_of('/');
      const std::string_view inside =
          start == std::string::npos ? std::string_view() : std::string_view(name).substr(start);
      if (!archive::clean_path(inside, &why)) {
        facts_.report.add(RuleId::ARC_8, where(record, name),
                          fmt::format("deleted.files names '{}', which {}", name, why));
      }
    }
  }

  Facts& facts_;
  bool has_members_ = false;
  bool is_container_ = false;
  bool has_config_ = false;
  bool has_spec_ = false;
};

}  // namespace

RuntimeSupply runtime_supply(model::ImageReader& image) {
  archive::Container container = archive::container_of(image);
  RuntimeSupply supply;
  if (container.is_there) {
    supply.root = true;
    supply.mounts = true;
    supply.namespaces = true;
    supply.terminal = true;
    supply.descriptors = std::move(container.descriptors);
  }
  return supply;
}

std::unique_ptr<RuleSet> archive_rules(Facts& facts) {
  return std::make_unique<ArchiveRules>(facts);
}

}  // namespace img::check
