// SPDX-License-Identifier: MIT
// REG-3 to REG-6, REM-4, REM-6, UNX-5, INO-2, TTY-7: what processes had open, on the machine that
// is to restore. Only names that a restore opens are asked for: not those it makes itself, nor
// those on mounts that it makes.
#include <fmt/core.h>

#include "libimg/base/build_id.h"
#include "libimg/check/facts.h"
#include "libimg/check/host.h"
#include "schema/mounts_generated.h"
#include "schema/remaps_generated.h"

namespace img::check {
namespace {

constexpr std::uint32_t kTypeBits = 0170000;
constexpr std::uint32_t kPermissions = 0777;
constexpr std::uint32_t kRegular = 0100000;
constexpr std::uint32_t kDirectory = 0040000;
constexpr std::uint32_t kSocket = 0140000;
constexpr std::uint32_t kEstablished = 1;
constexpr std::uint32_t kDatagram = 2;

class HostFileRules : public RuleSet {
 public:
  explicit HostFileRules(Facts& facts) : facts_(facts), host_(*facts.host) {}

  void record(const Record& record) override {
    if (record.key.seq == 0) {
      return;
    }
    if (record.key.file.kind == Kind::remap_fpath) {
      const auto& entry = *record.as<schema::RemapFilePathEntry>();
      remaps_.push_back({facts_.at(record), entry.orig_id(), entry.remap_id(),
                         entry.remap_type().value_or(schema::RemapType::LINKED)});
    } else if (record.key.file.kind == Kind::mountpoints) {
      const auto& mount = *record.as<schema::MntEntry>();
      if (mount.mountpoint()->string_view() == "/" || mount.mountpoint()->string_view() == "./") {
        root_mounts_.insert(mount.mnt_id());
      }
    }
  }

  void finish() override {
    if (facts_.is_predump || facts_.tree.processes().empty()) {
      return;
    }
    const Process& root = facts_.tree.processes()[0];
    has_own_mounts_ =
        facts_.has_root_ids && root.ids.mnt_ns != 0 && root.ids.mnt_ns != facts_.root_ids.mnt_ns;
    if (has_own_mounts_ && !host_.is_root_given()) {
      for (const RuleId rule : {RuleId::REG_3, RuleId::REG_4, RuleId::REG_5, RuleId::REG_6,
                                RuleId::REM_4, RuleId::REM_6, RuleId::UNX_5, RuleId::INO_2}) {
        facts_.report.not_asked(rule, "the image has a mount namespace of its own: give --root");
      }
      return;
    }
    for (const Remap& remap : remaps_) {
      made_.insert(remap.orig_id);
    }
    for (const OpenFile& file : facts_.files.files()) {
      if (const auto* tty = file.as<schema::TtyFileEntry>(FdTypes::TTY)) {
        made_.insert(tty->regf_id().value_or(file.id));  // opened through its driver
      } else if (file.type == FdTypes::TUNF) {
        made_.insert(file.id);
      }
    }
    for (const Remap& remap : remaps_) {
      judge_remap(remap);
    }
    for (const OpenFile& file : facts_.files.files()) {
      if (const auto* reg = file.as<schema::RegFileEntry>(FdTypes::REG)) {
        if (!made_.contains(file.id) && !reg->ext().value_or(false)) {
          regular(file, *reg);
        }
      } else if (const auto* socket = file.as<schema::UnixSkEntry>(FdTypes::UNIXSK)) {
        bound(file, *socket);
      } else if (const auto* watches = file.as<schema::InotifyFileEntry>(FdTypes::INOTIFY)) {
        watched(file, *watches);
      }
    }
  }

 private:
  struct Remap {
    Where where;
    std::uint32_t orig_id = 0;
    std::uint32_t remap_id = 0;
    schema::RemapType type = schema::RemapType::LINKED;
  };

