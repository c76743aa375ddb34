// SPDX-License-Identifier: MIT
// PIP-*, FIF-1: pipes, fifos and what is in them.
#include <fmt/core.h>

#include <algorithm>
#include <bit>

#include "libimg/check/facts.h"

namespace img::check {
namespace {

constexpr std::uint32_t kAccess = 0x3;
constexpr std::uint32_t kReadOnly = 0;
constexpr std::uint32_t kWriteOnly = 1;
constexpr std::uint32_t kTypeBits = 0170000;
constexpr std::uint32_t kFifo = 0010000;

class PipeRules : public RuleSet {
 public:
  explicit PipeRules(Facts& facts) : facts_(facts) {}

  void record(const Record& record) override {
    const Kind kind = record.key.file.kind;
    if (record.key.seq != 0 && (kind == Kind::pipes_data || kind == Kind::fifo_data)) {
      data(record, *record.as<schema::PipeDataEntry>(), kind);
    }
  }

  void finish() override {
    std::unordered_set<std::uint32_t> fifos;
    for (const OpenFile& file : facts_.files.files()) {
      if (const auto* pipe = file.as<schema::PipeEntry>(FdTypes::PIPE)) {
        end(file, *pipe);
      } else if (const auto* fifo = file.as<schema::FifoEntry>(FdTypes::FIFO)) {
        fifos.insert(fifo->pipe_id());
        path(file, *fifo);
      }
    }
    for (const auto& [id, pipe] : pipes_) {
      const std::string key = fmt::format("pipe:[{}]", id);
      if (pipe.has_reader != pipe.has_writer && !facts_.given.has_descriptor(key)) {
        facts_.report.add_plain(
            RuleId::PIP_4, Severity::warning, pipe.where,
            fmt::format("pipe {} has only {} in the image: after a restore the program gets {}; "
                        "give the other end with --inherit-fd 'fd[N]:{}'",
                        id, pipe.has_reader ? "readers" : "writers",
                        pipe.has_reader ? "end of file" : "SIGPIPE", key));
      }
    }
    for (const Content& content : contents_) {
      const bool is_known = content.kind == Kind::pipes_data ? pipes_.contains(content.pipe_id)
                                                             : fifos.contains(content.pipe_id);
      if (!is_known && facts_.files_are_whole()) {
        facts_.report.add_plain(
            RuleId::PIP_2, Severity::error, content.where,
            fmt::format("{} is no {} of the image: criu restore drops its bytes without a word",
                        content.pipe_id, content.kind == Kind::pipes_data ? "pipe" : "fifo"));
      }
    }
  }

 private:
  struct Pipe {
    bool has_reader = false;
    bool has_writer = false;
    Where where;
  };
  struct Content {
    Kind kind = Kind::none;
    std::uint32_t pipe_id = 0;
    Where where;
  };

  void data(const Record& record, const schema::PipeDataEntry& entry, Kind kind) {
    contents_.push_back(
        {kind, entry.pipe_id(), facts_.at(record, "pipe_id", std::to_string(entry.pipe_id()))});
    if (!filled_.insert({kind, entry.pipe_id()}).second) {
      facts_.report.add(RuleId::PIP_2,
                        facts_.at(record, "pipe_id", std::to_string(entry.pipe_id())),
                        fmt::format("the content of {} is there twice", entry.pipe_id()));
    }
    // What F_SETPIPE_SZ takes, and how it rounds up.
    constexpr std::uint32_t kLargest = 1U << 31;
    constexpr std::uint32_t kSmallest = 4096;
    if (entry.size().value_or(0) > kLargest) {
      facts_.report.add(RuleId::PIP_2, facts_.at(record, "size", std::to_string(*entry.size())),
                        "is more than any pipe can hold");
    } else if (entry.size() && entry.bytes() > *entry.size()) {
      const bool fits = entry.bytes() <= std::max(kSmallest, std::bit_ceil(*entry.size()));
      facts_.report.add(
          RuleId::PIP_2, fits ? Severity::warning : Severity::error,
          facts_.at(record, "bytes", std::to_string(entry.bytes())),
          fmt::format("{} bytes in a pipe that holds {}", entry.bytes(), *entry.size()));
    }
  }

  void end(const OpenFile& file, const schema::PipeEntry& entry) {
    Pipe& pipe = pipes_[entry.pipe_id()];
    if (pipe.where.file.empty()) {
      pipe.where = facts_.at(file, "pipe.pipe_id", std::to_string(entry.pipe_id()));
    }
    const std::uint32_t access = entry.flags() & kAccess;
    if (access == kAccess) {
      facts_.report.add(RuleId::PIP_1,
                        facts_.at(file, "pipe.flags", fmt::format("0x{:x}", entry.flags())),
                        "an end of a pipe that neither reads nor writes");
    }
    pipe.has_reader = pipe.has_reader || access != kWriteOnly;
    pipe.has_writer = pipe.has_writer || access != kReadOnly;
  }

  void path(const OpenFile& file, const schema::FifoEntry& fifo) {
    const std::uint32_t id = fifo.regf_id().value_or(file.id);
    // Before files.img a fifo and its path had the same id, in files of their own.
    if (!facts_.files_are_whole() || (!fifo.regf_id() && file.entry == nullptr)) {
      return;
    }
    const OpenFile* path = facts_.files.find(id, FdTypes::REG);
    const auto* reg = path == nullptr ? nullptr : path->as<schema::RegFileEntry>(FdTypes::REG);
    if (reg == nullptr) {
      facts_.report.add(RuleId::FIF_1, facts_.at(file, "fifo.regf_id", std::to_string(id)),
                        "the fifo has no path: no regular file has this id");
    } else if (reg->mode() && (*reg->mode() & kTypeBits) != kFifo) {
      facts_.report.add(
          RuleId::FIF_1, facts_.at(file, "fifo.regf_id", std::to_string(id)),
          fmt::format("the path of the fifo is no fifo's (mode 0{:o})", *reg->mode()));
    }
  }

  Facts& facts_;
  std::map<std::uint32_t, Pipe> pipes_;
  std::vector<Content> contents_;
  std::set<std::pair<Kind, std::uint32_t>> filled_;
};

}  // namespace

std::unique_ptr<RuleSet> pipe_rules(Facts& facts) {
  return std::make_unique<PipeRules>(facts);
}

}  // namespace img::check
