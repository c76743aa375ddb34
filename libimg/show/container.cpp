// SPDX-License-Identifier: MIT
// container, rootfs: what an archive holds besides the image.
#include "libimg/archive/container.h"

#include <fmt/core.h>

#include "libimg/archive/tar_walk.h"
#include "libimg/base/spool.h"
#include "libimg/show/views.h"

namespace img::show {
namespace {

using archive::Container;
using archive::MemberType;

constexpr std::string_view kNoContainer =
    "No container: only archives of Podman, CRI-O and containerd have one.";

Value text_or_none(const std::string& text) {
  return text.empty() ? Value::none() : Value::text(text);
}

Value list_or_none(const std::vector<std::string>& texts) {
  return texts.empty() ? Value::none() : Value::list(texts);
}

std::string_view type_name(MemberType type) {
  switch (type) {
    case MemberType::file: return "file";
    case MemberType::directory: return "directory";
    case MemberType::symbolic_link: return "link";
    case MemberType::hard_link: return "hard link";
  }
  return "unknown";
}

void add_who(const Container& container, Page& page) {
  page.field("name", "name", text_or_none(container.name));
  page.field("pod", "pod", text_or_none(container.pod));
  page.field("namespace", "namespace", text_or_none(container.name_space));
  page.field("engine", "engine", text_or_none(container.engine));
  page.field("runtime", "runtime", text_or_none(container.runtime));
  page.field("image", "image", text_or_none(container.image));
  page.field("image_id", {}, text_or_none(container.image_id));
  page.field("id", "id", text_or_none(container.id));
  page.field("created", "created", text_or_none(container.created));
  page.field("checkpointed", "checkpointed", text_or_none(container.checkpointed));
  page.field("hostname", "host name", text_or_none(container.hostname));
  page.field("ips", "address", list_or_none(container.ips));
  page.field("macs", "hardware address", list_or_none(container.macs));
  page.field("command", "command", list_or_none(container.command));
  page.field("descriptors", "descriptors", list_or_none(container.descriptors));
  page.field("image_bytes", "checkpoint", Value::size(container.image_bytes));
  page.field("rootfs_diff_bytes", "root changes",
             container.has_rootfs_diff ? Value::size(container.rootfs_diff_bytes) : Value::none());
  page.field("deleted_files", "files deleted", Value::count(container.deleted_files.size()));
}

void add_mounts(const Container& container, Page& page) {
  static const std::vector<Column> kColumns = {
      {"destination", "MOUNTED AT"}, {"type", "TYPE"}, {"source", "FROM"}, {"options", "OPTIONS"}};
  page.begin_table("mounts", kColumns);
  for (const archive::Mount& mount : container.mounts) {
    page.row({Value::text(mount.destination), text_or_none(mount.type), text_or_none(mount.source),
              list_or_none(mount.options)});
  }
  page.end_table();
}

void add_parts(const Container& container, Page& page) {
  static const std::vector<Column> kColumns = {
      {"path", "PART"}, {"type", "TYPE"}, {"size", "SIZE", Align::right}};
  page.begin_table("parts", kColumns);
  for (const archive::Part& part : container.parts) {
    page.row({Value::text(part.path), Value::text(type_name(part.type)),
              part.type == MemberType::file ? Value::size(part.size) : Value::none()});
  }
  page.end_table();
}

// For programs: people see the parts that mean something to them above.
void add_annotations(const Container& container, Page& page) {
  static const std::vector<Column> kColumns = {{"name", {}}, {"value", {}}};
  page.begin_table("annotations", kColumns);
  for (const auto& [name, value] : container.annotations) {
    if (!page.is_for_people()) {
      page.row({Value::text(name), Value::text(value)});
    }
  }
  page.end_table();
}

Container read_container(Subject& subject) {
  Container container;
  if (subject.has({Kind::archive_member, 0})) {
    container = archive::container_of(subject.reader());
    for (const Error& trouble : container.troubles) {
      subject.trouble(trouble);
    }
  }
  return container;
}

/// The bytes of one member, as one piece.
class MemberBytes : public model::RecordSink {
 public:
  explicit MemberBytes(std::string path) : path_(std::move(path)), spool_(temporary_directory()) {}

  Result<void> record(const Record& record) override {
    if (record.key.seq == 0 || record.as<schema::ArchiveMember>()->path()->str() != path_) {
      return {};
    }
    for (const Bytes part : record.payload.parts) {
      IMG_TRY(spool_.write(part));
    }
    return {};
  }
  [[nodiscard]] Result<Bytes> bytes() { return spool_.bytes(); }

 private:
  std::string path_;
  Spool spool_;
};

Result<void> add_changes(Subject& subject, Page& page, std::uint64_t& files,
                         std::uint64_t& content) {
  MemberBytes diff("rootfs-diff.tar");
  subject.read({Kind::archive_member, 0}, diff);
  IMG_ASSIGN(const Bytes tar, diff.bytes());
  archive::TarWalk walk(tar, {"rootfs-diff.tar", nullptr, {}, true});
  return walk.run([&](archive::Member&& member, const archive::Extent& /*extent*/) {
    files += 1;
    content += member.size;
    const bool has_size = member.type == MemberType::file;
    page.row({Value::text("changed"), Value::text(type_name(member.type)),
              Value::text(fmt::format("{:04o}", member.mode)), Value::count(member.uid),
              Value::count(member.gid), has_size ? Value::size(member.size) : Value::none(),
              Value::text("/" + member.path)});
    return Result<void>{};
  });
}

}  // namespace

void show_container(Subject& subject, Page& page) {
  const Container container = read_container(subject);
  page.begin("container", container.is_there ? "Container" : "");
  page.field("present", {}, Value::yes_no(container.is_there));
  if (container.is_there) {
    add_who(container, page);
    add_mounts(container, page);
    add_annotations(container, page);
  } else {
    page.say(kNoContainer);
  }
  if (!container.parts.empty()) {
    add_parts(container, page);
  }
  page.end();
}

void show_rootfs(Subject& subject, Page& page) {
  const Container container = read_container(subject);
  const bool is_there = container.has_rootfs_diff || !container.deleted_files.empty();
  page.begin("rootfs", is_there ? "Root file system, as it differs from the image's" : "");
  page.field("present", {}, Value::yes_no(is_there));
  if (!is_there) {
    page.say(container.is_there
                 ? "The archive has no changes of the root file system."
                 : "No root file system: only archives of Podman, CRI-O and containerd have one.");
    page.end();
    return;
  }
  page.field("image", "image", text_or_none(container.image));
  static const std::vector<Column> kColumns = {{"what", "WHAT"},
                                               {"type", "TYPE"},
                                               {"mode", "MODE"},
                                               {"uid", "UID", Align::right},
                                               {"gid", "GID", Align::right},
                                               {"size", "SIZE", Align::right},
                                               {"path", "PATH"}};
  std::uint64_t files = 0;
  std::uint64_t content = 0;
  page.begin_table("entries", kColumns);
  if (container.has_rootfs_diff) {
    if (const Result<void> done = add_changes(subject, page, files, content); !done) {
      subject.trouble(done.error());
    }
  }
  for (const std::string& path : container.deleted_files) {
    page.row({Value::text("deleted"), Value::none(), Value::none(), Value::none(), Value::none(),
              Value::none(), Value::text(path)});
  }
  page.end_table();
  page.field("changed", "changed", Value::count(files));
  page.field("deleted", "deleted", Value::count(container.deleted_files.size()));
  page.field("content_bytes", "content", Value::size(content));
  page.end();
}

}  // namespace img::show
