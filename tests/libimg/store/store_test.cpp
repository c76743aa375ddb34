// SPDX-License-Identifier: MIT
#include "libimg/store/store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

#include "libimg/base/file.h"
#include "libimg/base/file_lock.h"
#include "libimg/store/catalogue.h"
#include "libimg/store/database_look.h"
#include "libimg/store/value.h"
#include "schema/binary_schema.h"
#include "tests/libimg/store/child.h"
#include "tests/libimg/store/scratch.h"

namespace img::store {
namespace {

namespace fs = std::filesystem;
using testing::Child;
using testing::Gate;
using testing::must;
using testing::Scratch;

std::shared_ptr<const Store> open_again(const Scratch& scratch) {
  return must(Store::open(scratch / "s"));
}

std::string error_of(const Result<std::shared_ptr<const Store>>& store) {
  return store ? "" : store.error().line();
}

TEST(Store, ANewOneIsEmptyAndSaysWhatItIs) {
  const Scratch scratch;
  const auto store = must(Store::create(scratch / "s"));
  EXPECT_TRUE(Store::is_store(scratch / "s"));
  EXPECT_FALSE(Store::is_store(scratch.path()));
  EXPECT_TRUE(store->is_writable());
  EXPECT_EQ(store->format().format, kFormat);
  const auto now = must(store->snapshot());
  EXPECT_TRUE(must(list_images(*now)).empty());
  EXPECT_FALSE(newest_image(*now));
  EXPECT_EQ(as_text(must(get_stored_schema(*now))),
            as_text(std::as_bytes(schema::binary_schema())));
}

TEST(Store, IsMadeOnlyWhereNothingIs) {
  const Scratch scratch;
  fs::create_directory(scratch / "empty");
  must(Store::create(scratch / "empty"));
  EXPECT_NE(error_of(Store::create(scratch / "empty")).find("not empty"), std::string::npos);
  std::ofstream(scratch / "file") << "x";
  EXPECT_FALSE(Store::create(scratch / "file"));
  EXPECT_FALSE(Store::create(scratch / "no/such"));
}

TEST(Store, IsPrivateWhateverTheUmask) {
  for (const mode_t mask : {0000U, 0022U, 0777U}) {
    const Scratch scratch;
    const mode_t before = ::umask(mask);
    auto store = must(Store::create(scratch / "s"));
    ::umask(before);
    for (const auto& entry : fs::recursive_directory_iterator(scratch.path())) {
      struct stat status {};
      ASSERT_EQ(::stat(entry.path().c_str(), &status), 0);
      EXPECT_EQ(status.st_mode & 07777, entry.is_directory() ? 0700U : 0600U) << entry.path();
    }
  }
}

TEST(Store, OneProcessOpensADatabaseOnce) {
  const Scratch scratch;
  const auto first = must(Store::create(scratch / "s"));
  const auto second = open_again(scratch);
  const auto txn = must(first->write());
  // Both see the same environment: a second one would not know this process's reader.
  const auto now = must(second->snapshot());
  EXPECT_TRUE(must(list_images(*now)).empty());
}

TEST(Store, TheSecondWriterIsToldWhoHasTheTurn) {
  const Scratch scratch;
  must(Store::create(scratch / "s"));
  Gate holds;
  Gate ends;
  Child other([&] {
    auto txn = must(open_again(scratch)->write());
    holds.open();
    ends.pass();
    return 0;
  });
  holds.pass();
  const auto store =
      must(Store::open(scratch / "s", {.place = {}, .deadline = std::chrono::milliseconds(50)}));
  const auto refused = store->write();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().fault, Fault::conflict);
  EXPECT_NE(refused.error().line().find("by process " + std::to_string(other.pid())),
            std::string::npos)
      << refused.error().line();
  ends.open();
  EXPECT_EQ(other.wait(), 0);
  must(store->write());
}

TEST(Store, TheSecondWriterWaitsForTheFirst) {
  const Scratch scratch;
  const auto store = must(Store::create(scratch / "s"));
  auto txn = must(store->write());
  std::thread other([&] { must(must(store->write())->commit()); });
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  txn.reset();
  other.join();
}

TEST(Store, AReaderSeesTheOldStateDuringAWrite) {
  const Scratch scratch;
  const auto store = must(Store::create(scratch / "s"));
  const Key key = Key::usage({1, 2}, 3);
  auto txn = must(store->write());
  must(put_number(*txn, key, 5));
  const auto before = must(store->snapshot());
  EXPECT_FALSE(must(get_number(*before, key, "x")));
  must(txn->commit());
  EXPECT_FALSE(must(get_number(*before, key, "x")));
  EXPECT_EQ(must(get_number(*must(store->snapshot()), key, "x")), 5U);
}

TEST(Store, ACompactionKeepsOpenersOut) {
  const Scratch scratch;
  must(Store::create(scratch / "s"));
  Gate holds;
  Gate ends;
  Child other([&] {
    const UniqueFd lock = must(open_regular(AT_FDCWD, scratch / "s/lock", O_RDONLY, "lock"));
    must(lock_file(lock.get(), LockMode::exclusive, std::chrono::milliseconds(0), "lock", "lock"));
    holds.open();
    ends.pass();
    return 0;
  });
  holds.pass();
  const auto store =
      Store::open(scratch / "s", {.place = {}, .deadline = std::chrono::milliseconds(20)});
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().fault, Fault::conflict);
  ends.open();
  other.wait();
  open_again(scratch);
}

