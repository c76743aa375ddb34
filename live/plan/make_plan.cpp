// SPDX-License-Identifier: MIT
#include "live/plan/make_plan.h"

#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <optional>
#include <set>

#include "live/plan/inheritance.h"
#include "live/plan/losses.h"
#include "live/plan/memory.h"
#include "live/plan/restore_image.h"
#include "live/plan/settings.h"
#include "live/plan/task.h"
#include "live/plan/tree.h"

namespace img::plan {
namespace {

constexpr std::int64_t kHighestDescriptor = 1 << 20;
constexpr unsigned kSysAdmin = 21;           // CAP_SYS_ADMIN
constexpr unsigned kCheckpointRestore = 40;  // CAP_CHECKPOINT_RESTORE

// Each task of a shared object once: the first with it.
class Firsts {
 public:
  [[nodiscard]] bool is_first(std::uint32_t id) { return id == 0 || seen_.insert(id).second; }

 private:
  std::set<std::uint32_t> seen_;
};

std::uint32_t files_id(const TaskImage& task) {
  return task.process->ids.files;
}

constexpr std::uint32_t kDumpedCore = 0x80;  // in a status of wait(2)

void plan_zombies(PlanBuilder& builder, const RestoreImage& image) {
  for (const model::Process& process : image.tree().processes()) {
    if (process.is_zombie()) {
      builder.step(BecomeZombie{process.pid,
                                {image.tree().parent(process)->pid},
                                process.exit_code,
                                std::string(process.comm())});
      if ((process.exit_code & kDumpedCore) != 0) {
        note_loss(builder, state::Piece::zombie_core, "zombie " + std::to_string(process.pid));
      }
    }
  }
}

bool is_stop_signal(int signal) {
  return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

// Stopped ones first, the youngest first: each tells its parent, which must not hear of it.
Result<void> plan_end(PlanBuilder& builder, const RestoreImage& image, const HostFacts& facts) {
  const auto tasks = image.tasks();
  for (auto task = tasks.rbegin(); task != tasks.rend(); ++task) {
    if (task->process->state != model::TaskState::stopped) {
      continue;
    }
    const int signal = static_cast<int>(task->process->stop_signal);
    IMG_TRY(plan_start(builder, facts, *task));
    builder.step(LetGo{{{task->pid(), is_stop_signal(signal) ? signal : SIGSTOP}}});
    const model::Process* parent = image.tree().parent(*task->process);
    if (parent != nullptr && !waits_for(*image.find(parent->pid), SIGCHLD)) {
      builder.step(ForgetChildren{{parent->pid}});
    }
  }
  LetGo others;
  for (const TaskImage& task : tasks) {
    if (task.process->state != model::TaskState::stopped) {
      IMG_TRY(plan_start(builder, facts, task));
      others.processes.push_back({task.pid(), 0});
    }
  }
  builder.step(std::move(others));
  return {};
}

Result<void> plan_memory(PlanBuilder& builder, const RestoreImage& image, const HostFacts& facts,
                         MemoryPlanner& memory, FilePlanner& files) {
  for (const TaskImage& task : image.tasks()) {
    builder.plan().signals.emplace(task.pid(), unused_signal(task));
    IMG_TRY(memory.map(task));
    IMG_TRY(memory.fill(task));
    IMG_TRY(memory.describe(task));
    plan_login(builder, facts, task);
  }
  Firsts places;
  for (const TaskImage& task : image.tasks()) {
    if (places.is_first(task.process->ids.fs)) {
      IMG_TRY(plan_place(builder, task, files));
    }
  }
  Firsts tables;
  for (const TaskImage& task : image.tasks()) {
    if (tables.is_first(files_id(task))) {
      IMG_TRY(files.install(builder, {task.pid()}, files_id(task)));
    }
  }
  return {};
}

Result<void> plan_tasks(PlanBuilder& builder, const RestoreImage& image, const HostFacts& facts,
                        FilePlanner& files, CgroupPlanner& cgroups) {
  for (const TaskImage& task : image.tasks()) {
    IMG_TRY(plan_threads(builder, image, facts, task, cgroups));
    IMG_TRY(plan_process(builder, facts, task));
  }
  Firsts tables;
  for (const TaskImage& task : image.tasks()) {
    if (tables.is_first(files_id(task))) {
      IMG_TRY(files.complete(builder, {task.pid()}, files_id(task)));
    }
  }
  return {};
}

Result<void> plan_last(PlanBuilder& builder, const RestoreImage& image, const HostFacts& facts,
                       const PlanOptions& options, const std::vector<Actor>& bereaved) {
  plan_zombies(builder, image);
  for (const Actor actor : bereaved) {
    if (image.find(actor.tid) != nullptr) {
      builder.step(ForgetChildren{actor});
    }
  }
  for (const TaskImage& task : image.tasks()) {
    plan_mapping_settings(builder, task);
    IMG_TRY(plan_credentials(builder, facts, options, task));
    IMG_TRY(plan_waiting(builder, facts, task));
  }
  return plan_end(builder, image, facts);
}

/// All files of the image are open at once, above the numbers that the tasks use.
void refuse_too_many_files(PlanBuilder& builder, const HostFacts& facts) {
  const std::uint64_t most = facts.limits[RLIMIT_NOFILE].most;
  if (builder.files_at_once() > most) {
    builder.refuse(state::refusal(state::Piece::too_many_files, "open files",
                                  std::to_string(builder.files_at_once()) +
                                      " at once, and the limit is " + std::to_string(most),
                                  "raise it with ulimit -Hn, which needs CAP_SYS_RESOURCE"));
  }
}

/// Of an image that cannot be looked into any further.
Result<Plan> refused_whole(Error error) {
  std::optional<state::Refusal> refused = state::as_refusal(error);
  if (!refused) {
    return fail(std::move(error));
  }
  PlanBuilder builder(0);
  builder.refuse(std::move(*refused));
  return builder.take();
}

}  // namespace

Result<Plan> make_plan(model::ImageReader& reader, const HostFacts& facts,
                       const PlanOptions& options, FilePlanner& files) {
  Result<RestoreImage> read = RestoreImage::read(reader);
  if (!read) {
    return refused_whole(std::move(read).error());
  }
  const RestoreImage& image = *read;
  const std::int64_t highest = files.highest_descriptor();
  if (highest > kHighestDescriptor) {
    return fail(Fault::limit, "fdinfo", "descriptor " + std::to_string(highest),
                "higher than " + std::to_string(kHighestDescriptor));
  }
  PlanBuilder builder(static_cast<std::uint32_t>(std::max<std::int64_t>(highest + 1, 3)));
  builder.plan().root = image.tree().processes()[0].pid;
  builder.expect(Capability{kCheckpointRestore, kSysAdmin, "to choose the pids"});
  MemoryPlanner memory(builder, image, facts, reader, files);
  CgroupPlanner cgroups(builder, image, options);
  const auto plan_all = [&]() -> Result<void> {
    IMG_TRY(memory.check());
    IMG_TRY(cgroups.check());
    IMG_TRY(files.open_all(builder));
    IMG_TRY(memory.make_segments());
    Inheritance inheritance(builder, image, reader, memory);
    IMG_TRY(inheritance.find());
    IMG_ASSIGN(const std::vector<Actor> bereaved,
               plan_tree(builder, image, facts, options, inheritance, cgroups));
    IMG_TRY(plan_memory(builder, image, facts, memory, files));
    IMG_TRY(plan_tasks(builder, image, facts, files, cgroups));
    IMG_TRY(files.finish(builder));
    return plan_last(builder, image, facts, options, bereaved);
  };
  if (Result<void> planned = plan_all(); !planned) {
    if (auto refused = state::as_refusal(planned.error())) {
      builder.refuse(std::move(*refused));
    } else if (builder.plan().refusals.empty()) {
      return fail(std::move(planned).error());
    }  // What has been refused cannot be planned with either.
  }
  refuse_too_many_files(builder, facts);
  return builder.take();
}

}  // namespace img::plan
