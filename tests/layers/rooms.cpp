// SPDX-License-Identifier: MIT
#include "tests/layers/rooms.h"

#include <algorithm>
#include <array>

namespace img::layers {
namespace {

constexpr std::size_t kMaxLines = 600;
constexpr std::string_view kSpdx = "SPDX-License-Identifier: MIT";

/// A file belongs to the first room that its path starts with. It may include its own room, and
/// every room of a lower height on the same side; live/ also all of libimg/.
struct Room {
  std::string_view prefix;
  int height;
};

constexpr int kAnything = 100;
constexpr int kLive = 20;  // heights of live/ start here: above libimg/, and nothing else may

constexpr std::array kRooms = {
    Room{"schema/", 0},
    Room{"libimg/base/", 0},
    Room{"libimg/store/", 1},
    Room{"libimg/model/", 2},
    Room{"libimg/criu/", 3},
    Room{"libimg/json/", 4},
    Room{"libimg/archive/", 5},
    Room{"libimg/check/", 6},
    Room{"libimg/show/", 6},
    Room{"libimg/core/", 6},
    Room{"libimg/merge/", 6},
    Room{"libimg/gc/", 6},
    Room{"libimg/diff/", 7},
    Room{"libimg/convert/", 7},
    Room{"tools/frame/", 8},
    Room{"tools/live_", kLive + 5},
    Room{"tools/", 9},
    Room{"live/arch/", kLive},
    Room{"live/state/", kLive},
    Room{"live/procfs/", kLive},
    Room{"live/trace/", kLive + 1},
    Room{"live/dump/", kLive + 2},
    Room{"live/plan/", kLive + 2},
    Room{"live/restore/", kLive + 3},
    Room{"live/", kLive + 4},
    Room{"bench/", kAnything},
    Room{"tests/", kAnything},
};

/// A foreign header and the only places that may include it. A place is a folder or one file.
struct Home {
  std::string_view header;
  std::array<std::string_view, 3> places;  // empty ones are no place
};

constexpr std::array kHomes = {
    Home{"lmdb.h", {"libimg/store/"}},
    Home{"protozero/", {"libimg/criu/", "tests/libimg/criu/"}},
    Home{"archive.h", {"libimg/archive/"}},
    Home{"archive_entry.h", {"libimg/archive/"}},
    Home{"zlib.h", {"libimg/archive/"}},
    Home{"zstd.h", {"libimg/archive/"}},
    Home{"nettle/", {"libimg/archive/"}},
    Home{"xxhash.h", {"libimg/base/", "libimg/store/"}},
    Home{"tl/expected.hpp", {"libimg/base/"}},
    Home{"CLI/", {"tools/", "live/live_"}},
    Home{"nlohmann/", {"tools/", "tests/"}},
    Home{"sys/ptrace.h", {"live/trace/", "tests/crash/"}},
    Home{"linux/ptrace.h", {"live/trace/"}},
    Home{"gtest/", {"tests/"}},
    Home{"gmock/", {"tests/"}},
    Home{"benchmark/", {"bench/"}},
};

const Room* room_of(std::string_view path) {
  const auto found = std::find_if(kRooms.begin(), kRooms.end(),
                                  [&](const Room& room) { return path.starts_with(room.prefix); });
  return found == kRooms.end() ? nullptr : &*found;
}

bool is_live_main(std::string_view path) {
  return path.starts_with("live/") && path.find('/', 5) == std::string_view::npos;
}

std::string include_fault(std::string_view path, const Room& from, std::string_view header) {
  const Room* to = room_of(header);
  if (to == nullptr) {
    return "includes \"" + std::string(header) + "\", which does not start at a room";
  }
  if (to == &from || from.height == kAnything) {
    return {};
  }
  const bool to_live = to->prefix.starts_with("live/");
  const bool from_live = from.prefix.starts_with("live/") || from.prefix.starts_with("tools/live_");
  const bool frame_of_main = to->prefix == "tools/frame/" && is_live_main(path);
  const bool tools_of_live = from.prefix.starts_with("live/") && to->prefix.starts_with("tools/");
  if ((to->height < from.height && !(to_live && !from_live) && !tools_of_live) || frame_of_main) {
    return {};
  }
  return "includes \"" + std::string(header) + "\": " + std::string(from.prefix) +
         " must not know " + std::string(to->prefix);
}

/// Tests mirror the tree: those of a room may include what the room may.
std::string_view room_under_test(std::string_view path) {
  constexpr std::string_view kTests = "tests/";
  return path.starts_with(kTests) ? path.substr(kTests.size()) : path;
}

std::string foreign_fault(std::string_view path, std::string_view header) {
  if (header.starts_with("fmt/") && path.ends_with(".h")) {
    return "includes <" + std::string(header) + "> in a header";
  }
  for (const Home& home : kHomes) {
    const bool meant =
        home.header.ends_with('/') ? header.starts_with(home.header) : header == home.header;
    if (meant && std::none_of(home.places.begin(), home.places.end(), [&](std::string_view place) {
          return !place.empty() &&
                 (path.starts_with(place) || room_under_test(path).starts_with(place));
        })) {
      return "includes <" + std::string(header) + ">, whose home is " +
             std::string(home.places.front());
    }
  }
  return {};
}

std::string line_fault(std::string_view path, const Room& room, std::string_view line) {
  constexpr std::string_view kInclude = "#include ";
  if (!line.starts_with(kInclude) || line.size() < kInclude.size() + 3) {
    return {};
  }
  const char open = line[kInclude.size()];
  const std::string_view rest = line.substr(kInclude.size() + 1);
  const std::string_view header = rest.substr(0, rest.find(open == '"' ? '"' : '>'));
  return open == '"' ? include_fault(path, room, header) : foreign_fault(path, header);
}

}  // namespace

std::vector<std::string> violations(std::string_view path, std::string_view text) {
  std::vector<std::string> found;
  const auto add = [&](std::size_t line, const std::string& what) {
    found.push_back(std::string(path) + ":" + std::to_string(line) + ": " + what);
  };
  const Room* room = room_of(path);
  if (room == nullptr) {
    add(1, "is in no room");
    return found;
  }
  bool once = false;
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    ++number;
    if (number == 1 && !line.ends_with(kSpdx)) {
      add(1, "does not begin with the SPDX line");
    }
    once = once || line == "#pragma once";
    if (std::string fault = line_fault(path, *room, line); !fault.empty()) {
      add(number, fault);
    }
  }
  if (number > kMaxLines) {
    add(number, "is longer than " + std::to_string(kMaxLines) + " lines: two rooms share one door");
  }
  if (number == 0) {
    add(1, "is empty");
  }
  if (path.ends_with(".h") && !once) {
    add(1, "has no #pragma once");
  }
  return found;
}

}  // namespace img::layers