// A reader that dies without a word holds back the reuse of pages until someone looks.
TEST(Store, DeadReadersDoNotMakeTheStoreGrow) {
  const Scratch scratch;
  must(Store::create(scratch / "s"));
  Gate reads;
  Child reader([&] {
    const auto store = open_again(scratch);
    const auto now = must(store->snapshot());
    reads.open();
    ::pause();
    return 0;
  });
  reads.pass();
  reader.kill();
  const auto store = open_again(scratch);
  const std::vector<std::byte> bytes(100'000);
  for (int round = 0; round < 100; ++round) {
    auto txn = must(store->write());
    Envelope value;
    value.flatbuffer = bytes;
    must(put_value(*txn, Key::usage({1, 1}, 1), value, WriteTxn::Put::replace));
    must(txn->commit());
  }
  EXPECT_LT(fs::file_size(scratch / "s/data.mdb"), 3U << 20);
}

void set_feature(const Store& store, std::uint64_t FormatHeader::*word) {
  FormatHeader header = store.format();
  header.*word = 1ULL << 63;
  auto txn = must(store.write());
  Envelope value;
  value.payload = std::as_bytes(std::span(&header, 1));
  must(put_value(*txn, Key::header(), value, WriteTxn::Put::replace));
  must(txn->commit());
}

TEST(Store, FeaturesOfANewerVersion) {
  const auto open_with = [](std::uint64_t FormatHeader::*word, auto use) {
    const Scratch scratch;
    set_feature(*must(Store::create(scratch / "s")), word);
    use(Store::open(scratch / "s"));
  };
  open_with(&FormatHeader::compatible,
            [](auto store) { EXPECT_TRUE(must(std::move(store))->write()); });
  open_with(&FormatHeader::read_compatible, [](auto opened) {
    const auto store = must(std::move(opened));
    EXPECT_TRUE(store->snapshot());
    const auto txn = store->write();
    ASSERT_FALSE(txn);
    EXPECT_EQ(txn.error().fault, Fault::unsupported);
  });
  open_with(&FormatHeader::incompatible, [](auto store) {
    ASSERT_FALSE(store);
    EXPECT_EQ(store.error().fault, Fault::unsupported);
  });
}

TEST(Store, RefusesFileSystemsThatBreakIt) {
  for (const unsigned long type : {0x6969UL, 0xff534d42UL, 0xfe534d42UL, 0x0bd00bd0UL, 0x47504653UL,
                                   0x00c36400UL, 0x01021997UL, 0x65735546UL}) {
    EXPECT_NE(refused_file_system(type), nullptr) << std::hex << type;
  }
  for (const unsigned long type : {0xef53UL, 0x01021994UL, 0x58465342UL, 0x9123683eUL}) {
    EXPECT_EQ(refused_file_system(type), nullptr) << std::hex << type;
  }
}

TEST(Store, WhatIsNoneIsRefused) {
  const Scratch scratch;
  EXPECT_EQ(Store::open(scratch / "none").error().fault, Fault::missing);
  fs::create_directories(scratch / "s/packs");
  EXPECT_EQ(Store::open(scratch / "s").error().fault, Fault::missing);
  std::ofstream(scratch / "s/lock") << "";
  std::ofstream(scratch / "s/data.mdb") << std::string(100'000, 'x');
  EXPECT_NE(error_of(Store::open(scratch / "s")).find("is no LMDB database"), std::string::npos);
  fs::remove(scratch / "s/data.mdb");
  fs::create_symlink("/etc/passwd", scratch / "s/data.mdb");
  EXPECT_NE(error_of(Store::open(scratch / "s")).find("not a regular file"), std::string::npos);
}

TEST(Store, CutShortIsSaid) {
  const Scratch scratch;
  must(Store::create(scratch / "s"));
  fs::resize_file(scratch / "s/data.mdb", 3 * 4096);
  EXPECT_NE(error_of(Store::open(scratch / "s")).find("cut short"), std::string::npos);
}

TEST(Store, OpensUnderALimitOfAddressSpace) {
#ifdef STASIS_SANITIZE
  GTEST_SKIP() << "AddressSanitizer needs more address space than the limit leaves";
#else
  const Scratch scratch;
  must(Store::create(scratch / "s"));
  Child child([&] {
    const rlimit limit{1ULL << 30, 1ULL << 30};
    ::setrlimit(RLIMIT_AS, &limit);
    const auto store = Store::open(scratch / "s");
    return store && (*store)->snapshot() ? 0 : 1;
  });
  EXPECT_EQ(child.wait(), 0);
#endif
}

// As another user, or as root on a read-only mount; both need root to set up.
TEST(Store, LocksThatCannotBeWritten) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root";
  }
  const Scratch scratch;
  must(Store::create(scratch / "s"));
  fs::permissions(scratch.path(), fs::perms(0755));
  fs::permissions(scratch / "s", fs::perms(0755));
  fs::permissions(scratch / "s/packs", fs::perms(0755));
  for (const char* name : {"s/lock", "s/data.mdb", "s/lock.mdb"}) {
    fs::permissions(scratch / name, fs::perms(0644));
  }
  Child other_user([&] {
    if (::setresuid(65534, 65534, 65534) != 0) {
      return 2;
    }
    return error_of(Store::open(scratch / "s")).find("lock.mdb cannot be written") !=
                   std::string::npos
               ? 0
               : 1;
  });
  EXPECT_EQ(other_user.wait(), 0);

  Child read_only([&] {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount((scratch / "s").c_str(), (scratch / "s").c_str(), nullptr, MS_BIND, nullptr) != 0 ||
        ::mount("", (scratch / "s").c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) !=
            0) {
      return 3;
    }
    const auto store = Store::open(scratch / "s");
    if (!store || (*store)->is_writable()) {
      return 1;
    }
    return must((*store)->snapshot()) != nullptr && !(*store)->write() ? 0 : 2;
  });
  const int status = read_only.wait();
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 3) {
    GTEST_SKIP() << "needs to mount";
  }
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace img::store
