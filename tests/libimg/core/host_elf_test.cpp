// SPDX-License-Identifier: MIT
#include "libimg/core/host_elf.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "libimg/base/build_id.h"
#include "libimg/base/file.h"

namespace img::core {
namespace {

namespace fs = std::filesystem;

std::string this_program() {
  return fs::read_symlink("/proc/self/exe").string();
}

MappedFile mapped(const std::string& path) {
  const Result<UniqueFd> fd = open_regular(AT_FDCWD, path, O_RDONLY, path);
  return std::move(*MappedFile::map(fd->get(), fs::file_size(path), path));
}

/// As an image would name it.
class Named {
 public:
  Named(const std::string& path, std::vector<std::uint32_t> build_id,
        flatbuffers::Optional<std::uint64_t> size = flatbuffers::nullopt) {
    const auto fown = schema::CreateFownEntry(builder_);
    const auto name = builder_.CreateString(path);
    const auto id = builder_.CreateVector(build_id);
    schema::RegFileEntryBuilder entry(builder_);
    entry.add_fown(fown);
    entry.add_name(name);
    entry.add_build_id(id);
    if (size) {
      entry.add_size(*size);
    }
    builder_.Finish(entry.Finish());
  }
  [[nodiscard]] bool is_here() const {
    const auto* file = flatbuffers::GetRoot<schema::RegFileEntry>(builder_.GetBufferPointer());
    return !same_file_on_host(*file).bytes().empty();
  }

 private:
  flatbuffers::FlatBufferBuilder builder_;
};

class HostElf : public testing::Test {
 protected:
  // A linker without build ids makes none of this testable: a library always has one on Debian.
  void SetUp() override {
    const std::string libc = "/lib/x86_64-linux-gnu/libc.so.6";
    path_ = fs::canonical(fs::exists(libc) ? libc : this_program()).string();
    file_ = mapped(path_);
    id_ = words_of_build_id(gnu_build_id(file_.bytes()));
    ASSERT_FALSE(id_.empty()) << path_;
  }
  std::string path_;
  MappedFile file_;
  std::vector<std::uint32_t> id_;
};

TEST_F(HostElf, IsKnownByItsBuildId) {
  EXPECT_TRUE(Named(path_, id_).is_here());
  EXPECT_TRUE(Named(path_, id_, file_.bytes().size()).is_here());
}

TEST_F(HostElf, NothingElseIsRead) {
  EXPECT_FALSE(Named(path_, {}).is_here()) << "no build id in the image";
  EXPECT_FALSE(Named(path_, id_, file_.bytes().size() + 1).is_here()) << "another size";
  auto other = id_;
  other.back() ^= 1;
  EXPECT_FALSE(Named(path_, other).is_here());
  other = id_;
  other.push_back(0);
  EXPECT_FALSE(Named(path_, other).is_here());
  EXPECT_FALSE(Named("/etc/passwd", id_).is_here());
  EXPECT_FALSE(Named("/proc/self/mem", id_).is_here());
  EXPECT_FALSE(Named("/dev/zero", id_).is_here());
  EXPECT_FALSE(Named("/proc/self/exe", id_).is_here()) << "a link";
  EXPECT_FALSE(Named(path_.substr(1), id_).is_here()) << "not absolute";
}

}  // namespace
}  // namespace img::core
