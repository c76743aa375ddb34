// SPDX-License-Identifier: MIT
#include "tests/tools/json_doc.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

namespace img::tools {
namespace {

using Paths = std::set<std::string>;

void collect(const nlohmann::json& value, const std::string& path, Paths& paths) {
  if (value.is_array()) {
    for (const nlohmann::json& element : value) {
      collect(element, path + "[]", paths);
    }
    return;
  }
  if (!value.is_object()) {
    return;
  }
  for (const auto& [key, member] : value.items()) {
    const std::string base = key.ends_with("_base64") ? key.substr(0, key.size() - 7) : key;
    if (base != key && value.contains(base)) {
      continue;
    }
    const std::string here = path.empty() ? key : path + "." + key;
    paths.insert(here);
    collect(member, here, paths);
  }
}

// The first column of the tables under "## TITLE".
Paths section(const std::string& title) {
  std::ifstream in(STASIS_SOURCE "/tools/JSON.md");
  Paths paths;
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("## ")) {
      inside = line == "## " + title;
    }
    if (inside && line.starts_with("| `")) {
      paths.insert(line.substr(3, line.find('`', 3) - 3));
    }
  }
  EXPECT_FALSE(paths.empty()) << "tools/JSON.md has no section " << title;
  return paths;
}

}  // namespace

void expect_documented(const std::string& tool, const std::vector<frame::ToolRun>& runs) {
  Paths written;
  for (const frame::ToolRun& run : runs) {
    const nlohmann::json object = nlohmann::json::parse(run.out, nullptr, false);
    ASSERT_TRUE(object.is_object()) << run.out << run.err;
    EXPECT_EQ(object["tool"], tool);
    EXPECT_EQ(object["exit"], run.exit);
    collect(object, "", written);
  }
  const Paths common = section("Every tool");
  const Paths own = section(tool);
  for (const std::string& path : written) {
    EXPECT_TRUE(common.contains(path) || own.contains(path))
        << path << " is not in tools/JSON.md, section " << tool;
  }
  for (const std::string& path : own) {
    EXPECT_TRUE(written.contains(path)) << path << " was never written by " << tool;
  }
}

}  // namespace img::tools
