// SPDX-License-Identifier: MIT
// Plans of the real images among the fixtures, made for a machine that does not exist: nothing here
// asks this one.
#include "live/plan/make_plan.h"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <sstream>

#include "libimg/criu/directory_reader.h"
#include "libimg/model/address_space.h"
#include "libimg/model/process_tree.h"
#include "live/plan/files/image_files.h"
#include "live/plan/print.h"
#include "live/plan/ranges.h"
#include "live/plan/restore_image.h"
#include "live/plan/vma.h"
#include "schema/core_generated.h"
#include "schema/settings_generated.h"
#include "schema/timers_generated.h"
#include "tests/fixtures/edited_image.h"
#include "tests/fixtures/some_machine.h"

namespace img::plan {
namespace {

using fixtures::EditedImage;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

using fixtures::some_machine;

struct Planned {
  std::unique_ptr<criu::DirectoryReader> image;
  Plan plan;
};

Result<Planned> plan_of(const std::string& dump, const HostFacts& facts = some_machine(),
                        const PlanOptions& options = {},
                        const std::function<void(EditedImage&)>& edit = {}) {
  Planned out;
  IMG_ASSIGN(out.image, criu::DirectoryReader::open(STASIS_FIXTURES "/dumps/" + dump));
  EditedImage edited(*out.image);
  if (edit) {
    edit(edited);
  }
  IMG_ASSIGN(const auto files, ImageFiles::read(edited, {}));
  IMG_ASSIGN(out.plan, make_plan(edited, facts, options, *files));
  return out;
}

std::vector<std::string> lines_of(const std::vector<state::Refusal>& errors) {
  std::vector<std::string> out;
  for (const state::Refusal& error : errors) {
    out.push_back(error.line());
  }
  return out;
}

template <class T>
std::vector<const T*> steps_of(const Plan& plan) {
  std::vector<const T*> out;
  for (const Step& step : plan.steps) {
    if (const T* one = std::get_if<T>(&step)) {
      out.push_back(one);
    }
  }
  return out;
}

std::string text_of(const Plan& plan) {
  std::ostringstream out;
  print(out, plan);
  return out.str();
}

class EveryDump : public testing::TestWithParam<const char*> {};

TEST_P(EveryDump, IsPlanned) {
  const auto planned = plan_of(GetParam());
  ASSERT_TRUE(planned.has_value()) << planned.error().line();
  EXPECT_THAT(lines_of(planned->plan.refusals), IsEmpty());
  EXPECT_FALSE(planned->plan.steps.empty());
}

// Who acts has been made before, and is not over yet.
TEST_P(EveryDump, NobodyActsBeforeItIsMade) {
  const auto planned = plan_of(GetParam());
  ASSERT_TRUE(planned.has_value()) << planned.error().line();
  std::set<std::uint32_t> living{0};
  for (const Step& step : planned->plan.steps) {
    if (const auto* calls = std::get_if<Calls>(&step)) {
      EXPECT_THAT(living, Contains(calls->actor.tid)) << calls->calls[0].what;
    } else if (const auto* make = std::get_if<MakeTask>(&step)) {
      EXPECT_THAT(living, Contains(make->parent.tid)) << make->pid;
      EXPECT_TRUE(living.insert(make->pid).second) << make->pid;
    } else if (const auto* thread = std::get_if<MakeThread>(&step)) {
      EXPECT_THAT(living, Contains(thread->pid));
      EXPECT_TRUE(living.insert(thread->tid).second) << thread->tid;
    } else if (const auto* zombie = std::get_if<BecomeZombie>(&step)) {
      EXPECT_EQ(living.erase(zombie->pid), 1U) << zombie->pid;
    } else if (const auto* helper = std::get_if<EndHelper>(&step)) {
      EXPECT_EQ(living.erase(helper->pid), 1U) << helper->pid;
    } else if (const auto* go = std::get_if<LetGo>(&step)) {
      for (const LetGo::Process& process : go->processes) {
        EXPECT_EQ(living.erase(process.pid), 1U) << process.pid;
      }
    }
  }
}

// Results are used only by calls that come later.
TEST_P(EveryDump, NoResultIsUsedBeforeItIsThere) {
  const auto planned = plan_of(GetParam());
  ASSERT_TRUE(planned.has_value()) << planned.error().line();
  std::set<std::uint32_t> known;
  for (const Step& step : planned->plan.steps) {
    if (const auto* load = std::get_if<Load>(&step)) {
      known.insert(static_cast<std::uint32_t>(load->slot));
    } else if (const auto* segment = std::get_if<MakeSegment>(&step)) {
      known.insert(static_cast<std::uint32_t>(segment->file));
    } else if (const auto* terminal = std::get_if<OpenTerminal>(&step)) {
      known.insert(static_cast<std::uint32_t>(terminal->slot));
    }
    const auto* calls = std::get_if<Calls>(&step);
    for (std::size_t i = 0; calls != nullptr && i < calls->calls.size(); ++i) {
      const Call& call = calls->calls[i];
      for (const Value& value : call.args) {
        if (value.kind == Value::Kind::result) {
          EXPECT_THAT(known, Contains(value.index)) << call.what;
        }
      }
      known.insert(static_cast<std::uint32_t>(call.slot));
    }
  }
}

// What a task has mapped while a plan runs, as far as its steps say.
class MappedMemory {
 public:
  explicit MappedMemory(const Plan& plan) {
    for (const Step& step : plan.steps) {
      if (const auto* make = std::get_if<MakeTask>(&step)) {
        mapped_[make->pid] = mapped_[make->parent.tid];
      } else if (const auto* clear = std::get_if<ClearMemory>(&step)) {
        mapped_[clear->actor.tid].clear();
      } else if (const auto* ring = std::get_if<MakeAioRing>(&step)) {
        map(ring->actor.tid, {ring->start, ring->start + ring->bytes});
      } else if (const auto* fill = std::get_if<Fill>(&step)) {
        EXPECT_THAT(without(fill->ranges, mapped_[fill->pid]), IsEmpty()) << "where nothing is";
        filled_[fill->pid] = both(filled_[fill->pid], fill->ranges);
      } else if (const auto* calls = std::get_if<Calls>(&step)) {
        run(*calls);
      }
    }
  }
  const Ranges& mapped(std::uint32_t pid) { return mapped_[pid]; }
  const Ranges& filled(std::uint32_t pid) { return filled_[pid]; }

