// SPDX-License-Identifier: MIT
#include "libimg/criu/names.h"

#include <gtest/gtest.h>

namespace img::criu {
namespace {

using model::FileKey;
using schema::Kind;

TEST(Names, GoBothWaysForEveryKind) {
  for (const schema::KindInfo& info : schema::kinds()) {
    if (info.file_name.empty()) {
      continue;
    }
    for (const std::uint64_t id : {0ULL, 7ULL, 255ULL, 4294967295ULL}) {
      const FileKey key{info.kind, info.has_id() ? id : 0};
      EXPECT_EQ(parse_file_name(image_file_name(key)), key) << image_file_name(key);
    }
  }
}

TEST(Names, TellKindsApartThatLookAlike) {
  EXPECT_EQ(parse_file_name("pagemap-shmem-12.img"), (FileKey{Kind::pagemap_shmem, 12}));
  EXPECT_EQ(parse_file_name("signal-s-3.img"), (FileKey{Kind::signal_s, 3}));
  EXPECT_EQ(parse_file_name("binfmt-misc.img"), (FileKey{Kind::binfmt_misc, 0}));
  EXPECT_EQ(parse_file_name("binfmt-misc-4.img"), (FileKey{Kind::binfmt_misc_old, 4}));
  EXPECT_EQ(parse_file_name("tmpfs-dev-66.tar.gz.img"), (FileKey{Kind::tmpfs_dev, 66}));
  EXPECT_EQ(parse_file_name("ghost-file-1f.img"), (FileKey{Kind::ghost_file, 31}));
  EXPECT_EQ(image_file_name({Kind::zombie, 9}), "core-9.img");
}

TEST(Names, AreNotMadeUp) {
  for (const char* name : {"core-066.img", "core-.img", "core-1.img.bak", "core--1.img",
                           "core-+1.img", "ghost-file-1F.img", "core-99999999999999999999.img",
                           "amdgpu-kfd-1.img", "parent", "stats-dump.img", "core-1", ""}) {
    EXPECT_FALSE(parse_file_name(name)) << name;
  }
}

}  // namespace
}  // namespace img::criu
