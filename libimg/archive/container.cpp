// SPDX-License-Identifier: MIT
#include "libimg/archive/container.h"

#include <map>

#include "libimg/archive/json_members.h"
#include "libimg/archive/member.h"
#include "libimg/base/image_name.h"
#include "libimg/base/units.h"
#include "schema/archive_generated.h"
#include "schema/pack_generated.h"

namespace img::archive {
namespace {

using json::Parser;
using schema::Kind;

// More than any runtime writes; a larger one is not parsed.
constexpr std::uint64_t kMaxJson = std::uint64_t{16} << 20;

/// Gathers what the parts say while their records go by.
class ContainerSink : public model::RecordSink {
 public:
  explicit ContainerSink(Container& container) : to_(container) {}

  Result<void> record(const model::Record& record) override {
    if (record.key.seq == 0 || record.table == nullptr) {
      return {};
    }
    if (record.key.file.kind == Kind::unknown_file) {
      return {};
    }
    const auto& member = *record.as<schema::ArchiveMember>();
    if (member.level() != 0) {
      to_.image_bytes += member.size();
    } else {
      to_.parts.push_back({member.path()->str(), member.type(), member.size()});
    }
    take(member.path()->string_view(), record.payload);
    return {};
  }

  void take(std::string_view path, const model::Payload& payload) {
    using Read = Result<void> (ContainerSink::*)(Parser&);
    static const std::map<std::string_view, Read> kReaders = {
        {"config.dump", &ContainerSink::config},
        {"spec.dump", &ContainerSink::spec},
        {"status.dump", &ContainerSink::nothing},
        {"network.status", &ContainerSink::network},
        {"deleted.files", &ContainerSink::deleted},
        {"descriptors.json", &ContainerSink::descriptors}};
    if (path == "rootfs-diff.tar") {
      to_.has_rootfs_diff = true;
      to_.rootfs_diff_bytes = payload.size();
    }
    const auto reader = kReaders.find(path);
    if (reader == kReaders.end()) {
      return;
    }
    to_.is_there = to_.is_there || path == "config.dump" || path == "spec.dump";
    std::string text;
    if (payload.size() > kMaxJson) {
      to_.troubles.push_back(make_error(Fault::limit, std::string(path), "larger than 16 MiB"));
      return;
    }
    for (const Bytes part : payload.parts) {
      text += as_text(part);
    }
    Parser json(text, std::string(path));
    Result<void> done = (this->*reader->second)(json);
    done = done ? json.end() : done;
    if (!done) {
      to_.troubles.push_back(done.error());
    }
  }

  /// What spec.dump says in its annotations wins over config.dump, as their writers mean it.
  void finish();

 private:
  Result<void> nothing(Parser& json) { return json.skip(); }

  Result<void> config(Parser& json) {
    return each_member(json, [&](std::string_view key) -> Result<void> {
      const std::map<std::string_view, std::string*> texts = {
          {"id", &to_.id},
          {"name", &to_.name},
          {"rootfsImageName", &to_.image},
          {"rootfsImageID", &to_.image_id},
          {"runtime", &to_.runtime},
          {"createdTime", &to_.created},
          {"checkpointedTime", &to_.checkpointed},
          {"checkpointedAt", &to_.checkpointed}};
      if (key == "rootfsImageRef" || key == "rootfsImage") {
        std::string& other = key == "rootfsImageRef" ? image_ref_ : image_;
        return take_text(json, other);
      }
      const auto wanted = texts.find(key);
      return wanted == texts.end() ? json.skip() : take_text(json, *wanted->second);
    });
  }

  Result<void> spec(Parser& json) {
    return each_member(json, [&](std::string_view key) -> Result<void> {
      if (key == "hostname") {
        return take_text(json, to_.hostname);
      }
      if (key == "annotations") {
        return each_member(json, [&](std::string_view name) {
          return take_text(json, annotations_[std::string(name)]);
        });
      }
      if (key == "process") {
        return each_member(json, [&](std::string_view name) {
          return name == "args" ? take_texts(json, to_.command) : json.skip();
        });
      }
      return key == "mounts" ? each_item(json, [&] { return mount(json); }) : json.skip();
    });
  }

  Result<void> mount(Parser& json) {
    Mount& mount = to_.mounts.emplace_back();
    return each_member(json, [&](std::string_view key) -> Result<void> {
      if (key == "options") {
        return take_texts(json, mount.options);
      }
      std::string* const to = key == "destination" ? &mount.destination
                              : key == "type"      ? &mount.type
                              : key == "source"    ? &mount.source
                                                   : nullptr;
      return to == nullptr ? json.skip() : take_text(json, *to);
    });
  }