  static Ranges both(Ranges a, const Ranges& b) {
    a.insert(a.end(), b.begin(), b.end());
    std::sort(a.begin(), a.end(), [](Range x, Range y) { return x.start < y.start; });
    Ranges out;
    for (const Range one : a) {
      add_range(out, one);
    }
    return out;
  }

 private:
  void map(std::uint32_t tid, Range one) {
    EXPECT_THAT(common_to({one}, mapped_[tid]), IsEmpty()) << "something is there";
    mapped_[tid] = both(mapped_[tid], {one});
  }
  void run(const Calls& calls) {
    for (const Call& call : calls.calls) {
      const Range where{call.args[0].number, call.args[0].number + call.args[1].number};
      if (call.number == SYS_mmap && !calls.actor.is_restorer()) {
        map(calls.actor.tid, where);
      } else if (call.number == SYS_munmap) {
        mapped_[calls.actor.tid] = without(mapped_[calls.actor.tid], {where});
      } else if (call.number == SYS_mprotect || call.number == SYS_madvise) {
        EXPECT_THAT(without({where}, mapped_[calls.actor.tid]), IsEmpty()) << "nothing is there";
      }
    }
  }

  std::map<std::uint32_t, Ranges> mapped_;
  std::map<std::uint32_t, Ranges> filled_;
};

// Whatever comes from parents: in the end each has its own mappings, and all of its pages.
TEST_P(EveryDump, EachTaskGetsItsMemory) {
  const auto planned = plan_of(GetParam());
  ASSERT_TRUE(planned.has_value()) << planned.error().line();
  MappedMemory memory(planned->plan);
  const auto image = RestoreImage::read(*planned->image);
  ASSERT_TRUE(image.has_value()) << image.error().line();
  for (const TaskImage& task : image->tasks()) {
    Ranges all;
    Ranges own;
    for (const schema::VmaEntry* vma : *task.mm->vmas()) {
      const Range range{vma->start(), vma->end()};
      all = is_special(*vma) ? all : MappedMemory::both(all, {range});
      own = is_private(*vma) && !is_ring(*vma) ? MappedMemory::both(own, {range}) : own;
    }
    EXPECT_THAT(without(all, memory.mapped(task.pid())), IsEmpty()) << task.pid();
    EXPECT_THAT(without(memory.mapped(task.pid()), all), IsEmpty()) << task.pid();
    Ranges pages;
    ASSERT_TRUE(model::for_each_run(
        *planned->image, {model::Kind::pagemap, task.pid()}, [&](const model::PageRun& run) {
          add_range(pages, {run.address, run.address + run.pages * 4096});
        }));
    EXPECT_THAT(without(common_to(pages, own), memory.filled(task.pid())), IsEmpty()) << task.pid();
  }
}

TEST(MakePlan, MoreFilesThanAllowedAreRefused) {
  HostFacts facts = some_machine();
  facts.limits[RLIMIT_NOFILE] = {8, 8};
  const auto planned = plan_of("nginx", facts);
  ASSERT_TRUE(planned) << planned.error().line();
  ASSERT_EQ(planned->plan.refusals.size(), 1U);
  EXPECT_THAT(planned->plan.refusals[0].line(), HasSubstr("the limit is 8"));
}

TEST(MakePlan, WorkersInheritWhatTheyShareWithTheirMaster) {
  const auto planned = plan_of("nginx");
  ASSERT_TRUE(planned.has_value()) << planned.error().line();
  std::size_t inherited = 0;
  for (const auto* fill : steps_of<Fill>(planned->plan)) {
    inherited += fill->is_inherited ? 1 : 0;
  }
  EXPECT_EQ(inherited + 1, steps_of<MakeTask>(planned->plan).size());
}

INSTANTIATE_TEST_SUITE_P(Fixtures, EveryDump,
                         testing::Values("single", "tree", "cgroups", "ghost", "redis-idle",
                                         "nginx", "fds"));

TEST(MakePlan, TheWorkbenchIsInNobodysWay) {
  const auto planned = plan_of("redis-idle");
  ASSERT_TRUE(planned.has_value()) << planned.error().line();
  const std::uint64_t bench = planned->plan.workbench;
  EXPECT_GE(bench, 65536U);
  for (const auto* calls : steps_of<Calls>(planned->plan)) {
    for (const Call& call : calls->calls) {
      if (call.number == SYS_mmap && !calls->actor.is_restorer()) {
        const std::uint64_t start = call.args[0].number;
        EXPECT_TRUE(start >= bench + (512 << 10) || start + call.args[1].number <= bench);
      }
    }
  }
}

TEST(MakePlan, SessionsAndGroupsOfATree) {
  const auto planned = plan_of("tree");
  ASSERT_TRUE(planned.has_value()) << planned.error().line();
  const auto tree = model::ProcessTree::read(*planned->image);
  ASSERT_TRUE(tree.has_value());
  // What setsid and setpgid do, done here.
  struct Place {
    std::uint32_t session = 0;
    std::uint32_t group = 0;
  };
  std::map<std::uint32_t, Place> places;
  for (const Step& step : planned->plan.steps) {
    if (const auto* make = std::get_if<MakeTask>(&step)) {
      places[make->pid] = make->parent.is_restorer() ? Place{4000, 4000} : places[make->parent.tid];
    }
    const auto* calls = std::get_if<Calls>(&step);
    for (std::size_t i = 0; calls != nullptr && i < calls->calls.size(); ++i) {
      const Call& call = calls->calls[i];
      const std::uint32_t self = calls->actor.tid;
      if (call.number == SYS_setsid) {
        EXPECT_NE(places[self].group, self) << "leads a group already";
        places[self] = {self, self};
      } else if (call.number == SYS_setpgid) {
        const auto group = static_cast<std::uint32_t>(call.args[1].number);
        places[self].group = group == 0 ? self : group;
      }
    }
  }
  for (const model::Process& process : tree->processes()) {
    EXPECT_EQ(places[process.pid].session, process.sid) << process.pid;
    EXPECT_EQ(places[process.pid].group, process.pgid) << process.pid;
  }
  std::size_t zombies = 0;
  for (const auto* zombie : steps_of<BecomeZombie>(planned->plan)) {
    EXPECT_EQ(zombie->exit_code, tree->find(zombie->pid)->exit_code);
    ++zombies;
  }
  EXPECT_EQ(zombies, 2U);
}

TEST(MakePlan, ARootWithoutASessionWantsShellJob) {
  const auto refused = plan_of("shell-job");
  ASSERT_TRUE(refused.has_value()) << refused.error().line();
  EXPECT_THAT(lines_of(refused->plan.refusals), Contains(HasSubstr("--shell-job")));
}

// Or it would be stopped as soon as it reads its terminal.
TEST(MakePlan, AShellJobComesToTheForeground) {
  const auto image = criu::DirectoryReader::open(STASIS_FIXTURES "/dumps/shell-job");
  ASSERT_TRUE(image);
  FileOptions options;
  options.shell_job = true;
  options.terminal = 0;
  const auto files = ImageFiles::read(**image, options);
  ASSERT_TRUE(files);
  PlanOptions job;
  job.shell_job = true;
  const auto planned = make_plan(**image, some_machine(), job, **files);
  ASSERT_TRUE(planned) << planned.error().line();
  EXPECT_THAT(lines_of(planned->refusals), IsEmpty());
  EXPECT_THAT(text_of(*planned), HasSubstr("come to the foreground"));
}

TEST(MakePlan, AllReasonsAreToldAtOnce) {
  HostFacts facts = some_machine();
  facts.vvar_bytes = 0x4000;
  facts.credentials.permitted = facts.credentials.effective = 1;
  for (Limit& limit : facts.limits) {
    limit = {1, 1};
  }
  const auto planned = plan_of("single", facts);
  ASSERT_TRUE(planned.has_value()) << planned.error().line();
  const std::vector<std::string> reasons = lines_of(planned->plan.refusals);
  EXPECT_THAT(reasons, Contains(HasSubstr("vdso")));
  EXPECT_THAT(reasons, Contains(HasSubstr("capability")));
  EXPECT_THAT(reasons, Contains(HasSubstr("hard limit is above ours")));
  EXPECT_THAT(reasons, Contains(HasSubstr("may have open")));
}

TEST(MakePlan, ACpuThatLacksAComponentIsRefused) {
  HostFacts facts = some_machine();
  facts.xsave = arch::XsaveLayout::from_leaves({}, 3);
  const auto planned = plan_of("single", facts);
  const std::string told =
      planned ? testing::PrintToString(lines_of(planned->plan.refusals)) : planned.error().line();
  EXPECT_THAT(told, HasSubstr("this CPU does not have"));
}

bool refuses(const Result<Planned>& planned, state::Piece piece) {
  EXPECT_TRUE(planned.has_value()) << planned.error().line();
  return planned && std::any_of(planned->plan.refusals.begin(), planned->plan.refusals.end(),
                                [&](const auto& one) { return one.piece() == piece; });
}

TEST(MakePlan, PartsOfAnotherCpu) {
  HostFacts facts = some_machine();
  facts.xsave = arch::XsaveLayout::from_leaves({}, 3);
  EXPECT_TRUE(refuses(plan_of("single", facts), state::Piece::cpu_component));
}

TEST(MakePlan, OurNoNewPrivs) {
  HostFacts facts = some_machine();
  facts.credentials.no_new_privs = true;
  EXPECT_TRUE(refuses(plan_of("single", facts), state::Piece::no_new_privs_of_ours));
}

TEST(MakePlan, OtherArchitectures) {
  EXPECT_TRUE(refuses(plan_of("single", some_machine(), {},
                              [](EditedImage& image) {
                                image.edit(model::Kind::core, [](flatbuffers::Table& core) {
                                  core.SetField<std::int32_t>(
                                      schema::CoreEntry::VT_MTYPE,
                                      static_cast<std::int32_t>(schema::March::AARCH64), 0);
                                });
                              }),
                      state::Piece::other_architecture));
}

TEST(MakePlan, DumpsOfAnOldCriu) {
  EXPECT_TRUE(refuses(plan_of("single", some_machine(), {},
                              [](EditedImage& image) {
                                image.edit(model::Kind::core, [](flatbuffers::Table& core) {
                                  auto* task = core.GetPointer<flatbuffers::Table*>(
                                      schema::CoreEntry::VT_TC);
                                  // As if the entry had no list of dispositions: its place in the
                                  // table is 0.
                                  auto* places = const_cast<std::uint8_t*>(task->GetVTable());
                                  flatbuffers::WriteScalar<flatbuffers::voffset_t>(
                                      places + schema::TaskCoreEntry::VT_SIGACTIONS, 0);
                                });
                              }),
                      state::Piece::old_criu));
}

TEST(MakePlan, TimersOfHighNumbers) {
  HostFacts facts = some_machine();
  facts.has_timer_ids = false;
  EXPECT_FALSE(refuses(plan_of("single", facts), state::Piece::timer_number));
  const auto planned = plan_of("single", facts, {}, [](EditedImage& image) {
    image.edit(model::Kind::core, [](flatbuffers::Table& core) {
      auto* task = core.GetPointer<flatbuffers::Table*>(schema::CoreEntry::VT_TC);
      auto* timers = task->GetPointer<flatbuffers::Table*>(schema::TaskCoreEntry::VT_TIMERS);
      auto* all =
          timers->GetPointer<flatbuffers::Vector<flatbuffers::Offset<schema::PosixTimerEntry>>*>(
              schema::TaskTimersEntry::VT_POSIX);
      auto* first = const_cast<schema::PosixTimerEntry*>(all->Get(0));
      reinterpret_cast<flatbuffers::Table*>(first)->SetField<std::uint32_t>(
          schema::PosixTimerEntry::VT_IT_ID, 1U << 20, 0);
    });
  });
  EXPECT_TRUE(refuses(planned, state::Piece::timer_number));
}

TEST(MakePlan, SeccompWithoutTheRight) {
  HostFacts facts = some_machine();
  facts.can_suspend_seccomp = false;
  const auto planned = plan_of("single", facts, {}, [](EditedImage& image) {
    image.edit(model::Kind::core, [](flatbuffers::Table& core) {
      auto* thread = core.GetPointer<flatbuffers::Table*>(schema::CoreEntry::VT_THREAD_CORE);
      // Absent from the image: its place is that of another number of the same size.
      auto* places = const_cast<std::uint8_t*>(thread->GetVTable());
      const auto policy = flatbuffers::ReadScalar<flatbuffers::voffset_t>(
          places + schema::ThreadCoreEntry::VT_SCHED_POLICY);
      flatbuffers::WriteScalar(places + schema::ThreadCoreEntry::VT_SECCOMP_MODE, policy);
      thread->SetField<std::uint32_t>(schema::ThreadCoreEntry::VT_SCHED_POLICY, 2, 0);
    });
  });
  EXPECT_TRUE(refuses(planned, state::Piece::seccomp_without_right));
}

// A record of settings beside a real dump's.
std::function<void(EditedImage&)> with_settings(
    std::uint32_t pid, const std::function<flatbuffers::Offset<schema::ThreadSettings>(
                           flatbuffers::FlatBufferBuilder&)>& thread) {
  return [=](EditedImage& image) {
    flatbuffers::FlatBufferBuilder builder;
    builder.ForceDefaults(true);
    const auto threads = builder.CreateVector(std::vector{thread(builder)});
    schema::TaskSettingsBuilder out(builder);
    out.add_threads(threads);
    builder.Finish(out.Finish());
    image.add({model::Kind::settings, pid}, "TaskSettings", builder);
  };
}

constexpr std::uint32_t kSingle = 26589;

TEST(MakePlan, CpusThatAreNotHere) {
  const auto bound = with_settings(kSingle, [](flatbuffers::FlatBufferBuilder& builder) {
    const auto cpus = builder.CreateVector(std::vector<std::uint64_t>{0xc});
    schema::ThreadSettingsBuilder out(builder);
    out.add_tid(kSingle);
    out.add_cpus(cpus);
    return out.Finish();
  });
  HostFacts facts = some_machine();
  facts.cpus = {0x3};
  auto planned = plan_of("single", facts, {}, bound);
  ASSERT_TRUE(planned.has_value()) << planned.error().line();
  EXPECT_THAT(text_of(planned->plan), HasSubstr("none of the CPUs"));
  EXPECT_THAT(text_of(planned->plan), Not(HasSubstr("sched_setaffinity")));
  facts.cpus = {0x7};
  planned = plan_of("single", facts, {}, bound);
  EXPECT_THAT(text_of(planned->plan), HasSubstr("sched_setaffinity"));
}

TEST(MakePlan, NodesThatAreNotHere) {
  const auto bound = with_settings(kSingle, [](flatbuffers::FlatBufferBuilder& builder) {
    const std::vector<std::uint64_t> nodes{2};
    const auto policy = schema::CreateMemoryPolicyDirect(builder, 2, &nodes);
    schema::ThreadSettingsBuilder out(builder);
    out.add_tid(kSingle);
    out.add_memory_policy(policy);
    return out.Finish();
  });
  HostFacts facts = some_machine();
  facts.nodes = {1};
  auto planned = plan_of("single", facts, {}, bound);
  ASSERT_TRUE(planned.has_value()) << planned.error().line();
  EXPECT_THAT(text_of(planned->plan), HasSubstr("none of the memory nodes"));
  facts.nodes = {3};
  planned = plan_of("single", facts, {}, bound);
  EXPECT_THAT(text_of(planned->plan), HasSubstr("set_mempolicy"));
}

TEST(MakePlan, Speculation) {
  const auto restricted = with_settings(kSingle, [](flatbuffers::FlatBufferBuilder& builder) {
    const auto all = builder.CreateVector(std::vector{schema::CreateSpeculation(builder, 1, 9)});
    schema::ThreadSettingsBuilder out(builder);
    out.add_tid(kSingle);
    out.add_speculation(all);
    return out.Finish();
  });
  const auto planned = plan_of("single", some_machine(), {}, restricted);
  ASSERT_TRUE(planned.has_value()) << planned.error().line();
  EXPECT_THAT(text_of(planned->plan), HasSubstr("prctl(53, 1, 8"));
}

TEST(MakePlan, AnIoFlusher) {
  const auto flusher = with_settings(kSingle, [](flatbuffers::FlatBufferBuilder& builder) {
    schema::ThreadSettingsBuilder out(builder);
    out.add_tid(kSingle);
    out.add_io_flusher(true);
    return out.Finish();
  });
  HostFacts facts = some_machine();
  auto planned = plan_of("single", facts, {}, flusher);
  ASSERT_TRUE(planned.has_value()) << planned.error().line();
  EXPECT_THAT(text_of(planned->plan), HasSubstr("prctl(57, 1"));
  facts.credentials.effective &= ~(std::uint64_t{1} << 24);
  planned = plan_of("single", facts, {}, flusher);
  EXPECT_THAT(text_of(planned->plan), HasSubstr("we lack CAP_SYS_RESOURCE"));
}

TEST(MakePlan, IsPrintedCallByCall) {
  const auto planned = plan_of("single");
  ASSERT_TRUE(planned.has_value()) << planned.error().line();
  const std::string text = text_of(planned->plan);
  EXPECT_THAT(text, HasSubstr(" mmap("));
  EXPECT_THAT(text, HasSubstr("  # "));
  EXPECT_THAT(text, HasSubstr(" go on\n"));
  EXPECT_THAT(text, Not(HasSubstr("syscall ")));
}

TEST(MakePlan, IsTheSameEveryTime) {
  const auto one = plan_of("nginx");
  const auto two = plan_of("nginx");
  ASSERT_TRUE(one.has_value() && two.has_value());
  EXPECT_EQ(text_of(one->plan), text_of(two->plan));
}

}  // namespace
}  // namespace img::plan
