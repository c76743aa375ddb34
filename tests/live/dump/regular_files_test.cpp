// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "schema/locks_generated.h"
#include "schema/remaps_generated.h"
#include "tests/live/dump/open_files.h"
#include "tests/support/scratch.h"

namespace img::live_test {
namespace {

using model::Kind;
using schema::FdTypes;
using state::Piece;

const schema::RegFileEntry* reg(const Collected& collected, int number, std::size_t index = 0) {
  const auto* file = collected.file(number, index);
  EXPECT_NE(file, nullptr) << collected.failure();
  if (file == nullptr || file->type() != FdTypes::REG) {
    ADD_FAILURE() << "descriptor " << number << " is no regular file";
    std::abort();
  }
  return file->reg();
}

TEST(OpenFiles, RegularFile) {
  const test::Scratch folder;
  const std::string path = folder / "log";
  const Opener opener([&] {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_NONBLOCK, 0640);
    ASSERT_EQ(::write(fd, "0123456789", 10), 10);
    ::lseek(fd, 4, SEEK_SET);
    ::fcntl(fd, F_SETSIG, SIGUSR2);
    ::fcntl(fd, F_SETOWN, ::getpid());
    ::open(path.c_str(), O_WRONLY | O_APPEND);
  });
  const Collected collected(opener.pid());
  ASSERT_EQ(collected.failure(), "");
  const auto* file = reg(collected, 3);
  EXPECT_EQ(file->name()->str(), path);
  EXPECT_EQ(file->pos(), 4U);
  EXPECT_EQ(file->flags(), static_cast<unsigned>(O_RDWR | O_NONBLOCK | 0100000));
  EXPECT_EQ(file->size(), flatbuffers::Optional<std::uint64_t>(10));
  EXPECT_EQ(file->mode(), flatbuffers::Optional<std::uint32_t>(S_IFREG | 0640));
  EXPECT_EQ(file->fown()->pid(), static_cast<unsigned>(opener.pid()));
  EXPECT_EQ(file->fown()->pid_type(), 1U);
  EXPECT_EQ(file->fown()->signum(), static_cast<unsigned>(SIGUSR2));
  EXPECT_FALSE(reg(collected, 4)->size().has_value()) << "a log may grow until it is restored";
  EXPECT_TRUE(collected.refusals().empty());
}

TEST(OpenFiles, BuildIdOfAProgram) {
  const Opener opener([] { ::open("/proc/self/exe", O_RDONLY); });
  const Collected collected(opener.pid());
  const auto* file = reg(collected, 3);
  ASSERT_NE(file->build_id(), nullptr);
  EXPECT_EQ(file->build_id()->size(), 5U) << "20 bytes of SHA-1";
}

TEST(OpenFiles, Directory) {
  const Opener opener([] { ::open("/usr/bin", O_RDONLY | O_DIRECTORY); });
  const Collected collected(opener.pid());
  const auto* file = reg(collected, 3);
  EXPECT_EQ(file->name()->str(), "/usr/bin");
  EXPECT_TRUE(S_ISDIR(file->mode().value_or(0)));
  EXPECT_FALSE(file->size().has_value());
}

TEST(OpenFiles, Device) {
  const Opener opener([] { ::open("/dev/urandom", O_RDONLY); });
  const Collected collected(opener.pid());
  EXPECT_EQ(reg(collected, 0)->name()->str(), "/dev/null");
  EXPECT_EQ(reg(collected, 3)->name()->str(), "/dev/urandom");
}

TEST(OpenFiles, PathOnly) {
  const Opener opener([] { ::open("/etc/passwd", O_PATH); });
  const Collected collected(opener.pid());
  EXPECT_EQ(reg(collected, 3)->name()->str(), "/etc/passwd");
  EXPECT_NE(reg(collected, 3)->flags() & O_PATH, 0U);
}

TEST(OpenFiles, SharedDescription) {
  const Opener opener([] {
    const int fd = ::open("/etc/passwd", O_RDONLY);
    ::dup(fd);
    ::open("/etc/passwd", O_RDONLY);
    start_child();
  });
  const Collected collected(opener.pid());
  ASSERT_EQ(collected.failure(), "");
  const auto id = [&](int number, std::size_t index) {
    const auto* entry = collected.descriptor(number, index);
    return entry == nullptr ? 0 : entry->id();
  };
  EXPECT_EQ(id(3, 0), id(4, 0));
  EXPECT_NE(id(3, 0), id(5, 0)) << "opened twice";
  EXPECT_EQ(id(3, 1), id(3, 0)) << "inherited";
  EXPECT_EQ(id(5, 1), id(5, 0));
  EXPECT_EQ(collected.messages(Kind::files).size(), 3U) << "/dev/null, and two of passwd";
}

TEST(OpenFiles, CloseOnExec) {
  const Opener opener([] { ::open("/etc/passwd", O_RDONLY | O_CLOEXEC); });
  const Collected collected(opener.pid());
  ASSERT_NE(collected.descriptor(3), nullptr);
  EXPECT_EQ(collected.descriptor(3)->flags(), static_cast<unsigned>(FD_CLOEXEC));
  EXPECT_EQ(collected.descriptor(0)->flags(), 0U);
  EXPECT_EQ(reg(collected, 3)->flags() & O_CLOEXEC, 0U);
}

TEST(OpenFiles, DeletedFile) {
  const test::Scratch folder;
  const std::string small = folder / "small";
  const std::string sparse = folder / "sparse";
  const Opener opener([&] {
    int fd = ::open(small.c_str(), O_RDWR | O_CREAT, 0600);
    ASSERT_EQ(::write(fd, "hello", 5), 5);
    ::open(small.c_str(), O_RDONLY);
    ::unlink(small.c_str());
    fd = ::open(sparse.c_str(), O_WRONLY | O_CREAT, 0600);
    ASSERT_EQ(::pwrite(fd, "tail", 4, 1 << 20), 4);
    ::unlink(sparse.c_str());
  });
  const Collected collected(opener.pid());
  ASSERT_EQ(collected.failure(), "");
  EXPECT_EQ(reg(collected, 3)->name()->str(), small);
  const auto remaps = collected.all<schema::RemapFilePathEntry>(Kind::remap_fpath);
  ASSERT_EQ(remaps.size(), 3U);
  EXPECT_EQ(remaps[0]->remap_type(), flatbuffers::Optional(schema::RemapType::GHOST));
  EXPECT_EQ(remaps[0]->remap_id(), remaps[1]->remap_id()) << "one file, opened twice";
  const auto& whole = collected.messages(Kind::ghost_file, remaps[0]->remap_id());
  ASSERT_EQ(whole.size(), 1U);
  EXPECT_EQ(whole[0].payload, "hello");
  const auto& parts = collected.messages(Kind::ghost_file, remaps[2]->remap_id());
  ASSERT_EQ(parts.size(), 2U) << "a head and one piece of data";
  const auto* head = flatbuffers::GetRoot<schema::GhostFileEntry>(parts[0].bytes.data());
  EXPECT_EQ(head->size(), flatbuffers::Optional<std::uint64_t>((1U << 20) + 4));
  EXPECT_EQ(head->chunks(), flatbuffers::Optional(true));
  const auto* chunk = flatbuffers::GetRoot<schema::GhostChunkEntry>(parts[1].bytes.data());
  EXPECT_EQ(chunk->off(), 1U << 20);
  EXPECT_EQ(parts[1].payload, "tail");
}

TEST(OpenFiles, PositionOfADeletedFileStays) {
  const test::Scratch folder;
  const std::string path = folder / "x";
  const Opener opener([&] {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT, 0600);
    ASSERT_EQ(::ftruncate(fd, 100'000), 0);
    ::lseek(fd, 77, SEEK_SET);
    ::unlink(path.c_str());
  });
  const Collected first(opener.pid());
  const Collected second(opener.pid());
  EXPECT_EQ(reg(second, 3)->pos(), 77U) << "looking has moved it";
}

TEST(OpenFiles, RefusesLargeGhost) {
  const test::Scratch folder;
  const Opener opener([&] {
    const int fd = ::open((folder / "x").c_str(), O_RDWR | O_CREAT, 0600);
    ASSERT_EQ(::pwrite(fd, std::string(9000, 'x').data(), 9000, 0), 9000);
    ::unlink((folder / "x").c_str());
  });
  dump::DumpOptions options;
  options.ghost_limit = 4096;
  EXPECT_TRUE(Collected(opener.pid(), options).refuses(Piece::ghost_too_large));
  EXPECT_FALSE(Collected(opener.pid()).refuses(Piece::ghost_too_large));
}

TEST(OpenFiles, LinkRemap) {
  const test::Scratch folder;
  const std::string name = folder / "old";
  const Opener opener([&] {
    ::open(name.c_str(), O_RDWR | O_CREAT, 0600);
    ASSERT_EQ(::link(name.c_str(), (folder / "other").c_str()), 0);
    ::unlink(name.c_str());
    ::close(::open(name.c_str(), O_RDWR | O_CREAT, 0600));  // the name is used again
  });
  dump::DumpOptions options;
  options.link_remap = true;
  const Collected collected(opener.pid(), options);
  ASSERT_EQ(collected.failure(), "");
  EXPECT_EQ(reg(collected, 3)->name()->str(), name);
  const auto remaps = collected.all<schema::RemapFilePathEntry>(Kind::remap_fpath);
  ASSERT_EQ(remaps.size(), 1U);
  EXPECT_EQ(remaps[0]->remap_type(), flatbuffers::Optional(schema::RemapType::LINKED));
  EXPECT_EQ(remaps[0]->orig_id(), collected.descriptor(3)->id());
  const auto* link = collected.by_id(remaps[0]->remap_id());
  ASSERT_NE(link, nullptr);
  const std::string path = link->reg()->name()->str();
  EXPECT_EQ(path, folder / ("link_remap." + std::to_string(link->id())).c_str());
  struct stat linked {};
  ASSERT_EQ(::stat(path.c_str(), &linked), 0);
  EXPECT_EQ(linked.st_nlink, 2U) << "this one and \"other\"";
}

TEST(OpenFiles, WhatIsNotWrittenIsUndone) {
  int undone = 0;
  {
    dump::RecordBuffer records;
    records.undo_if_unwritten([&] { ++undone; });
  }
  EXPECT_EQ(undone, 1);
  {
    class Nowhere final : public model::RecordSink {
      Result<void> record(const model::Record& /*record*/) override { return {}; }
    } nowhere;
    dump::RecordBuffer records;
    records.undo_if_unwritten([&] { ++undone; });
    ASSERT_TRUE(records.write(nowhere).has_value());
  }
  EXPECT_EQ(undone, 1);
}

TEST(OpenFiles, LinkRemapNeedsOption) {
  const test::Scratch folder;
  const Opener opener([&] {
    ::open((folder / "old").c_str(), O_RDWR | O_CREAT, 0600);
    ASSERT_EQ(::rename((folder / "old").c_str(), (folder / "new").c_str()), 0);
    ASSERT_EQ(::link((folder / "new").c_str(), (folder / "other").c_str()), 0);
    ::unlink((folder / "new").c_str());
  });
  EXPECT_TRUE(Collected(opener.pid()).refuses(Piece::link_remap_needed));
}

TEST(OpenFiles, ProcFile) {
  const Opener opener([] {
    ::open("/proc/self/maps", O_RDONLY);
    const pid_t child = ::fork();
    if (child == 0) {
      ::_exit(0);
    }
    ::open(("/proc/" + std::to_string(child) + "/stat").c_str(), O_RDONLY);
    ::waitpid(child, nullptr, 0);
  });
  const Collected collected(opener.pid());
  EXPECT_EQ(reg(collected, 3)->name()->str(), "/proc/" + std::to_string(opener.pid()) + "/maps");
  const auto remaps = collected.all<schema::RemapFilePathEntry>(Kind::remap_fpath);
  ASSERT_EQ(remaps.size(), 1U);
  EXPECT_EQ(remaps[0]->orig_id(), collected.descriptor(4)->id());
  EXPECT_EQ(remaps[0]->remap_type(), flatbuffers::Optional(schema::RemapType::PROCFS));
}

TEST(OpenFiles, RefusesForeignProcFile) {
  const std::string ours = "/proc/" + std::to_string(::getpid()) + "/stat";
  const Opener opener([&] { ::open(ours.c_str(), O_RDONLY); });
  EXPECT_TRUE(Collected(opener.pid()).refuses(Piece::proc_foreign));
  const Opener of_init([] { ::open("/proc/1/stat", O_RDONLY); });
  EXPECT_FALSE(Collected(of_init.pid()).refuses(Piece::proc_foreign));
}

TEST(OpenFiles, RefusesUnreachablePath) {
  const Opener opener([] {
    if (::unshare(CLONE_NEWNS) == 0 &&
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
        ::mount("none", "/mnt", "tmpfs", 0, nullptr) == 0) {
      ::open("/mnt/x", O_RDWR | O_CREAT, 0600);
    }
  });
  EXPECT_TRUE(Collected(opener.pid()).refuses(Piece::file_unreachable));
}

TEST(OpenFiles, RefusesUnknownKind) {
  const Opener opener([] { ::open("/dev/fuse", O_RDWR); });
  const Collected collected(opener.pid());
  if (::access("/dev/fuse", F_OK) == 0) {
    EXPECT_TRUE(collected.refuses(Piece::file_kind));
  }
}

TEST(OpenFiles, Locks) {
  const test::Scratch folder;
  const Opener opener([&] {
    const auto make = [&](const char* name) {
      return ::open((folder / name).c_str(), O_RDWR | O_CREAT, 0600);
    };
    struct flock part {};
    part.l_type = F_WRLCK;
    part.l_start = 10;
    part.l_len = 5;
    const int posix = make("posix");
    ::fcntl(posix, F_SETLK, &part);
    ::dup(posix);
    ::flock(make("flock"), LOCK_SH);
    part.l_len = 0;
    ::fcntl(make("ofd"), F_OFD_SETLK, &part);
    start_child();
  });
  const Collected collected(opener.pid());
  const auto locks = collected.all<schema::FileLockEntry>(Kind::filelocks);
  ASSERT_EQ(locks.size(), 3U) << "none twice";
  EXPECT_EQ(locks[0]->flag(), 1U);
  EXPECT_EQ(locks[0]->type(), 1U);
  EXPECT_EQ(locks[0]->pid(), opener.pid());
  EXPECT_EQ(locks[0]->fd(), 3);
  EXPECT_EQ(locks[0]->start(), 10);
  EXPECT_EQ(locks[0]->len(), 5);
  EXPECT_EQ(locks[1]->flag(), 2U);
  EXPECT_EQ(locks[1]->type(), 0U);
  EXPECT_EQ(locks[2]->flag(), 4U);
  EXPECT_EQ(locks[2]->len(), 0);
}

TEST(OpenFiles, Lease) {
  const test::Scratch folder;
  const Opener opener([&] {
    const std::string path = folder / "x";
    ::close(::open(path.c_str(), O_RDWR | O_CREAT, 0600));
    ::fcntl(::open(path.c_str(), O_RDONLY), F_SETLEASE, F_RDLCK);
    ::fcntl(::open((folder / "y").c_str(), O_WRONLY | O_CREAT, 0600), F_SETLEASE, F_WRLCK);
  });
  const Collected first(opener.pid());
  const Collected collected(opener.pid());
  const auto locks = collected.all<schema::FileLockEntry>(Kind::filelocks);
  ASSERT_EQ(locks.size(), 2U) << "and the first look has not broken them";
  EXPECT_EQ(locks[0]->flag(), 8U);
  EXPECT_EQ(locks[0]->type(), 0U);
  EXPECT_EQ(locks[1]->type(), 1U);
}

TEST(OpenFiles, RefusesBreakingLease) {
  const test::Scratch folder;
  const std::string path = folder / "x";
  const Opener opener([&] {
    ::signal(SIGIO, SIG_IGN);
    ::fcntl(::open(path.c_str(), O_RDWR | O_CREAT, 0600), F_SETLEASE, F_WRLCK);
  });
  EXPECT_EQ(::open(path.c_str(), O_RDONLY | O_NONBLOCK), -1) << "which begins to break it";
  EXPECT_TRUE(Collected(opener.pid()).refuses(Piece::lock_unknown));
}

// In a mount namespace of its own, so that the mounts end with it.
TEST(OpenFiles, RefusesHiddenFile) {
  const auto hide = [] {
    const auto mount_tmpfs = [] { return ::mount("none", "/mnt", "tmpfs", 0, nullptr); };
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 || mount_tmpfs() != 0) {
      return 2;
    }
    const Opener opener([] { ::open("/mnt/x", O_RDWR | O_CREAT, 0600); });
    if (mount_tmpfs() != 0) {
      return 3;
    }
    ::close(::open("/mnt/x", O_RDWR | O_CREAT, 0600));
    return Collected(opener.pid()).refuses(Piece::file_hidden) ? 0 : 1;
  };
  const pid_t child = ::fork();
  if (child == 0) {
    ::_exit(hide());
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace img::live_test