  /// Whether a name can be looked up below the root, else why not.
  [[nodiscard]] bool is_here(RuleId rule, std::string_view name, std::int32_t mount) {
    if (name.empty() || name.front() != '/' || name.starts_with("/proc/") ||
        name.starts_with("/dev/pts/")) {
      return false;
    }
    if (has_own_mounts_ && !root_mounts_.contains(static_cast<std::uint32_t>(mount))) {
      facts_.report.not_asked(rule, "files on mounts that only the restore makes");
      return false;
    }
    return true;
  }

  /// A file that must be there; null: it is not, or could not be asked for.
  std::optional<HostFile> there(RuleId rule, const Where& where, std::string_view name,
                                std::string_view what) {
    const Result<HostFile> found = host_.file(name);
    if (found) {
      return *found;
    }
    if (found.error().fault == Fault::missing) {
      facts_.report.add(rule, where, fmt::format("{} is not there on this machine", what));
    } else {
      facts_.report.not_asked(rule, "no permission to look at all files");
    }
    return std::nullopt;
  }

  void regular(const OpenFile& file, const schema::RegFileEntry& reg) {
    const std::string_view name = reg.name()->string_view();
    if (!is_here(RuleId::REG_3, name, reg.mnt_id().value_or(-1))) {
      return;
    }
    const auto found =
        there(RuleId::REG_3, facts_.at(file, "reg.name", reg.name()->str()), name, name);
    if (!found) {
      return;
    }
    if (reg.mode()) {
      mode(file, reg, *found);
    }
    if (reg.size() && *reg.size() != found->size) {
      facts_.report.add(RuleId::REG_4, facts_.at(file, "reg.size", std::to_string(*reg.size())),
                        fmt::format("{} has {} bytes on this machine, and had {}", name,
                                    found->size, *reg.size()));
    } else if (reg.build_id() != nullptr && reg.build_id()->size() != 0) {
      build_id(file, reg);
    }
  }

  void mode(const OpenFile& file, const schema::RegFileEntry& reg, const HostFile& found) {
    const Where where = facts_.at(file, "reg.mode", fmt::format("0{:o}", *reg.mode()));
    if ((*reg.mode() & kTypeBits) != (found.mode & kTypeBits)) {
      facts_.report.add(RuleId::REG_3, where,
                        fmt::format("{} is another kind of file on this machine (mode 0{:o})",
                                    reg.name()->string_view(), found.mode));
      return;
    }
    const bool skips = facts_.given.has({"skip-file-rwx-check", {}, {}});
    const std::uint32_t mask = skips ? ~kPermissions : ~0U;
    if ((*reg.mode() & mask) != (found.mode & mask)) {
      facts_.report.add(
          RuleId::REG_5, where,
          fmt::format("{} has mode 0{:o} on this machine, and had 0{:o} (criu restore "
                      "--skip-file-rwx-check)",
                      reg.name()->string_view(), found.mode, *reg.mode()));
    }
  }

  void build_id(const OpenFile& file, const schema::RegFileEntry& reg) {
    const auto found = host_.build_id(reg.name()->string_view());
    if (!found) {
      facts_.report.not_asked(RuleId::REG_6, "no permission to read all files");
      return;
    }
    if (found->empty()) {
      return;  // CRIU goes by the size then
    }
    if (!is_build_id(*found, std::span(reg.build_id()->data(), reg.build_id()->size()))) {
      facts_.report.add(
          RuleId::REG_6, facts_.at(file, "reg.build_id"),
          fmt::format("{} is another build on this machine", reg.name()->string_view()));
    }
  }

