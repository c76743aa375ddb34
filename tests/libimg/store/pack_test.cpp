// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "libimg/base/file.h"
#include "libimg/base/file_lock.h"
#include "libimg/store/pack_file.h"
#include "libimg/store/pack_reader.h"
#include "libimg/store/pack_writer.h"
#include "tests/libimg/store/scratch.h"

namespace img::store {
namespace {

using testing::must;
using testing::Scratch;

std::string noise(std::size_t size, unsigned seed) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) {
    text[i] = static_cast<char>((i * 2654435761U + seed * 97 + (i >> 7)) >> 3);
  }
  return text;
}

struct Appended {
  std::uint64_t offset;
  std::string bytes;
};

class Pack : public ::testing::Test {
 protected:
  Pack() : directory_(::open(scratch_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {}

  void append(std::size_t size, std::uint64_t alignment) {
    append_bytes(noise(size, static_cast<unsigned>(appended_.size())), alignment);
  }
  void append_bytes(const std::string& bytes, std::uint64_t alignment) {
    const std::uint64_t offset = writer_->next_offset(alignment);
    EXPECT_EQ(offset % alignment, 0U);
    must(writer_->append(as_bytes(bytes), alignment));
    appended_.push_back({offset, bytes});
  }

  [[nodiscard]] std::string file(const std::string& name) const { return scratch_ / name; }

  Scratch scratch_;
  UniqueFd directory_;
  std::unique_ptr<PackWriter> writer_ = must(PackWriter::create(directory_.get(), "s"));
  std::vector<Appended> appended_;
};

TEST_F(Pack, LongRunsOfZerosAreHoles) {
  constexpr std::size_t kMiB = 1 << 20;
  std::string holes = noise(4 * kMiB, 1);
  for (const auto& [begin, end] : {std::pair<std::size_t, std::size_t>{0, kMiB},
                                   {kMiB + 100, kMiB + 300'000},
                                   {2 * kMiB, 2 * kMiB + 40'000},
                                   {3 * kMiB + 1, 4 * kMiB}}) {
    std::fill(holes.begin() + static_cast<long>(begin), holes.begin() + static_cast<long>(end),
              '\0');
  }
  append_bytes(holes, 4096);
  append_bytes(std::string(3 * kMiB, '\0'), 4096);
  append(100, 8);
  append_bytes(std::string(5 * kMiB, '\0'), 8);
  const auto sealed = must(writer_->seal());
  writer_->keep();
  // Before it is mapped: tmpfs fills a hole that is looked at.
  struct stat status {};
  ASSERT_EQ(::stat(file(pack_file_name(writer_->id())).c_str(), &status), 0);
  EXPECT_EQ(static_cast<std::uint64_t>(status.st_size), sealed.bytes);
  EXPECT_LT(status.st_blocks * 512L, static_cast<long>(2 * kMiB));
  const auto reader = must(PackReader::open(directory_.get(), writer_->id(), sealed.bytes, "s"));
  for (const Appended& run : appended_) {
    EXPECT_TRUE(as_text(must(reader.bytes(run.offset, run.bytes.size()))) == run.bytes);
  }
  must(verify_pack(directory_.get(), writer_->id(), sealed.bytes, sealed.hashes_digest, "s"));
}

TEST_F(Pack, GivesBackEveryRun) {
  for (const std::size_t size : {1UL, 5000UL, 4096UL, 65535UL, 65536UL, 65537UL, 1UL << 20, 3UL,
                                 (1UL << 18) + 1, 300'000UL, 8UL}) {
    append(size, 8);
    append(size, 4096);
    append(size, 65536);
  }
  const auto sealed = must(writer_->seal());
  EXPECT_EQ(sealed.bytes % kBlockBytes, 0U);
  writer_->keep();
  const auto reader = must(PackReader::open(directory_.get(), writer_->id(), sealed.bytes, "s"));
  for (const Appended& run : appended_) {
    EXPECT_TRUE(as_text(must(reader.bytes(run.offset, run.bytes.size()))) == run.bytes);
  }
  must(verify_pack(directory_.get(), writer_->id(), sealed.bytes, sealed.hashes_digest, "s"));
  EXPECT_FALSE(reader.bytes(sealed.bytes, 1));
  EXPECT_FALSE(reader.bytes(8, ~0ULL));
}

TEST_F(Pack, DamageIsFound) {
  append(100'000, 4096);
  const auto sealed = must(writer_->seal());
  writer_->keep();
  const Id id = writer_->id();
  const auto verify = [&] {
    return verify_pack(directory_.get(), id, sealed.bytes, sealed.hashes_digest, "s");
  };
  must(verify());
  for (const std::string& name : {pack_file_name(id), hash_file_name(id)}) {
    std::fstream stream(file(name), std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(77);
    stream.put('?');
    stream.close();
    const auto done = verify();
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().fault, Fault::corrupt);
  }
  std::filesystem::resize_file(file(pack_file_name(id)), sealed.bytes - 1);
  const auto cut = PackReader::open(directory_.get(), id, sealed.bytes, "s");
  ASSERT_FALSE(cut);
  EXPECT_NE(cut.error().line().find("sealed with"), std::string::npos);
}

TEST_F(Pack, LeavesNothingBehindUnlessKept) {
  append(1 << 20, 4096);
  EXPECT_TRUE(std::filesystem::exists(file(pack_file_name(writer_->id()))));
  writer_.reset();
  EXPECT_TRUE(std::filesystem::is_empty(scratch_.path()));
}

TEST_F(Pack, TheLeaseEndsWithItsWriter) {
  const std::string name = pack_file_name(writer_->id());
  must(writer_->seal());
  writer_->keep();
  const UniqueFd other = must(open_regular(directory_.get(), name, O_RDWR, name));
  EXPECT_TRUE(must(has_lease(other.get(), name)));
  EXPECT_FALSE(must(take_lease(other.get(), name)));
  writer_.reset();
  EXPECT_FALSE(must(has_lease(other.get(), name)));
}

TEST_F(Pack, IsPrivateWhateverTheUmask) {
  const mode_t before = ::umask(0777);
  auto writer = must(PackWriter::create(directory_.get(), "s"));
  must(writer->append(as_bytes(noise(10, 1)), 8));
  must(writer->seal());
  ::umask(before);
  for (const std::string& name : {pack_file_name(writer->id()), hash_file_name(writer->id())}) {
    struct stat status {};
    ASSERT_EQ(::stat(file(name).c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0600U);
  }
}

}  // namespace
}  // namespace img::store
