// SPDX-License-Identifier: MIT
// TTY-*: terminals.
#include <fmt/core.h>

#include "libimg/check/facts.h"

namespace img::check {
namespace {

using schema::TtyType;

constexpr std::uint32_t kMaxId = 2 * 1088;  // CRIU's MAX_TTYS, both ends
constexpr std::size_t kControlCharacters = 19;
constexpr std::size_t kMaxData = 4096;
// Majors of st_rdev, as the C library packs it.
constexpr std::uint32_t kPtmxMajor = 5;
constexpr std::uint32_t kPtmxMinor = 2;
constexpr std::uint32_t kMasterMajor = 128;

bool is_master(std::uint32_t rdev) {
  const std::uint32_t major = rdev >> 8 & 0xfff;
  const std::uint32_t minor = (rdev & 0xff) | (rdev >> 12 & 0xfff00);
  return (major == kPtmxMajor && minor == kPtmxMinor) ||
         (major >= kMasterMajor && major < kMasterMajor + 8);
}

class TtyRules : public RuleSet {
 public:
  explicit TtyRules(Facts& facts) : facts_(facts) {}

  void record(const Record& record) override {
    if (record.key.seq == 0) {
      return;
    }
    if (record.key.file.kind == Kind::tty_info) {
      info(record, *record.as<schema::TtyInfoEntry>());
    } else if (record.key.file.kind == Kind::tty_data) {
      const auto& entry = *record.as<schema::TtyDataEntry>();
      data_.emplace_back(entry.tty_id(),
                         facts_.at(record, "tty_id", std::to_string(entry.tty_id())));
      if (entry.data()->size() > kMaxData) {
        facts_.report.add(
            RuleId::TTY_6, facts_.at(record, "data", std::to_string(entry.data()->size())),
            fmt::format("{} bytes wait in a terminal that holds 4096", entry.data()->size()));
      }
    }
  }

  void finish() override {
    for (const OpenFile& file : facts_.files.files()) {
      const auto* tty = file.as<schema::TtyFileEntry>(FdTypes::TTY);
      if (tty == nullptr) {
        continue;
      }
      if (!facts_.has(Kind::tty_info)) {
        facts_.report.add(RuleId::TTY_1, facts_.at({Kind::tty_info, 0}),
                          fmt::format("is not there, and file {} needs it", file.id));
        break;
      }
      if (tty->regf_id() && facts_.files_are_whole()) {
        const OpenFile* path = facts_.use_file(*tty->regf_id(), FdTypes::REG);
        if (path == nullptr || path->type != FdTypes::REG) {
          facts_.report.add(RuleId::TTY_1,
                            facts_.at(file, "tty.regf_id", std::to_string(*tty->regf_id())),
                            path == nullptr ? "no file has this id" : "is no file with a path");
        }
      }
      if (!ids_.contains(tty->tty_info_id()) && facts_.is_whole(Kind::tty_info)) {
        facts_.report.add(RuleId::TTY_1,
                          facts_.at(file, "tty.tty_info_id", std::to_string(tty->tty_info_id())),
                          "no terminal of tty-info.img has this id");
      }
    }
    for (const auto& [id, where] : data_) {
      if (!ids_.contains(id) && facts_.is_whole(Kind::tty_info)) {
        facts_.report.add(RuleId::TTY_6, where, "no terminal of tty-info.img has this id");
      }
    }
    for (const auto& [sid, where] : sessions_) {
      const Process* leader = facts_.tree.find(sid);
      const bool has_session = leader != nullptr || has_member(sid);
      if (!has_session && facts_.is_whole(Kind::pstree)) {
        facts_.report.add(RuleId::TTY_5, where,
                          fmt::format("controls session {}, in which no process is", sid));
      }
    }
  }

 private:
  [[nodiscard]] bool has_member(std::uint32_t sid) {
    if (members_.empty()) {
      for (const Process& process : facts_.tree.processes()) {
        members_.insert(process.sid);
      }
    }
    return members_.contains(sid);
  }

  void info(const Record& record, const schema::TtyInfoEntry& entry) {
    const Where id = facts_.at(record, "id", std::to_string(entry.id()));
    if (!ids_.insert(entry.id()).second) {
      facts_.report.add(RuleId::TTY_1, id, "two terminals have this id");
    }
    if (entry.termios() != nullptr && entry.id() > kMaxId) {
      facts_.report.add(RuleId::TTY_1, id, "is above what CRIU has room for (2176)");
    }
    const auto type = static_cast<std::int32_t>(entry.type());
    if (type < static_cast<std::int32_t>(TtyType::PTY) ||
        type > static_cast<std::int32_t>(TtyType::SERIAL)) {
      facts_.report.add(RuleId::TTY_2, facts_.at(record, "type", std::to_string(type)),
                        "is no type of terminal");
    } else if ((entry.type() == TtyType::PTY) != (entry.pty() != nullptr)) {
      facts_.report.add(RuleId::TTY_2, facts_.at(record, "pty"),
                        entry.pty() == nullptr ? "is not set, and the terminal is a pty"
                                               : "is set, and the terminal is no pty");
    }
    constexpr std::uint32_t kMostPtys = 1U << 20;  // NR_UNIX98_PTY_MAX
    if (entry.pty() != nullptr && entry.pty()->index() >= kMostPtys) {
      facts_.report.add(RuleId::TTY_2,
                        facts_.at(record, "pty.index", std::to_string(entry.pty()->index())),
                        "is more than a system has ptys");
    }
    settings(record, entry);
    if (entry.sid() != 0) {
      sessions_.emplace_back(entry.sid(), facts_.at(record, "sid", std::to_string(entry.sid())));
    }
  }

  void settings(const Record& record, const schema::TtyInfoEntry& entry) {
    const int have = (entry.termios() != nullptr ? 1 : 0) +
                     (entry.termios_locked() != nullptr ? 1 : 0) +
                     (entry.winsize() != nullptr ? 1 : 0);
    if (have != 3 && (have != 0 || (entry.type() == TtyType::PTY && is_master(entry.rdev())))) {
      facts_.report.add(RuleId::TTY_3, facts_.at(record, "termios", std::to_string(have)),
                        fmt::format("{} of termios, termios_locked and winsize {} set", have,
                                    have == 1 ? "is" : "are"));
    }
    for (const auto& [field, termios] : {std::pair{"termios", entry.termios()},
                                         std::pair{"termios_locked", entry.termios_locked()}}) {
      const std::size_t characters =
          termios == nullptr || termios->c_cc() == nullptr ? 0 : termios->c_cc()->size();
      if (termios != nullptr && characters < kControlCharacters) {
        facts_.report.add(
            RuleId::TTY_3,
            facts_.at(record, fmt::format("{}.c_cc", field), std::to_string(characters)),
            fmt::format("{} control characters, where there are 19", characters));
      }
    }
  }

  Facts& facts_;
  std::unordered_set<std::uint32_t> ids_;
  std::unordered_set<std::uint32_t> members_;  // sessions that have a process
  std::vector<std::pair<std::uint32_t, Where>> data_;
  std::vector<std::pair<std::uint32_t, Where>> sessions_;
};

}  // namespace

std::unique_ptr<RuleSet> tty_rules(Facts& facts) {
  return std::make_unique<TtyRules>(facts);
}

}  // namespace img::check