  void judge_remap(const Remap& remap) {
    const OpenFile* original = facts_.files.find(remap.orig_id, FdTypes::REG);
    if (original == nullptr || original->body == nullptr) {
      return;
    }
    const auto& file = *original->as<schema::RegFileEntry>(FdTypes::REG);
    if (remap.type == schema::RemapType::GHOST) {
      const std::string ghost = fmt::format("{}.cr.{:x}.ghost", file.name()->str(), remap.remap_id);
      if (is_here(RuleId::REM_6, ghost, file.mnt_id().value_or(-1)) && host_.file(ghost)) {
        facts_.report.add(RuleId::REM_6, facts_.at(*original, "reg.name", file.name()->str()),
                          fmt::format("{} is there on this machine, left by a restore that failed: "
                                      "img-gc --link-remaps removes it",
                                      ghost));
      }
      return;
    }
    const OpenFile* link = facts_.files.find(remap.remap_id, FdTypes::REG);
    if (remap.type != schema::RemapType::LINKED || link == nullptr || link->body == nullptr) {
      return;
    }
    made_.insert(link->id);
    const auto& target = *link->as<schema::RegFileEntry>(FdTypes::REG);
    const std::string_view name = target.name()->string_view();
    if (!is_here(RuleId::REM_4, name, file.mnt_id().value_or(-1))) {
      return;
    }
    const auto found =
        there(RuleId::REM_4, facts_.at(*link, "reg.name", target.name()->str()), name, name);
    if (found && target.mode() && (*target.mode() & kTypeBits) != (found->mode & kTypeBits)) {
      facts_.report.add(RuleId::REM_4, facts_.at(*link, "reg.name", target.name()->str()),
                        fmt::format("{} is another kind of file on this machine", name));
    }
  }

  void bound(const OpenFile& file, const schema::UnixSkEntry& socket) {
    const auto& bytes = *socket.name();
    const bool is_bound = bytes.size() > 1 && bytes.Get(0) != 0 &&
                          !socket.deleted().value_or(false) &&
                          (socket.type() == kDatagram || socket.state() != kEstablished) &&
                          (socket.uflags() & 1) == 0;
    if (!is_bound) {
      return;
    }
    std::string path(reinterpret_cast<const char*>(bytes.data()),
                     ::strnlen(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    if (path.front() != '/') {
      if (socket.name_dir() == nullptr) {
        return;
      }
      path = socket.name_dir()->str() + "/" + path;
    }
    if (!is_here(RuleId::UNX_5, path, socket.mnt_id().value_or(-1))) {
      return;
    }
    const Where where = facts_.at(file, "usk.name", path);
    const std::string parent = path.substr(0, path.rfind('/') + 1);
    const auto directory = there(RuleId::UNX_5, where, parent, parent);
    if (directory && (directory->mode & kTypeBits) != kDirectory) {
      facts_.report.add(RuleId::UNX_5, where, fmt::format("{} is no directory", parent));
    }
    const Result<HostFile> name = host_.file(path);
    if (name && (name->mode & kTypeBits) != kSocket) {
      facts_.report.add(RuleId::UNX_5, where,
                        fmt::format("{} is there on this machine, and is no socket", path));
    }
  }

  void watched(const OpenFile& file, const schema::InotifyFileEntry& entry) {
    for (flatbuffers::uoffset_t i = 0; entry.wd() != nullptr && i < entry.wd()->size(); ++i) {
      const schema::FhEntry& handle = *entry.wd()->Get(i)->f_handle();
      if (handle.path() == nullptr || handle.path()->size() == 0) {
        facts_.report.not_asked(RuleId::INO_2, "watches that have a file handle and no path");
        continue;
      }
      std::string path;
      if (handle.path()->Get(0) != '/') {
        path.push_back('/');
      }
      path.append(handle.path()->string_view());
      if (is_here(RuleId::INO_2, path, static_cast<std::int32_t>(handle.mnt_id().value_or(0)))) {
        there(RuleId::INO_2, facts_.at(file, "ify.wd.f_handle.path", path), path, path);
      }
    }
  }

  Facts& facts_;
  const Host& host_;
  bool has_own_mounts_ = false;
  std::vector<Remap> remaps_;
  std::unordered_set<std::uint32_t> made_;  // files that are not opened by their name
  std::unordered_set<std::uint32_t> root_mounts_;
};

}  // namespace

std::unique_ptr<RuleSet> host_file_rules(Facts& facts) {
  return std::make_unique<HostFileRules>(facts);
}

}  // namespace img::check
