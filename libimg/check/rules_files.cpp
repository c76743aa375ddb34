// SPDX-License-Identifier: MIT
// FIL-*, FDI-*, FS-1, REG-*: open files, who holds them, and files with a path.
#include <fmt/core.h>

#include "libimg/check/facts.h"
#include "libimg/check/paths.h"

namespace img::check {
namespace {

constexpr std::uint32_t kCreate = 0x40;
constexpr std::uint32_t kExclusive = 0x80;
constexpr std::uint32_t kTruncate = 0x200;
constexpr std::uint32_t kTypeBits = 0170000;
constexpr std::uint32_t kDirectory = 0040000;
constexpr std::size_t kMaxPath = 4095;
constexpr std::uint32_t kMaxDescriptor = 1U << 30;  // above any fs.nr_open

class FileRules : public RuleSet {
 public:
  explicit FileRules(Facts& facts) : facts_(facts) {}

  void record(const Record& record) override {
    if (record.key.seq == 0) {
      return;
    }
    switch (record.key.file.kind) {
      case Kind::files: sub_messages(record, *record.as<schema::FileEntry>()); break;
      case Kind::fdinfo: descriptor(record, *record.as<schema::FdinfoEntry>()); break;
      case Kind::fs: {
        const auto& fs = *record.as<schema::FsEntry>();
        directory(record, "cwd_id", fs.cwd_id());
        directory(record, "root_id", fs.root_id());
        break;
      }
      default: break;
    }
  }

  void finish() override {
    std::set<std::pair<std::uint32_t, FdTypes>> seen;
    for (const OpenFile& file : facts_.files.files()) {
      if (!seen.insert({file.id, file.type}).second) {
        facts_.report.add(
            RuleId::FIL_1, Severity::error, facts_.at(file, "id", std::to_string(file.id)),
            fmt::format("two files of type {} have this id", model::type_name(file.type)));
      }
      if (const auto* reg = file.as<schema::RegFileEntry>(FdTypes::REG)) {
        regular(file, *reg);
      }
      direct(file);
      uses(file);
    }
    twice();
    if (!facts_.files_are_whole() || !facts_.is_whole(Kind::fdinfo)) {
      return;
    }
    for (const OpenFile& file : facts_.files.files()) {
      unused(file);
    }
    empty_tables();
  }

 private:
  void sub_messages(const Record& record, const schema::FileEntry& entry) {
    const auto type = static_cast<std::int32_t>(entry.type());
    if (type < static_cast<std::int32_t>(FdTypes::REG) ||
        type > static_cast<std::int32_t>(FdTypes::PIDFD)) {
      facts_.report.add(RuleId::FIL_2, facts_.at(record, "type", std::to_string(type)),
                        "is no type of file");
      return;
    }
    const flatbuffers::Table* body = model::body_of(entry, entry.type());
    if (body == nullptr) {
      facts_.report.add(RuleId::FIL_1, facts_.at(record, "type", model::type_name(entry.type())),
                        "the part that its type names is not set");
      return;
    }
    owner(record, entry);
    const auto own_id = body->GetField<std::uint32_t>(schema::RegFileEntry::VT_ID, 0);
    if (own_id != entry.id()) {
      facts_.report.add_plain(RuleId::FIL_1, Severity::error,
                              facts_.at(record, "id", std::to_string(entry.id())),
                              fmt::format("file {} calls itself {} inside: criu restore stops with "
                                          "'ID mismatch'",
                                          entry.id(), own_id));
    }
    for (std::int32_t other = static_cast<std::int32_t>(FdTypes::REG);
         other <= static_cast<std::int32_t>(FdTypes::PIDFD); ++other) {
      if (other != type && model::body_of(entry, static_cast<FdTypes>(other)) != nullptr) {
        facts_.report.add(
            RuleId::FIL_1, Severity::error,
            facts_.at(record, "type", model::type_name(entry.type())),
            fmt::format("has the part of {} too", model::type_name(static_cast<FdTypes>(other))));
      }
    }
  }

