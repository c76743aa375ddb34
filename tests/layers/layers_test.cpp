// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <iterator>

#include "tests/layers/rooms.h"
#include "tests/support/scratch.h"

namespace img::layers {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kHeader = "// SPDX-License-Identifier: MIT\n#pragma once\n";

std::vector<std::string> with_line(std::string_view path, const std::string& line) {
  return violations(path, std::string(kHeader) + line + "\n");
}

TEST(Layers, EveryFileKeepsToItsRoom) {
  const std::filesystem::path root = STASIS_SOURCE;
  std::size_t files = 0;
  for (const char* folder : {"schema", "libimg", "live", "tools", "bench", "tests"}) {
    if (!std::filesystem::is_directory(root / folder)) {
      continue;
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / folder)) {
      const std::string extension = entry.path().extension().string();
      if (!entry.is_regular_file() || (extension != ".h" && extension != ".cpp" &&
                                       extension != ".inc" && extension != ".fbs")) {
        continue;
      }
      ++files;
      for (const std::string& fault : violations(
               entry.path().lexically_relative(root).generic_string(), test::slurp(entry.path()))) {
        ADD_FAILURE() << fault;
      }
    }
  }
  EXPECT_GT(files, 60U) << "the tree is not where it was when this was built";
}

TEST(Layers, DownwardIsAllowed) {
  EXPECT_THAT(with_line("libimg/store/env.h", "#include \"libimg/base/result.h\""), IsEmpty());
  EXPECT_THAT(with_line("libimg/store/env.h", "#include \"libimg/store/key.h\""), IsEmpty());
  EXPECT_THAT(with_line("libimg/convert/x.h", "#include \"libimg/json/reader.h\""), IsEmpty());
  EXPECT_THAT(with_line("live/dump/x.h", "#include \"live/trace/tracee.h\""), IsEmpty());
  EXPECT_THAT(with_line("live/trace/x.h", "#include \"libimg/model/record.h\""), IsEmpty());
  EXPECT_THAT(with_line("live/live_dump.cpp", "#include \"tools/frame/run_tool.h\""), IsEmpty());
  EXPECT_THAT(with_line("tests/libimg/store/x.cpp", "#include \"tools/frame/x.h\""), IsEmpty());
}

TEST(Layers, UpwardAndSidewaysAreNot) {
  for (const auto& [path, header] : {std::pair{"libimg/base/x.h", "libimg/store/env.h"},
                                     std::pair{"libimg/base/x.h", "schema/layout.h"},
                                     std::pair{"schema/layout.h", "libimg/base/result.h"},
                                     std::pair{"libimg/criu/x.h", "libimg/json/writer.h"},
                                     std::pair{"libimg/check/x.h", "libimg/show/text.h"},
                                     std::pair{"libimg/show/x.h", "libimg/check/finding.h"},
                                     std::pair{"libimg/convert/x.h", "tools/frame/streams.h"},
                                     std::pair{"libimg/convert/x.h", "live/procfs/maps.h"},
                                     std::pair{"tools/img_check.cpp", "live/procfs/maps.h"},
                                     std::pair{"live/dump/x.h", "live/restore/plan.h"},
                                     std::pair{"live/trace/x.h", "live/dump/x.h"},
                                     std::pair{"live/dump/x.h", "tools/frame/run_tool.h"}}) {
    EXPECT_THAT(with_line(path, "#include \"" + std::string(header) + "\""),
                ElementsAre(HasSubstr("must not know")))
        << path << " -> " << header;
  }
}

TEST(Layers, ForeignHeadersStayAtHome) {
  EXPECT_THAT(with_line("libimg/store/env.h", "#include <lmdb.h>"), IsEmpty());
  EXPECT_THAT(with_line("libimg/show/x.cpp", "#include <fmt/core.h>"), IsEmpty());
  EXPECT_THAT(with_line("libimg/show/x.cpp", "#include <flatbuffers/reflection.h>"), IsEmpty());
  EXPECT_THAT(with_line("live/trace/x.h", "#include <sys/ptrace.h>"), IsEmpty());
  EXPECT_THAT(with_line("tests/live/trace/x.cpp", "#include <sys/ptrace.h>"), IsEmpty());
  EXPECT_THAT(with_line("tests/libimg/json/x.cpp", "#include <nlohmann/json.hpp>"), IsEmpty());
  for (const auto& [path, header] :
       {std::pair{"libimg/model/x.cpp", "lmdb.h"},
        std::pair{"libimg/json/x.cpp", "protozero/pbf_reader.hpp"},
        std::pair{"libimg/json/x.cpp", "nlohmann/json.hpp"},
        std::pair{"libimg/convert/x.cpp", "CLI/CLI.hpp"},
        std::pair{"live/dump/x.cpp", "sys/ptrace.h"},
        std::pair{"libimg/convert/x.cpp", "archive.h"}, std::pair{"libimg/criu/x.cpp", "xxhash.h"},
        std::pair{"libimg/base/x.cpp", "gtest/gtest.h"},
        std::pair{"tests/libimg/json/x.cpp", "lmdb.h"},
        std::pair{"libimg/base/x.h", "fmt/core.h"}}) {
    EXPECT_THAT(with_line(path, "#include <" + std::string(header) + ">"),
                ElementsAre(HasSubstr(header)))
        << path;
  }
}

TEST(Layers, FilesBeginAndEndAsTheyShould) {
  EXPECT_THAT(violations("libimg/base/x.h", kHeader), IsEmpty());
  EXPECT_THAT(violations("libimg/base/x.h", "#pragma once\n"), ElementsAre(HasSubstr("SPDX")));
  EXPECT_THAT(violations("libimg/base/x.h", "// SPDX-License-Identifier: MIT\n"),
              ElementsAre(HasSubstr("pragma once")));
  EXPECT_THAT(violations("libimg/base/x.cpp", ""), ElementsAre(HasSubstr("empty")));
  EXPECT_THAT(violations("libimg/common/x.h", kHeader), ElementsAre(HasSubstr("no room")));
  EXPECT_THAT(with_line("libimg/base/x.h", "#include \"result.h\""),
              ElementsAre(HasSubstr("does not start at a room")));
  std::string longer(kHeader);
  longer.append(600, '\n');
  EXPECT_THAT(violations("libimg/base/x.h", longer), ElementsAre(HasSubstr("longer")));
}

}  // namespace
}  // namespace img::layers
