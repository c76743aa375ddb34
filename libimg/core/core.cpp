// SPDX-License-Identifier: MIT
#include "libimg/core/core.h"

#include <algorithm>

#include "libimg/core/process_notes.h"
#include "libimg/core/thread_notes.h"
#include "libimg/core/x86_registers.h"

namespace img::core {
namespace {

using model::FileKey;
using model::Process;
using model::Record;
using schema::Kind;

/// The one message of a file.
template <class T>
class OneOf : public model::RecordSink {
 public:
  using Use = std::function<Result<void>(const T&)>;
  explicit OneOf(Use use) : use_(std::move(use)) {}
  Result<void> record(const Record& record) override {
    if (record.key.seq == 0 || record.table == nullptr || found) {
      return {};
    }
    found = true;
    return use_(*record.as<T>());
  }
  bool found = false;

 private:
  Use use_;
};

using CoreUse = OneOf<schema::CoreEntry>::Use;

Result<void> read_core(model::ImageReader& reader, std::uint32_t tid, const CoreUse& use) {
  const FileKey file{Kind::core, tid};
  const auto checked = [&](const schema::CoreEntry& core) -> Result<void> {
    if (core.mtype() != schema::March::X86_64) {
      return fail(Fault::unsupported, reader.file_name(file), "not of an x86 processor",
                  "cores can be made of x86-64 and 32-bit x86 tasks");
    }
    if (core.thread_info() == nullptr) {
      return fail(Fault::corrupt, reader.file_name(file), "no registers");
    }
    return use(core);
  };
  OneOf<schema::CoreEntry> sink(checked);
  IMG_TRY(reader.read(file, sink));
  if (!sink.found) {
    return fail(Fault::missing, reader.file_name(file), "missing", "the thread is in pstree.img");
  }
  return {};
}

}  // namespace

Result<CoreMaker> CoreMaker::open(model::ImageReader& reader) {
  if (reader.header().page_size() != model::vma::kPage) {
    return fail(Fault::unsupported, reader.place(), "pages of another size than 4096",
                "cores can be made of x86 images");
  }
  IMG_ASSIGN(model::ProcessTree tree, model::ProcessTree::read(reader));
  if (tree.processes().empty()) {
    return fail(Fault::missing, reader.place(), "no processes in it",
                "a pre-dump holds only memory", "take the last level of its chain");
  }
  IMG_ASSIGN(Backings backings, Backings::read(reader));
  return CoreMaker(reader, std::move(tree), std::move(backings));
}

std::string CoreMaker::refusal(const Process& process) {
  return process.is_zombie() ? "a zombie: it has neither memory nor registers" : "";
}

Result<std::uint64_t> CoreMaker::write_notes(ByteSink& to, Width width, const Process& process,
                                             const ProcessMemory& memory) {
  NoteWriter notes(to);
  const auto process_notes = [&](const schema::CoreEntry& core) -> Result<void> {
    const auto about = [&](const schema::CredsEntry* creds) {
      return write_process(notes, width, process, memory.arguments, core, creds);
    };
    if (core.thread_core() != nullptr && core.thread_core()->creds() != nullptr) {
      IMG_TRY(about(core.thread_core()->creds()));
    } else {
      // Before CRIU 2.0 they stand by themselves.
      OneOf<schema::CredsEntry> old([&](const schema::CredsEntry& creds) { return about(&creds); });
      IMG_TRY(reader_->read({Kind::creds, process.pid}, old));
      if (!old.found) {
        IMG_TRY(about(nullptr));
      }
    }
    IMG_TRY(write_signal(notes, width, core));
    IMG_TRY(write_auxv(notes, width, memory.auxv));
    return write_file_map(notes, width, memory.mappings, backings_);
  };
  const auto thread = [&](std::uint32_t tid) {
    return read_core(*reader_, tid, [&](const schema::CoreEntry& core) -> Result<void> {
      IMG_TRY(write_status(notes, width, process, tid, core));
      IMG_TRY(tid == process.pid ? process_notes(core) : write_signal(notes, width, core));
      return write_register_sets(notes, width, *core.thread_info());
    });
  };
  IMG_TRY(thread(process.pid));
  for (const std::uint32_t tid : tree_.threads(process)) {
    if (tid != process.pid) {
      IMG_TRY(thread(tid));
    }
  }
  return notes.written();
}

Result<Core> CoreMaker::write(const Process& process, int fd, const std::string& thing,
                              const Progress& progress) {
  Width width = Width::bits64;
  IMG_TRY(read_core(*reader_, process.pid, [&](const schema::CoreEntry& core) -> Result<void> {
    width = width_of(*core.thread_info());
    return {};
  }));
  IMG_ASSIGN(ProcessMemory memory, ProcessMemory::read(*reader_, process.pid));
  if (width == Width::bits32) {
    std::erase_if(memory.mappings, [](const Mapping& one) { return one.end > UINT32_MAX; });
  }
  IMG_ASSIGN(const Layout layout, Layout::plan(*reader_, process.pid, memory.mappings, backings_));
  CoreFile file(fd, thing, width, layout);
  IMG_TRY(file.write_notes([&](ByteSink& to) { return write_notes(to, width, process, memory); }));
  IMG_TRY(file.write_memory(*reader_, process.pid, backings_, progress));
  Core core;
  core.threads = std::max<std::size_t>(tree_.threads(process).size(), 1);
  core.bytes = file.bytes();
  core.written = file.written();
  return core;
}

}  // namespace img::core