  // By name of the network: its interfaces, and their subnets. CNI's older form is a list of
  // results with `ips`.
  Result<void> network(Parser& json) {
    IMG_ASSIGN(const json::ValueType type, json.peek());
    if (type == json::ValueType::array) {
      return each_item(json, [&] { return addresses(json, 0); });
    }
    return addresses(json, 0);
  }

  Result<void> addresses(Parser& json, int depth) {
    return each_member(json, [&](std::string_view key) -> Result<void> {
      if (key == "ipnet" || key == "address") {
        std::string text;
        IMG_TRY(take_text(json, text));
        if (!text.empty()) {
          to_.ips.push_back(text.substr(0, text.find('/')));
        }
        return {};
      }
      if (key == "mac_address" || key == "mac") {
        std::string text;
        IMG_TRY(take_text(json, text));
        to_.macs.push_back(std::move(text));
        return {};
      }
      IMG_ASSIGN(const json::ValueType type, json.peek());
      if (depth < 6 && type == json::ValueType::object) {
        return addresses(json, depth + 1);
      }
      return depth < 6 && (key == "subnets" || key == "ips")
                 ? each_item(json, [&] { return addresses(json, depth + 1); })
                 : json.skip();
    });
  }

  Result<void> deleted(Parser& json) { return take_texts(json, to_.deleted_files); }
  Result<void> descriptors(Parser& json) { return take_texts(json, to_.descriptors); }

  Container& to_;
  std::string image_;
  std::string image_ref_;
  std::map<std::string, std::string> annotations_;
};

void ContainerSink::finish() {
  const auto take = [&](std::string_view key, std::string& to) {
    const auto found = annotations_.find(std::string(key));
    if (found != annotations_.end() && !found->second.empty()) {
      to = found->second;
    }
  };
  std::string manager;
  take("io.container.manager", manager);
  const bool is_containerd = annotations_.contains("io.kubernetes.cri.container-name");
  to_.engine = manager == "libpod"  ? "Podman"
               : manager == "cri-o" ? "CRI-O"
               : is_containerd      ? "containerd"
                                    : manager;
  take("io.kubernetes.pod.namespace", to_.name_space);
  take("io.kubernetes.pod.name", to_.pod);
  take("io.kubernetes.cri.sandbox-namespace", to_.name_space);
  take("io.kubernetes.cri.sandbox-name", to_.pod);
  take("io.kubernetes.container.name", to_.name);
  take("io.kubernetes.cri.container-name", to_.name);
  if (manager == "cri-o") {
    take("io.kubernetes.cri-o.Created", to_.created);
    take("io.kubernetes.cri-o.ImageName", to_.image);
    std::string ip;
    take("io.kubernetes.cri-o.IP.0", ip);
    if (!ip.empty() && to_.ips.empty()) {
      to_.ips.push_back(ip);
    }
  }
  to_.image = to_.image.empty() ? image_ : to_.image;
  to_.image_id = to_.image_id.empty() ? image_ref_ : to_.image_id;
  to_.annotations.assign(annotations_.begin(), annotations_.end());
  to_.checkpointed_ns = parse_rfc3339(to_.checkpointed);
  if (!to_.checkpointed_ns || *to_.checkpointed_ns == 0) {
    to_.checkpointed.clear();
    to_.checkpointed_ns.reset();
  }
}

/// The one unknown file of an image folder that its runtime wrote.
class DescriptorsSink : public model::RecordSink {
 public:
  explicit DescriptorsSink(ContainerSink& to) : to_(to) {}
  Result<void> record(const model::Record& record) override {
    to_.take("descriptors.json", record.payload);
    return {};
  }

 private:
  ContainerSink& to_;
};

}  // namespace

std::string Container::series() const {
  std::string all;
  for (const std::string* part : {&name_space, &pod, &name}) {
    if (!part->empty()) {
      all.append(all.empty() ? "" : "_").append(*part);
    }
  }
  return all.empty() ? "" : sanitised_name(all);
}

Container container_of(model::ImageReader& image) {
  Container container;
  ContainerSink sink(container);
  const auto files = image.files();
  if (!files) {
    container.troubles.push_back(files.error());
    return container;
  }
  for (const model::FileKey file : *files) {
    Result<void> done;
    if (file.kind == Kind::archive_member) {
      done = image.read(file, sink);
    } else if (file.kind == Kind::unknown_file && image.file_name(file) == "descriptors.json") {
      DescriptorsSink descriptors(sink);
      done = image.read(file, descriptors);
    }
    if (!done) {
      container.troubles.push_back(done.error());
    }
  }
  sink.finish();
  return container;
}

}  // namespace img::archive
