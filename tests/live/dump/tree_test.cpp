// SPDX-License-Identifier: MIT
// What a whole tree becomes: its records, and what is said against it.
#include <gtest/gtest.h>
#include <linux/if_packet.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <map>
#include <thread>

#include "live/dump/mapping_rules.h"
#include "live/dump/preflight.h"
#include "live/dump/tree_dump.h"
#include "schema/core_generated.h"
#include "schema/mm_generated.h"
#include "schema/pstree_generated.h"
#include "schema/zombie_generated.h"
#include "tests/live/dump/open_files.h"
#include "tests/live/victim_process.h"
#include "tests/support/scratch.h"

namespace img::dump {
namespace {

using live_test::Opener;
using live_test::VictimProcess;
using state::Piece;

/// A dump of a tree without its memory, as records by file.
class Dumped : public model::RecordSink {
 public:
  explicit Dumped(pid_t root) {
    auto frozen = trace::freeze_tree(root);
    if (!frozen) {
      failure_ = frozen.error().line();
      return;
    }
    TreeDump dump(options_, *frozen, read_clocks());
    const Result<void> done = dump.collect();
    failure_ = done ? "" : done.error().line();
    refusals_ = dump.remarks().refusals();
    for (const PlacedSpace& space : dump.spaces()) {
      pages_ += space.plan.pages();
    }
    static_cast<void>(dump.write_records(*this));
  }
  Result<void> record(const model::Record& record) override {
    files_[record.key.file].emplace_back(record.flatbuffer.begin(), record.flatbuffer.end());
    return {};
  }
  template <class T>
  const T& one(Kind kind, std::uint64_t id, std::size_t index = 0) {
    return *flatbuffers::GetRoot<T>(files_.at({kind, id}).at(index).data());
  }
  std::size_t count(Kind kind, std::uint64_t id = 0) { return files_[{kind, id}].size(); }
  bool refuses(Piece piece) const {
    return std::any_of(refusals_.begin(), refusals_.end(),
                       [&](const Error& one) { return one.why == state::row(piece).text; });
  }
  const std::string& failure() const { return failure_; }
  std::uint64_t pages() const { return pages_; }

