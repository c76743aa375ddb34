// SPDX-License-Identifier: MIT
// REM-*, GHO-*: files that have lost their name.
#include <fmt/core.h>

#include "libimg/check/facts.h"
#include "libimg/model/remap.h"
#include "schema/remaps_generated.h"

namespace img::check {
namespace {

constexpr std::uint32_t kTypeBits = 0170000;
constexpr std::uint32_t kRegular = 0100000;
constexpr std::uint32_t kSymlink = 0120000;
constexpr std::uint32_t kCharacter = 0020000;
constexpr std::uint32_t kBlock = 0060000;
constexpr std::uint32_t kDirectory = 0040000;
constexpr std::uint32_t kFifo = 0010000;
constexpr std::uint32_t kSocket = 0140000;

class RemapRules : public RuleSet {
 public:
  explicit RemapRules(Facts& facts) : facts_(facts) {}

  void record(const Record& record) override {
    if (record.key.seq == 0) {
      return;
    }
    if (record.key.file.kind == Kind::remap_fpath) {
      remap(record, *record.as<schema::RemapFilePathEntry>());
    } else if (record.key.file.kind == Kind::ghost_file && record.key.seq == 1) {
      ghost(record, *record.as<schema::GhostFileEntry>());
    } else if (record.key.file.kind == Kind::ghost_file) {
      chunk(record, *record.as<schema::GhostChunkEntry>());
    }
  }

  void finish() override {
    std::unordered_set<std::uint32_t> originals;
    for (const Remap& remap : remaps_) {
      judge(remap);
      if (!originals.insert(remap.orig_id).second) {
        say(RuleId::REM_1, remap, "orig_id", remap.orig_id,
            fmt::format("file {} is remapped twice", remap.orig_id), Severity::warning);
      }
    }
    if (!ghosts_.empty() && !facts_.has(Kind::remap_fpath)) {
      facts_.report.add(RuleId::REM_2, facts_.at({Kind::remap_fpath, 0}),
                        "is not there, and says whose the deleted files are");
      return;
    }
    if (!ghosts_.empty() && remaps_.empty() && facts_.is_whole(Kind::remap_fpath)) {
      facts_.report.add(RuleId::REM_2, facts_.at({Kind::remap_fpath, 0}),
                        "says of no deleted file whose it is, and contents of some are there");
      return;
    }
    for (const auto& [id, ghost] : ghosts_) {
      if (!named_ghosts_.contains(static_cast<std::uint32_t>(id)) &&
          facts_.is_whole(Kind::remap_fpath)) {
        facts_.report.add_plain(RuleId::SET_6, Severity::note, facts_.at({Kind::ghost_file, id}),
                                "the content of a deleted file that no remap names");
      }
    }
  }

 private:
  struct Remap : model::Remap {
    Where where;
  };
  struct Ghost {
    std::uint32_t mode = 0;
    std::uint64_t bytes = 0;  // of content, chunks and holes counted
    bool is_chunked = false;
    std::uint64_t size = 0;
    std::uint64_t last_end = 0;
  };

  void remap(const Record& record, const schema::RemapFilePathEntry& entry) {
    Remap remap{model::remap_from(entry), facts_.at(record)};
    if (remap.type == schema::RemapType::GHOST) {
      named_ghosts_.insert(remap.remap_id);
    } else if (remap.type == schema::RemapType::LINKED) {
      facts_.used_files.insert(remap.remap_id);
    }
    remaps_.push_back(std::move(remap));
  }

  void say(RuleId rule, const Remap& remap, const char* field, std::uint64_t value,
           std::string text, Severity severity = Severity::error) {
    Where where = remap.where;
    where.field = field;
    where.value = std::to_string(value);
    facts_.report.add(rule, severity, std::move(where), std::move(text));
  }

  void judge(const Remap& remap) {
    const OpenFile* original = facts_.files.find(remap.orig_id, FdTypes::REG);
    const bool is_whole = facts_.files_are_whole();
    if (is_whole && original == nullptr) {
      say(RuleId::REM_1, remap, "orig_id", remap.orig_id,
          facts_.files.find(remap.orig_id) == nullptr
              ? fmt::format("file {} is not in the image", remap.orig_id)
              : fmt::format("file {} is no regular file", remap.orig_id));
    }
    switch (remap.type) {
      case schema::RemapType::GHOST: judge_ghost(remap, original); break;
      case schema::RemapType::LINKED:
        if (is_whole) {
          judge_link(remap, original);
        }
        break;
      case schema::RemapType::PROCFS:
        if (const Process* process = facts_.tree.find(remap.remap_id);
            process != nullptr && !process->is_zombie()) {
          say(RuleId::REM_2, remap, "remap_id", remap.remap_id,
              "a /proc file of a process that lives: the remap is left out", Severity::note);
        }
        break;
      default:
        say(RuleId::REM_2, remap, "remap_type", static_cast<std::uint32_t>(remap.type),
            "is no kind of remap");
        break;
    }
  }

