// SPDX-License-Identifier: MIT
// Damage by the seed: every image that comes of it gets an answer, soon, and none of them a crash.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <random>

#include "libimg/criu/directory_reader.h"
#include "tests/libimg/check/judged.h"
#include "tests/support/scratch.h"

namespace img::check {
namespace {

namespace fs = std::filesystem;

class Mutation {
 public:
  Mutation(fs::path image, std::uint64_t seed) : image_(std::move(image)), random_(seed) {
    for (const auto& entry : fs::directory_iterator(image_)) {
      files_.push_back(entry.path());
    }
    std::sort(files_.begin(), files_.end());
  }

  std::string apply() {
    const fs::path file = files_[below(files_.size())];
    if (!fs::is_regular_file(fs::symlink_status(file))) {
      return "nothing";  // what was done before has made it something else
    }
    const std::uint64_t size = fs::file_size(file);
    switch (below(12)) {
      case 0: fs::remove(file); return "remove " + file.string();
      case 1: fs::resize_file(file, below(size + 1)); return "cut " + file.string();
      case 2: fs::resize_file(file, size + 1 + below(5000)); return "lengthen " + file.string();
      case 3: return swap(file, files_[below(files_.size())]);
      case 4:
        return instead(file,
                       [](const fs::path& at) { fs::create_symlink("/proc/self/status", at); });
      case 5: return instead(file, [](const fs::path& at) { ::mkfifo(at.c_str(), 0600); });
      case 6: return instead(file, [](const fs::path& at) { fs::create_directory(at); });
      case 7:
        return change(file, size, [&](std::string& bytes, std::size_t at) {
          bytes.replace(at, 10, std::string(10, '\xff'));  // a number of more than 64 bits
        });
      case 8:
        return change(file, size, [&](std::string& bytes, std::size_t at) {
          bytes.insert(at, bytes.substr(at / 2, 64));
        });
      case 9:
        return change(file, size, [&](std::string& bytes, std::size_t at) {
          bytes.replace(at, 4, std::string("\xff\xff\xff\x7f", 4));
        });
      default:
        return change(file, size, [&](std::string& bytes, std::size_t at) {
          bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
        });
    }
  }

 private:
  std::uint64_t below(std::uint64_t limit) { return limit == 0 ? 0 : random_() % limit; }

  std::string swap(const fs::path& a, const fs::path& b) {
    if (a != b && fs::exists(fs::symlink_status(b))) {
      fs::rename(a, image_ / "between");
      fs::rename(b, a);
      fs::rename(image_ / "between", b);
    }
    return "swap " + a.string() + " " + b.string();
  }
  static std::string instead(const fs::path& file,
                             const std::function<void(const fs::path&)>& make) {
    fs::remove(file);
    make(file);
    return "something else for " + file.string();
  }
  std::string change(const fs::path& file, std::uint64_t size,
                     const std::function<void(std::string&, std::size_t)>& how) {
    if (size == 0) {
      return "nothing";
    }
    std::string bytes = test::slurp(file);
    const std::size_t at = below(std::min<std::uint64_t>(bytes.size(), 4096));
    how(bytes, at);
    test::spill(file, bytes);
    return "byte " + std::to_string(at) + " of " + file.string();
  }

  fs::path image_;
  std::mt19937_64 random_;
  std::vector<fs::path> files_;
};

class Mutations : public testing::TestWithParam<const char*> {};

TEST_P(Mutations, AllGetAnAnswer) {
  constexpr std::uint64_t kRounds = 150;
  std::uint64_t found = 0;
  for (std::uint64_t seed = 1; seed <= kRounds; ++seed) {
    Copy copy(GetParam());
    Mutation mutation(copy.path(), seed);
    std::string what = mutation.apply();
    if (seed % 3 == 0) {
      what += ", " + mutation.apply();
    }
    SCOPED_TRACE(what);
    DamageLog damage;
    Options options;
    options.damage = &damage;
    class Deaf : public FindingSink {
      void finding(const Finding&) override {}
    } sink;
    const auto begin = std::chrono::steady_clock::now();
    auto reader = criu::DirectoryReader::open(copy.path().string(), {damage.sink()});
    if (!reader) {
      ++found;
      continue;
    }
    const auto summary = check(**reader, options, sink);
    found += !summary || summary->errors + summary->warnings > 0 ? 1 : 0;
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
  }
  EXPECT_GT(found, kRounds / 4);
}

INSTANTIATE_TEST_SUITE_P(Seeded, Mutations, testing::Values("zoo", "tree", "sysvipc"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace img::check