 private:
  DumpOptions options_;
  std::map<model::FileKey, std::vector<std::vector<std::byte>>> files_;
  std::vector<state::Refusal> refusals_;
  std::string failure_;
  std::uint64_t pages_ = 0;
};

std::uint64_t id(pid_t pid) {
  return static_cast<std::uint64_t>(pid);
}

TEST(DumpTree, SimpleProcess) {
  VictimProcess victim("sleeper");
  Dumped dump(victim.pid());
  ASSERT_EQ(dump.failure(), "");
  const auto& process = dump.one<schema::PstreeEntry>(Kind::pstree, 0);
  EXPECT_EQ(process.pid(), static_cast<std::uint32_t>(victim.pid()));
  EXPECT_EQ(process.ppid(), 0U);
  EXPECT_EQ(process.sid(), static_cast<std::uint32_t>(::getsid(victim.pid())));
  const auto& core = dump.one<schema::CoreEntry>(Kind::core, id(victim.pid()));
  EXPECT_EQ(core.tc()->comm()->str(), "victim_sleeper");
  EXPECT_EQ(core.tc()->sigactions()->size(), 62U);
  EXPECT_EQ(core.tc()->rlimits()->rlimits()->size(), 16U);
  EXPECT_NE(core.thread_info()->gpregs()->ip(), 0U);
  EXPECT_NE(core.thread_info()->clear_tid_addr(), 0U);
  EXPECT_EQ(core.thread_core()->rseq_entry()->rseq_abi_size(), 32U);
  EXPECT_GT(dump.pages(), 5U);
  EXPECT_TRUE(victim.makes_rounds());
  EXPECT_EQ(victim.complaint(), "");
}

TEST(DumpTree, ZombiesAndStopped) {
  VictimProcess victim("family");
  const auto& lanes = victim.page().lanes;
  Dumped dump(victim.pid());
  ASSERT_EQ(dump.failure(), "");
  EXPECT_EQ(dump.count(Kind::pstree), 7U);
  EXPECT_EQ(dump.one<schema::Zombie>(Kind::zombie, lanes[2]).exit_code(), 5U << 8);
  EXPECT_EQ(dump.one<schema::Zombie>(Kind::zombie, lanes[3]).exit_code(),
            static_cast<std::uint32_t>(SIGKILL));
  const auto& stopped = *dump.one<schema::CoreEntry>(Kind::core, lanes[1]).tc();
  EXPECT_EQ(stopped.task_state(), 3U);
  EXPECT_EQ(stopped.stop_signo(), static_cast<std::uint32_t>(SIGSTOP));
  EXPECT_TRUE(victim.makes_rounds());
}

TEST(DumpTree, Threads) {
  VictimProcess victim("threads");
  Dumped dump(victim.pid());
  ASSERT_EQ(dump.failure(), "");
  const auto& threads = *dump.one<schema::PstreeEntry>(Kind::pstree, 0).threads();
  ASSERT_EQ(threads.size(), 64U);
  for (const std::uint32_t tid : threads) {
    const auto& core = dump.one<schema::CoreEntry>(Kind::core, tid);
    EXPECT_EQ(core.tc() != nullptr, tid == static_cast<std::uint32_t>(victim.pid()));
    EXPECT_EQ(core.thread_core()->comm()->str(), "victim_threads");
    EXPECT_NE(core.thread_info()->gpregs()->fs_base(), 0U);
  }
  EXPECT_TRUE(victim.makes_rounds());
}

TEST(DumpTree, Mappings) {
  constexpr std::size_t kPage = 4096;
  auto* at = static_cast<char*>(
      ::mmap(nullptr, 8 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  Opener child([&] {
    ::madvise(at, 8 * kPage, MADV_DONTDUMP);
    at[0] = 1;
    at[3 * kPage] = 1;
    ::mprotect(at, 8 * kPage, PROT_NONE);
  });
  Dumped dump(child.pid());
  ASSERT_EQ(dump.failure(), "");
  const auto& mm = dump.one<schema::MmEntry>(Kind::mm, id(child.pid()));
  const auto found =
      std::find_if(mm.vmas()->begin(), mm.vmas()->end(), [&](const schema::VmaEntry* vma) {
        return vma->start() == reinterpret_cast<std::uint64_t>(at);
      });
  ASSERT_NE(found, mm.vmas()->end());
  EXPECT_EQ((*found)->prot(), 0U);
  EXPECT_EQ((*found)->end(), (*found)->start() + 8 * kPage);
  EXPECT_EQ((*found)->madv().value_or(0), std::uint64_t{1} << MADV_DONTDUMP);
  EXPECT_EQ((*found)->status(), kVmaRegular | kVmaAnonPrivate);
  ::munmap(at, 8 * kPage);
}

TEST(DumpRefusals, Namespaces) {
  Opener child([] {
    if (::unshare(CLONE_NEWUTS) != 0) {
      ::_exit(1);
    }
  });
  EXPECT_TRUE(Dumped(child.pid()).refuses(Piece::namespaces));
}

TEST(DumpRefusals, Deadline) {
  struct {
    std::uint32_t size = 48, policy = 6;
    std::uint64_t flags = 0;
    std::int32_t nice = 0;
    std::uint32_t priority = 0;
    std::uint64_t runtime = 1'000'000, deadline = 100'000'000, period = 100'000'000;
  } attributes;
  if (::syscall(SYS_sched_setattr, 0, &attributes, 0) != 0) {
    GTEST_SKIP() << "this user may not use SCHED_DEADLINE";
  }
  sched_param plain{};
  ::sched_setscheduler(0, SCHED_OTHER, &plain);
  Opener child([&] { ::syscall(SYS_sched_setattr, 0, &attributes, 0); });
  EXPECT_TRUE(Dumped(child.pid()).refuses(Piece::sched_deadline));
}

TEST(DumpRefusals, SysvSharedMemory) {
  const int segment = ::shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
  ASSERT_GE(segment, 0);
  Opener child([&] { ::shmat(segment, nullptr, 0); });
  EXPECT_TRUE(Dumped(child.pid()).refuses(Piece::sysv_shared_memory));
  ::shmctl(segment, IPC_RMID, nullptr);
}

TEST(DumpRefusals, SocketMapping) {
  const int ring = ::socket(AF_PACKET, SOCK_RAW, 0);
  tpacket_req request{4096, 1, 2048, 2};
  if (ring < 0 || ::setsockopt(ring, SOL_PACKET, PACKET_RX_RING, &request, sizeof request) != 0) {
    GTEST_SKIP() << "this user may not use packet sockets";
  }
  void* at = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, 0);
  ASSERT_NE(at, MAP_FAILED);
  Opener child([] {});
  EXPECT_TRUE(Dumped(child.pid()).refuses(Piece::socket_mapping));
  ::munmap(at, 4096);
  ::close(ring);
}

std::vector<Piece> pieces(std::initializer_list<procfs::VmFlag> flags, std::int32_t key = 0) {
  procfs::SmapsMapping mapping;
  for (const procfs::VmFlag flag : flags) {
    mapping.flags.set(flag);
  }
  mapping.protection_key = key;
  return pieces_of(mapping, kVmaRegular | kVmaAnonPrivate);
}

TEST(DumpRefusals, DeviceMemory) {
  EXPECT_EQ(pieces({procfs::VmFlag::io}), std::vector{Piece::device_memory});
  EXPECT_EQ(pieces({procfs::VmFlag::pure_pfn}), std::vector{Piece::device_memory});
  EXPECT_TRUE(pieces({procfs::VmFlag::readable, procfs::VmFlag::writable}).empty());
}

TEST(DumpRefusals, FlagsOfMappings) {
  EXPECT_EQ(pieces({procfs::VmFlag::uffd_missing}), std::vector{Piece::userfaultfd});
  EXPECT_EQ(pieces({procfs::VmFlag::uffd_write_protect}), std::vector{Piece::userfaultfd});
  EXPECT_EQ(pieces({procfs::VmFlag::shadow_stack}), std::vector{Piece::shadow_stack});
}

TEST(DumpLosses, FlagsOfMappings) {
  EXPECT_EQ(pieces({procfs::VmFlag::sealed}), std::vector{Piece::sealed_mapping});
  EXPECT_EQ(pieces({}, 3), std::vector{Piece::protection_key});
}

std::vector<Error> against(pid_t pid, const std::string& store, bool shell_job) {
  auto out = reasons_against({pid, store, "", shell_job});
  return out ? std::vector<Error>(out->begin(), out->end()) : std::vector<Error>{out.error()};
}

TEST(DumpRefusals, ShellJob) {
  Opener job([] {});
  ASSERT_EQ(against(job.pid(), "nowhere", false).size(), 1U);
  EXPECT_EQ(against(job.pid(), "nowhere", false)[0].why, state::row(Piece::shell_job).text);
  EXPECT_TRUE(against(job.pid(), "nowhere", true).empty());
  Opener leader([] { ::setsid(); });
  EXPECT_TRUE(against(leader.pid(), "nowhere", false).empty());
}

TEST(DumpRefusals, UsesStore) {
  const test::Scratch folder;
  const std::string database = folder / "data.mdb";
  test::spill(database, "x");
  Opener child([&] { static_cast<void>(std::fopen(database.c_str(), "r")); });
  const std::vector<Error> reasons = against(child.pid(), folder.path(), true);
  ASSERT_EQ(reasons.size(), 1U);
  EXPECT_EQ(reasons[0].why, state::row(Piece::uses_store).text);
}

TEST(DumpRefusals, ThreadOfAnother) {
  std::atomic<pid_t> tid{0};
  std::atomic<bool> is_over{false};
  std::thread other([&] {
    tid = ::gettid();
    while (!is_over) {
      ::usleep(1000);
    }
  });
  while (tid == 0) {
    ::usleep(1000);
  }
  const std::vector<Error> reasons = against(tid, "nowhere", true);
  is_over = true;
  other.join();
  ASSERT_EQ(reasons.size(), 1U);
  EXPECT_EQ(reasons[0].why, state::row(Piece::thread_of_another).text);
  EXPECT_EQ(reasons[0].hint, "-t " + std::to_string(::getpid()));
}

TEST(DumpRefusals, KernelThreadsAndThisProgram) {
  ASSERT_FALSE(against(::getpid(), "nowhere", true).empty());
  EXPECT_EQ(against(::getpid(), "nowhere", true)[0].fault, Fault::unsupported);
  const std::vector<Error> gone = against(0x3fffff, "nowhere", true);
  ASSERT_EQ(gone.size(), 1U);
  EXPECT_EQ(gone[0].fault, Fault::gone);
}

}  // namespace
}  // namespace img::dump