  [[nodiscard]] bool is_group(std::uint32_t id) const {
    const auto processes = facts_.tree.processes();
    return std::any_of(processes.begin(), processes.end(),
                       [&](const Process& process) { return process.pgid == id; });
  }

  /// Most parts have one, each under the same name.
  void owner(const Record& record, const schema::FileEntry& entry) {
    constexpr std::uint32_t kSignals = 64;
    constexpr std::uint32_t kOwners = 3;  // F_OWNER_TID, F_OWNER_PID, F_OWNER_PGRP
    for (const schema::FieldLayout& part : schema::table_layout("FileEntry").fields) {
      const auto* body = part.table == nullptr
                             ? nullptr
                             : reinterpret_cast<const flatbuffers::Table*>(&entry)
                                   ->GetPointer<const flatbuffers::Table*>(part.voffset);
      if (body == nullptr) {
        continue;
      }
      for (const schema::FieldLayout& field : part.table->fields) {
        const auto* fown = field.name == "fown"
                               ? body->GetPointer<const schema::FownEntry*>(field.voffset)
                               : nullptr;
        if (fown == nullptr) {
          continue;
        }
        const std::string path = std::string(part.name) + ".fown.";
        if (fown->signum() > kSignals) {
          facts_.report.add(RuleId::FIL_4,
                            facts_.at(record, path + "signum", std::to_string(fown->signum())),
                            "is no signal");
        }
        constexpr std::uint32_t kMaxPid = 4 * 1024 * 1024;
        if (fown->pid() > kMaxPid) {
          facts_.report.add(RuleId::FIL_4,
                            facts_.at(record, path + "pid", std::to_string(fown->pid())),
                            "is no id that a process can have");
        } else if (fown->pid() != 0 && facts_.process_of(fown->pid()) == nullptr &&
                   !is_group(fown->pid())) {
          facts_.report.add_plain(RuleId::FIL_4, Severity::warning,
                                  facts_.at(record, path + "pid", std::to_string(fown->pid())),
                                  "the owner of the file is not in the image: a restore stops, "
                                  "unless such a process is there");
        }
        if (fown->pid() != 0 && fown->pid_type() >= kOwners) {
          facts_.report.add(RuleId::FIL_4,
                            facts_.at(record, path + "pid_type", std::to_string(fown->pid_type())),
                            "is no kind of owner");
        }
      }
    }
  }

  void descriptor(const Record& record, const schema::FdinfoEntry& entry) {
    if (entry.fd() > kMaxDescriptor) {
      facts_.report.add(RuleId::FDI_1, facts_.at(record, "fd", std::to_string(entry.fd())),
                        "is above what any kernel allows");
    }
    if (!facts_.files_are_whole()) {
      return;
    }
    const OpenFile* file = facts_.use_file(entry.id(), entry.type());
    if (file == nullptr) {
      facts_.report.add(RuleId::FDI_2, facts_.at(record, "id", std::to_string(entry.id())),
                        fmt::format("descriptor {} is of file {}, which is not in the image",
                                    entry.fd(), entry.id()));
    } else if (file->type != entry.type()) {
      facts_.report.add(
          RuleId::FDI_2, facts_.at(record, "type", model::type_name(entry.type())),
          fmt::format("descriptor {} says that file {} is {}, and it is {}", entry.fd(), entry.id(),
                      model::type_name(entry.type()), model::type_name(file->type)));
    }
  }

  /// Descriptor numbers are unique in a table.
  void twice() {
    const auto& all = facts_.descriptors;
    for (std::size_t i = 1; i < all.size(); ++i) {
      if (all[i].table == all[i - 1].table && all[i].fd == all[i - 1].fd) {
        facts_.report.add(
            RuleId::FDI_1,
            facts_.at({Kind::fdinfo, all[i].table}, 0, "fd", std::to_string(all[i].fd)),
            fmt::format("descriptor {} is there twice", all[i].fd));
      }
    }
  }