  void judge_link(const Remap& remap, const OpenFile* original) {
    const OpenFile* link = facts_.files.find(remap.remap_id, FdTypes::REG);
    if (link == nullptr || link->body == nullptr) {
      say(RuleId::REM_2, remap, "remap_id", remap.remap_id,
          facts_.files.find(remap.remap_id) == nullptr
              ? fmt::format("file {} is not in the image", remap.remap_id)
              : fmt::format("file {} is no regular file", remap.remap_id));
      return;
    }
    const auto& link_file = *link->as<schema::RegFileEntry>(FdTypes::REG);
    if (remap.remap_id == remap.orig_id) {
      say(RuleId::REM_3, remap, "remap_id", remap.remap_id,
          fmt::format("file {} is to be linked from itself", remap.orig_id));
      return;
    }
    if (link_file.name()->string_view().find("link_remap.") == std::string_view::npos) {
      say(RuleId::REM_3, remap, "remap_id", remap.remap_id,
          fmt::format("file {} is not called link_remap.N, as CRIU calls what it links",
                      remap.remap_id),
          Severity::warning);
    }
    const auto* file =
        original == nullptr ? nullptr : original->as<schema::RegFileEntry>(FdTypes::REG);
    // CRIU 4.2 writes no mount for a link it made itself.
    if (file != nullptr && link_file.mnt_id().value_or(-1) != -1 &&
        file->mnt_id().value_or(-1) != *link_file.mnt_id()) {
      say(RuleId::REM_3, remap, "remap_id", remap.remap_id,
          fmt::format("the link is on mount {}, and the file on mount {}",
                      link_file.mnt_id().value_or(-1), file->mnt_id().value_or(-1)));
    }
    if (!facts_.mounts.empty() && link_file.mnt_id().value_or(-1) != -1 &&
        facts_.is_whole(Kind::mountpoints) &&
        !facts_.mounts.contains(static_cast<std::uint32_t>(*link_file.mnt_id()))) {
      say(RuleId::REM_5, remap, "remap_id", remap.remap_id,
          fmt::format("the link is on mount {}, which is not in the image", *link_file.mnt_id()));
    }
  }

  void judge_ghost(const Remap& remap, const OpenFile* original) {
    const FileKey key{Kind::ghost_file, remap.remap_id};
    if (!facts_.has(Kind::ghost_file, remap.remap_id)) {
      facts_.report.add(RuleId::REM_2, facts_.at(key),
                        fmt::format("is not there, and deleted file {} needs it", remap.orig_id));
      return;
    }
    const auto ghost = ghosts_.find(remap.remap_id);
    const auto* file =
        original == nullptr ? nullptr : original->as<schema::RegFileEntry>(FdTypes::REG);
    if (file != nullptr) {
      below_its_mount(remap, *file);
    }
    if (ghost != ghosts_.end() && file != nullptr && file->mode() &&
        ghost->second.mode != *file->mode()) {
      facts_.report.add(RuleId::GHO_1,
                        facts_.at(key, 1, "mode", std::to_string(ghost->second.mode)),
                        fmt::format("has mode 0{:o}, and the file that it stands in for 0{:o}",
                                    ghost->second.mode, *file->mode()));
    }
    if (ghost == ghosts_.end() || file == nullptr || !file->size() ||
        (ghost->second.mode & kTypeBits) != kRegular || !facts_.is_whole(Kind::ghost_file)) {
      return;
    }
    const std::uint64_t size = ghost->second.is_chunked ? ghost->second.size : ghost->second.bytes;
    if (size != *file->size()) {
      facts_.report.add(RuleId::GHO_1, facts_.at(key, 1, "size", std::to_string(size)),
                        fmt::format("has {} bytes of a file that had {}", size, *file->size()));
    }
  }

