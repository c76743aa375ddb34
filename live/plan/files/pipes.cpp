// SPDX-License-Identifier: MIT
// Pipes and fifos: one buffer, what is in it, and any number of descriptions of its two ends.
#include <fcntl.h>
#include <sys/syscall.h>

#include <map>
#include <optional>

#include "libimg/base/text.h"
#include "libimg/model/each_record.h"
#include "live/plan/files/image_files.h"

namespace img::plan {
namespace {

using model::OpenFile;
using schema::FdTypes;

/// What was in the pipes, by pipe_id.
class PipeContents {
 public:
  [[nodiscard]] Result<void> read(model::ImageReader& reader, model::Kind kind) {
    return model::for_each_message<schema::PipeDataEntry>(
        reader, {kind, 0}, [this](const schema::PipeDataEntry& entry, const model::Record& record) {
          contents_.emplace(entry.pipe_id(),
                            Content{record.key, entry.bytes(), entry.size().value_or(0)});
        });
  }

  void fill(FileContext& context, std::uint32_t pipe_id, Slot end) const {
    const auto found = contents_.find(pipe_id);
    if (found == contents_.end()) {
      return;
    }
    const Content& content = found->second;
    const std::string name = "pipe " + std::to_string(pipe_id);
    if (content.size != 0) {
      context.builder->call(kRestorer, SYS_fcntl, {end, F_SETPIPE_SZ, content.size},
                            "size of " + name);
    }
    if (content.bytes != 0) {
      context.copy_payload(end, content.record, CopyPayload::kAppend, "content of " + name);
    }
  }

 private:
  struct Content {
    model::RecordKey record;
    std::uint32_t bytes = 0;
    std::uint32_t size = 0;
  };
  std::map<std::uint32_t, Content> contents_;
};

class Pipes final : public KindPlanner {
 public:
  explicit Pipes(PipeContents contents) : contents_(std::move(contents)) {}

  Result<Slot> open(FileContext& context, const OpenFile& file) override {
    const auto& entry = *file.as<schema::PipeEntry>(FdTypes::PIPE);
    Slot inherited{};
    if (takes_own(context, file, entry, inherited)) {
      return inherited;
    }
    Pipe& pipe = pipes_[entry.pipe_id()];
    if (!pipe.is_made) {
      make(context, entry.pipe_id(), pipe);
    }
    const std::uint32_t access = entry.flags() & O_ACCMODE;
    std::optional<Slot>& first = access == O_RDONLY ? pipe.unused_reader : pipe.unused_writer;
    if (access == O_RDWR || !first) {
      return context.reopen(access == O_WRONLY ? pipe.writer : pipe.reader, entry.flags(),
                            "one more end of pipe " + std::to_string(entry.pipe_id()));
    }
    const Slot slot = *first;
    first.reset();
    context.set_flags(slot, entry.flags(), "pipe " + std::to_string(entry.pipe_id()));
    return slot;
  }

  /// Ends that nobody of the tree has must not stay open in the restorer while tasks are made from
  /// it; they are not in any table, so close_range in each task sees to it.

 private:
  struct Pipe {
    bool is_made = false;
    Slot reader{};
    Slot writer{};
    std::optional<Slot> unused_reader;
    std::optional<Slot> unused_writer;
  };

  void make(FileContext& context, std::uint32_t pipe_id, Pipe& pipe) {
    PlanBuilder& builder = *context.builder;
    const DataId ends = builder.data(8);
    builder.call(kRestorer, SYS_pipe2, {ends, O_CLOEXEC}, "pipe " + std::to_string(pipe_id));
    const Slot reader = builder.load(ends, 0);
    const Slot writer = builder.load(ends, 4);
    pipe.reader = builder.keep(reader);
    pipe.writer = builder.keep(writer);
    pipe.unused_reader = pipe.reader;
    pipe.unused_writer = pipe.writer;
    pipe.is_made = true;
    contents_.fill(context, pipe_id, pipe.writer);
  }

  /// A pipe to somebody outside: the caller names a descriptor, or it is one of the root's standard
  /// descriptors and its other end is not in the image.
  static bool takes_own(FileContext& context, const OpenFile& file, const schema::PipeEntry& entry,
                        Slot& slot) {
    const int fd = context.standard_descriptor(file);
    if (context.inherits("pipe:[" + std::to_string(entry.pipe_id()) + "]", slot) ||
        (fd >= 0 && context.inherits("fd[" + std::to_string(fd) + "]", slot))) {
      return true;
    }
    if (fd < 0 || has_other_end(context, entry)) {
      return false;
    }
    slot = context.own_descriptor(fd);
    context.builder->note(
        "descriptor " + std::to_string(fd) +
        " was a pipe to a process outside the tree; it is live-restore's own now");
    return true;
  }

  static bool has_other_end(const FileContext& context, const schema::PipeEntry& entry) {
    for (const OpenFile& other : context.table.files()) {
      const auto* pipe = other.as<schema::PipeEntry>(FdTypes::PIPE);
      if (pipe != nullptr && pipe->pipe_id() == entry.pipe_id() &&
          (pipe->flags() & O_ACCMODE) != (entry.flags() & O_ACCMODE)) {
        return true;
      }
    }
    return false;
  }

  PipeContents contents_;
  std::map<std::uint32_t, Pipe> pipes_;
};

class Fifos final : public KindPlanner {
 public:
  explicit Fifos(PipeContents contents) : contents_(std::move(contents)) {}

  Result<Slot> open(FileContext& context, const OpenFile& file) override {
    const auto& entry = *file.as<schema::FifoEntry>(FdTypes::FIFO);
    const std::uint32_t node = entry.regf_id().value_or(entry.id());
    const schema::RegFileEntry* reg = context.regular(node);
    if (reg == nullptr) {
      return fail(Fault::missing, "files.img", "path of fifo " + std::to_string(entry.id()),
                  "is not in the image");
    }
    if (held_.count(entry.pipe_id()) == 0) {
      // Open both ways while the ends are opened: none of them waits for the other, and the
      // content stays.
      IMG_ASSIGN(const Slot both, context.open_node(node, O_RDWR));
      held_.emplace(entry.pipe_id(), both);
      contents_.fill(context, entry.pipe_id(), both);
    }
    return context.reopen(held_.at(entry.pipe_id()), reg->flags(),
                          "open fifo " + escaped(reg->name()->string_view()));
  }

 private:
  PipeContents contents_;
  std::map<std::uint32_t, Slot> held_;
};

/// What is damaged here is told when the image is checked; a pipe without its content is a pipe.
PipeContents contents_of(FileContext& context, model::Kind kind) {
  PipeContents contents;
  if (const Result<void> read = contents.read(context.reader, kind); !read) {
    context.builder->refuse(state::refusal_because(state::Piece::file_in_image, read.error()));
  }
  return contents;
}

}  // namespace

std::unique_ptr<KindPlanner> plan_pipes(FileContext& context) {
  return std::make_unique<Pipes>(contents_of(context, model::Kind::pipes_data));
}

std::unique_ptr<KindPlanner> plan_fifos(FileContext& context) {
  return std::make_unique<Fifos>(contents_of(context, model::Kind::fifo_data));
}

}  // namespace img::plan
