// SPDX-License-Identifier: MIT
#include "bench/scratch.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <map>
#include <memory>
#include <tuple>

#include "libimg/convert/convert.h"

namespace img::bench {
namespace {

namespace fs = std::filesystem;

std::string base() {
  if (const char* set = std::getenv("TMPDIR")) {
    return set;
  }
  return ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
}

}  // namespace

void stop(const Error& error) {
  std::fprintf(stderr, "bench: %s\n", error.line().c_str());
  std::exit(2);
}

Scratch::Scratch() : path_(base() + "/stasis-bench-XXXXXX") {
  if (::mkdtemp(path_.data()) == nullptr) {
    stop(sys_error(errno, path_, "create"));
  }
}

Scratch::~Scratch() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string Scratch::operator/(std::string_view name) const {
  return path_ + "/" + std::string(name);
}

void Scratch::empty() const {
  for (const auto& entry : fs::directory_iterator(path_)) {
    fs::remove_all(entry.path());
  }
}

const std::string& image(const Shape& shape) {
  static const Scratch place;
  static std::map<std::tuple<std::uint32_t, std::uint64_t, std::uint64_t>, std::string> made;
  std::string& path = made[{shape.tasks, shape.pages_per_task, shape.seed}];
  if (path.empty()) {
    path = place / std::to_string(made.size());
    fs::create_directory(path);
    need(generate(STASIS_FIXTURES "/dumps/single", path, shape));
  }
  return path;
}

std::uint64_t bytes_below(const std::string& path) {
  std::uint64_t all = 0;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    all += entry.is_regular_file() ? entry.file_size() : 0;
  }
  return all;
}

void convert(const std::string& source, const std::string& destination, std::string_view kind,
             const std::string& name) {
  const convert::Source from = need(convert::recognise(source, {}));
  const convert::Form form = need(convert::parse_form(kind));
  const convert::Destination to = need(convert::choose_destination(destination, form, from));
  convert::Options options;
  options.as = name;
  options.now_ns = static_cast<std::uint64_t>(std::time(nullptr)) * 1'000'000'000;
  (void)need(convert::convert(from, to, options));
}

}  // namespace img::bench