  void below_its_mount(const Remap& remap, const schema::RegFileEntry& file) {
    const auto mount = facts_.mounts.find(static_cast<std::uint32_t>(file.mnt_id().value_or(-1)));
    if (mount == facts_.mounts.end()) {
      return;
    }
    std::string_view point = mount->second;
    point.remove_suffix(point.ends_with('/') ? 1 : 0);
    const std::string_view name = file.name()->string_view();
    if (!name.starts_with(point) || name.size() <= point.size() || name[point.size()] != '/') {
      say(RuleId::GHO_4, remap, "orig_id", remap.orig_id,
          fmt::format("{} is not below the mount that it is on ({})", name, mount->second));
    }
  }

  void times(const Record& record, const schema::GhostFileEntry& entry) {
    constexpr std::uint64_t kSecond = 1'000'000;
    if ((entry.atim() == nullptr) != (entry.mtim() == nullptr)) {
      facts_.report.add(RuleId::GHO_5, facts_.at(record, entry.atim() == nullptr ? "atim" : "mtim"),
                        "is not set, and the other time is");
      return;
    }
    for (const auto& [name, time] :
         {std::pair{"atim.tv_usec", entry.atim()}, std::pair{"mtim.tv_usec", entry.mtim()}}) {
      if (time != nullptr && time->tv_usec() >= kSecond) {
        facts_.report.add(RuleId::GHO_5, facts_.at(record, name, std::to_string(time->tv_usec())),
                          "is a second or more");
      }
    }
  }

  void ghost(const Record& record, const schema::GhostFileEntry& entry) {
    Ghost& ghost = ghosts_[record.key.file.id];
    ghost.mode = entry.mode();
    ghost.is_chunked = entry.chunks().value_or(false);
    ghost.size = entry.size().value_or(0);
    ghost.bytes = record.payload.size();
    if (ghost.is_chunked && !entry.size()) {
      facts_.report.add(RuleId::GHO_1, facts_.at(record, "size"),
                        "is not set, though the content comes in chunks");
    }
    const std::uint32_t type = entry.mode() & kTypeBits;
    if ((type == kCharacter || type == kBlock) && !entry.rdev()) {
      facts_.report.add(RuleId::GHO_2, facts_.at(record, "rdev"),
                        "is not set, and the file is a device");
    }
    if (type == kSymlink &&
        (entry.symlnk_target() == nullptr || entry.symlnk_target()->size() == 0)) {
      facts_.report.add(RuleId::GHO_2, facts_.at(record, "symlnk_target"),
                        "is not set, and the file is a symbolic link");
    }
    if (type != kRegular && type != kSymlink && type != kCharacter && type != kBlock &&
        type != kDirectory && type != kFifo && type != kSocket) {
      facts_.report.add(RuleId::GHO_2,
                        facts_.at(record, "mode", fmt::format("0{:o}", entry.mode())),
                        "is no type of file");
    }
    if (entry.uid() == UINT32_MAX || entry.gid() == UINT32_MAX) {
      facts_.report.add(
          RuleId::GHO_2,
          facts_.at(record, entry.uid() == UINT32_MAX ? "uid" : "gid", std::to_string(UINT32_MAX)),
          "is nobody's id");
    }
    times(record, entry);
    constexpr std::uint64_t kLimit = 1024 * 1024;
    if (record.payload.size() > kLimit) {
      facts_.report.add_plain(RuleId::GHO_3, Severity::note, facts_.at(record),
                              fmt::format("{} bytes of a deleted file, dumped with a raised "
                                          "--ghost-limit",
                                          record.payload.size()));
    }
  }

  void chunk(const Record& record, const schema::GhostChunkEntry& entry) {
    Ghost& ghost = ghosts_[record.key.file.id];
    const auto at = [&](const char* field, std::uint64_t value) {
      return facts_.at(record, field, std::to_string(value));
    };
    if (entry.off() < ghost.last_end) {
      facts_.report.add(RuleId::GHO_1, at("off", entry.off()),
                        "a chunk that begins before the one before it ends");
    }
    const std::uint64_t end = entry.off() + entry.len();
    if (end < entry.off() || (ghost.size != 0 && end > ghost.size)) {
      facts_.report.add(RuleId::GHO_1, at("len", entry.len()),
                        fmt::format("a chunk past the end of the file ({} bytes)", ghost.size));
    }
    ghost.last_end = end;
  }

  Facts& facts_;
  std::vector<Remap> remaps_;
  std::map<std::uint64_t, Ghost> ghosts_;
  std::unordered_set<std::uint32_t> named_ghosts_;
};

}  // namespace

std::unique_ptr<RuleSet> remap_rules(Facts& facts) {
  return std::make_unique<RemapRules>(facts);
}

}  // namespace img::check