  void directory(const Record& record, const char* field, std::uint32_t id) {
    const OpenFile* file = facts_.use_file(id, FdTypes::REG);
    if (!facts_.files_are_whole()) {
      return;
    }
    if (file == nullptr || file->type != FdTypes::REG || file->body == nullptr) {
      facts_.report.add(RuleId::FS_1, facts_.at(record, field, std::to_string(id)),
                        file == nullptr ? "no file has this id" : "is no directory");
      return;
    }
    const auto mode = file->as<schema::RegFileEntry>(FdTypes::REG)->mode();
    if (mode && (*mode & kTypeBits) != kDirectory) {
      facts_.report.add(RuleId::FS_1, facts_.at(record, field, std::to_string(id)),
                        fmt::format("file {} is no directory (mode 0{:o})", id, *mode));
    }
  }

  /// CRIU sets all flags again with F_SETFL.
  void direct(const OpenFile& file) {
    constexpr std::uint32_t kDirect = 0x4000;
    const std::optional<std::uint32_t> flags = flags_of(file);
    if (flags && (*flags & kDirect) != 0) {
      facts_.report.add(RuleId::FIL_5, facts_.at(file, "flags", fmt::format("0x{:x}", *flags)),
                        "asks for direct I/O, which this type of file does not have");
    }
  }

  /// Of types that have no blocks to read directly.
  static std::optional<std::uint32_t> flags_of(const OpenFile& file) {
    if (const auto* event = file.as<schema::EventfdFileEntry>(FdTypes::EVENTFD)) {
      return event->flags();
    }
    if (const auto* poll = file.as<schema::EventpollFileEntry>(FdTypes::EVENTPOLL)) {
      return poll->flags();
    }
    if (const auto* signals = file.as<schema::SignalfdEntry>(FdTypes::SIGNALFD)) {
      return signals->flags();
    }
    if (const auto* timer = file.as<schema::TimerfdEntry>(FdTypes::TIMERFD)) {
      return timer->flags();
    }
    if (const auto* watch = file.as<schema::InotifyFileEntry>(FdTypes::INOTIFY)) {
      return watch->flags();
    }
    if (const auto* local = file.as<schema::UnixSkEntry>(FdTypes::UNIXSK)) {
      return local->flags();
    }
    if (const auto* inet = file.as<schema::InetSkEntry>(FdTypes::INETSK)) {
      return inet->flags();
    }
    return std::nullopt;
  }

  void mode(const Where& where, std::uint32_t mode) {
    constexpr std::uint32_t kTypes[] = {0010000, 0020000, 0040000, 0060000,
                                        0100000, 0120000, 0140000};
    constexpr std::uint32_t kAll = 0177777;
    if (mode > kAll ||
        std::find(std::begin(kTypes), std::end(kTypes), mode & kTypeBits) == std::end(kTypes)) {
      facts_.report.add_plain(RuleId::REG_5, Severity::error, where,
                              "is no type of file, so no file can have it: criu restore stops "
                              "with 'bad mode'");
    }
  }

