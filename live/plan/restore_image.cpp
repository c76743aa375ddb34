// SPDX-License-Identifier: MIT
#include "live/plan/restore_image.h"

#include "libimg/model/file_name.h"
#include "live/state/state.h"

namespace img::plan {
namespace {

using model::FileKey;
using model::Kind;

class FirstMessage : public model::RecordSink {
 public:
  explicit FirstMessage(model::Arena& arena) : arena_(arena) {}
  Result<void> record(const model::Record& record) override {
    if (record.key.seq == 1 && record.table != nullptr) {
      kept_ = arena_.keep(record.flatbuffer);
    }
    return {};
  }
  [[nodiscard]] Bytes kept() const { return kept_; }

 private:
  model::Arena& arena_;
  Bytes kept_;
};

Failure lacks(FileKey file, const char* what) {
  return fail(Fault::corrupt, model::image_file_name(file), "", what);
}

void add_settings(TaskImage& task) {
  if (task.settings == nullptr) {
    return;
  }
  std::unordered_map<std::uint32_t, const schema::ThreadSettings*> by_tid;
  for (const schema::ThreadSettings* one : *task.settings->threads()) {
    by_tid.emplace(one->tid(), one);
  }
  for (ThreadImage& thread : task.threads) {
    const auto found = by_tid.find(thread.tid);
    thread.settings = found == by_tid.end() ? nullptr : found->second;
  }
}

Result<void> check_core(FileKey file, const schema::CoreEntry* core) {
  if (core == nullptr) {
    return lacks(file, "it is not there");
  }
  if (core->mtype() != schema::March::X86_64) {
    return fail(state::refusal(state::Piece::other_architecture, model::image_file_name(file)));
  }
  if (core->thread_info() == nullptr || core->thread_core() == nullptr) {
    return lacks(file, "it has no registers, or nothing of its thread");
  }
  return {};
}

}  // namespace

template <class T>
Result<const T*> RestoreImage::only_record(model::ImageReader& reader, FileKey file) {
  FirstMessage first(arena_);
  IMG_TRY(reader.read(file, first));
  return first.kept().empty() ? nullptr : flatbuffers::GetRoot<T>(first.kept().data());
}

Result<TaskImage> RestoreImage::read_task(model::ImageReader& reader,
                                          const model::Process& process) {
  TaskImage task;
  task.process = &process;
  for (const std::uint32_t tid : tree_.threads(process)) {
    const FileKey file{Kind::core, tid};
    IMG_ASSIGN(const auto* core, only_record<schema::CoreEntry>(reader, file));
    IMG_TRY(check_core(file, core));
    task.threads.push_back({tid, core, nullptr});
  }
  const FileKey core{Kind::core, process.pid};
  if (task.threads.empty() || task.threads[0].tid != process.pid) {
    return fail(Fault::corrupt, "pstree.img", "process " + std::to_string(process.pid),
                "its first thread is not itself");
  }
  const auto* shared = task.threads[0].core->tc();
  if (shared == nullptr || shared->sigactions() == nullptr || shared->timers() == nullptr ||
      shared->rlimits() == nullptr || task.threads[0].own().creds() == nullptr) {
    return fail(state::refusal(state::Piece::old_criu, model::image_file_name(core), {},
                               "restore it with that"));
  }
  IMG_ASSIGN(task.mm, only_record<schema::MmEntry>(reader, {Kind::mm, process.pid}));
  IMG_ASSIGN(task.fs, only_record<schema::FsEntry>(reader, {Kind::fs, process.pid}));
  if (task.mm == nullptr || task.mm->vmas() == nullptr) {
    return lacks({Kind::mm, process.pid}, "it is not there, or has no mappings");
  }
  if (task.fs == nullptr) {
    return lacks({Kind::fs, process.pid}, "it is not there");
  }
  IMG_ASSIGN(task.settings,
             only_record<schema::TaskSettings>(reader, {Kind::settings, process.pid}));
  add_settings(task);
  return task;
}

Result<RestoreImage> RestoreImage::read(model::ImageReader& reader) {
  RestoreImage out;
  IMG_ASSIGN(out.tree_, model::ProcessTree::read(reader));
  if (out.tree_.processes().empty()) {
    return fail(Fault::missing, reader.place(), "", "there is no process in it");
  }
  Result<void> result;
  out.tree_.walk([&](const model::Process& process, std::size_t) {
    if (!result || process.is_zombie()) {
      return;
    }
    if (process.state == model::TaskState::unknown) {
      result = fail(Fault::corrupt, model::image_file_name({Kind::core, process.pid}), "",
                    "neither alive, stopped nor a zombie");
      return;
    }
    auto task = out.read_task(reader, process);
    if (!task) {
      result = fail(std::move(task).error());
      return;
    }
    out.by_pid_.emplace(process.pid, out.tasks_.size());
    out.tasks_.push_back(std::move(*task));
  });
  IMG_TRY(result);
  IMG_ASSIGN(out.seccomp_, out.only_record<schema::SeccompEntry>(reader, {Kind::seccomp, 0}));
  IMG_ASSIGN(out.cgroup_, out.only_record<schema::CgroupEntry>(reader, {Kind::cgroup, 0}));
  IMG_ASSIGN(out.inventory_, out.only_record<schema::InventoryEntry>(reader, {Kind::inventory, 0}));
  return out;
}

const TaskImage* RestoreImage::find(std::uint32_t pid) const {
  const auto found = by_pid_.find(pid);
  return found == by_pid_.end() ? nullptr : &tasks_[found->second];
}

}  // namespace img::plan