  void regular(const OpenFile& file, const schema::RegFileEntry& reg) {
    const std::string_view name = reg.name()->string_view();
    const auto at = [&](const char* field, std::string value) {
      return facts_.at(file, fmt::format("{}{}", file.entry == nullptr ? "" : "reg.", field),
                       std::move(value));
    };
    if (name.empty()) {
      facts_.report.add_plain(RuleId::REG_1, Severity::error, at("name", ""),
                              "an empty path: criu restore opens something else, or stops");
    } else if (climbs(name)) {
      facts_.report.add_plain(RuleId::REG_1, Severity::error, at("name", std::string(name)),
                              "a path that climbs out with '..', which no kernel gives: a restore "
                              "would open a file outside; do not restore this image");
    } else if (name.find('\0') != std::string_view::npos) {
      facts_.report.add_plain(RuleId::REG_1, Severity::error, at("name", std::string(name)),
                              "a path with a zero byte: a restore opens another file");
    } else if (name.size() > kMaxPath) {
      facts_.report.add_plain(RuleId::REG_1, Severity::error,
                              at("name", std::to_string(name.size())),
                              "a path longer than the kernel takes (4095 bytes)");
    } else if (name[0] != '/' && name[0] != '.') {
      facts_.report.add(RuleId::REG_1, at("name", std::string(name)), "is no absolute path");
    }
    if (reg.mode()) {
      mode(at("mode", fmt::format("0{:o}", *reg.mode())), *reg.mode());
    }
    if ((reg.flags() & (kCreate | kExclusive | kTruncate)) != 0) {
      facts_.report.add(RuleId::REG_8, at("flags", fmt::format("0x{:x}", reg.flags())),
                        "creates or empties the file when it is opened again");
    }
    const std::int32_t mount = reg.mnt_id().value_or(-1);
    if (mount != -1 && !facts_.mounts.empty() && facts_.is_whole(Kind::mountpoints) &&
        !facts_.mounts.contains(static_cast<std::uint32_t>(mount)) && !reg.ext().value_or(false)) {
      facts_.report.add(RuleId::REG_2, at("mnt_id", std::to_string(mount)),
                        fmt::format("mount {} is not in the image", mount));
    }
  }

  /// Files that name other files.
  void uses(const OpenFile& file) {
    if (const auto* fifo = file.as<schema::FifoEntry>(FdTypes::FIFO)) {
      facts_.used_files.insert(fifo->regf_id().value_or(file.id));
    } else if (const auto* tty = file.as<schema::TtyFileEntry>(FdTypes::TTY)) {
      facts_.used_files.insert(tty->regf_id().value_or(file.id));
    }
  }

  /// No fdinfo file is a table without descriptors, unless files are left over.
  void empty_tables() {
    std::unordered_set<std::uint32_t> judged;
    for (const Process& process : facts_.tree.processes()) {
      const std::uint32_t table = process.ids.files;
      if (!process.has_ids || process.is_zombie() || table == 0 ||
          facts_.has(Kind::fdinfo, table) || !judged.insert(table).second) {
        continue;
      }
      facts_.report.add_plain(
          RuleId::FDI_3, unused_ == 0 ? Severity::note : Severity::error,
          facts_.at({Kind::fdinfo, table}),
          fmt::format("is not there: process {} has no descriptors{}", process.pid,
                      unused_ == 0 ? std::string()
                                   : fmt::format(", though {} files of the image are nobody's: it "
                                                 "was lost, and so are they; take the dump again",
                                                 unused_)));
    }
  }

  void unused(const OpenFile& file) {
    if (facts_.is_predump) {
      return;
    }
    if ((file.type == FdTypes::PIPE || file.type == FdTypes::FIFO) &&
        !facts_.used_files.contains(file.id) && facts_.is_whole(Kind::fdinfo) &&
        facts_.has_any(Kind::fdinfo)) {
      ++unused_;
      facts_.report.add_plain(RuleId::FIL_3, Severity::error,
                              facts_.at(file, "id", std::to_string(file.id)),
                              "an end of a pipe that nobody holds: criu restore crashes; take "
                              "the dump again");
      return;
    }
    // External sockets and what is under way in a socket are held by nobody.
    if (facts_.used_files.contains(file.id) || file.type == FdTypes::UNIXSK ||
        file.type == FdTypes::EVENTPOLL) {
      return;
    }
    ++unused_;
    facts_.report.add_plain(RuleId::FIL_3, Severity::note,
                            facts_.at(file, "id", std::to_string(file.id)),
                            "a file that nothing in the image uses");
  }

  Facts& facts_;
  std::size_t unused_ = 0;
};

}  // namespace

std::unique_ptr<RuleSet> file_rules(Facts& facts) {
  return std::make_unique<FileRules>(facts);
}

}  // namespace img::check
