// SPDX-License-Identifier: MIT
#include "tools/show_memory.h"

#include <fcntl.h>

#include <CLI/CLI.hpp>
#include <cerrno>

#include "libimg/base/staged.h"
#include "libimg/base/unique_fd.h"
#include "libimg/base/units.h"
#include "libimg/convert/spool.h"
#include "libimg/show/memory.h"

namespace img::tools {
namespace {

Result<std::unique_ptr<show::Matcher>> match_file(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) {
    return fail(sys_error(errno, path, "cannot open"));
  }
  IMG_ASSIGN(const MappedFile bytes, convert::map_regular(file.get(), path));
  if (bytes.bytes().size() > show::kLongestPattern) {
    return fail(Fault::limit, path, "too long", "at most 1 MiB can be looked for");
  }
  return show::match_bytes(std::string(as_text(bytes.bytes())));
}

}  // namespace

void ShowMemory::declare(CLI::App& app) {
  app.add_flag("--raw", raw_);
  app.add_option("-o", output_);
  app.add_option("--address", address_);
  app.add_option("--length", length_);
  app.add_option("--search", text_);
  app.add_option("--search-file", file_);
  app.add_option("--regex", regex_);
  app.add_option("--context", context_);
}

Result<int> ShowMemory::search(show::Subject& subject, show::Page& page) const {
  const int patterns = (text_.empty() ? 0 : 1) + (file_.empty() ? 0 : 1) + (regex_.empty() ? 0 : 1);
  if (patterns > 1 || !address_.empty()) {
    return fail(Fault::usage, "arguments", "one search at a time, and of all memory");
  }
  IMG_ASSIGN(const auto matcher, !regex_.empty()  ? show::match_regex(regex_)
                                 : !file_.empty() ? match_file(file_)
                                                  : show::match_bytes(text_));
  IMG_ASSIGN(const std::uint64_t matches, show::search_memory(subject, *matcher, context_, page));
  return matches > 0 ? 0 : 1;
}

Result<void> ShowMemory::write_raw(show::Subject& subject, frame::Call& call, std::uint64_t address,
                                   std::uint64_t length) const {
  if (output_.empty()) {
    return fail(Fault::usage, "arguments", "--raw", "where to?", "give -o FILE");
  }
  const std::uint32_t pid = subject.choice().pids.front();
  IMG_ASSIGN(StagedFile file, StagedFile::create(output_, Replace::no));
  FdSink sink(file.fd(), output_);
  IMG_ASSIGN(const std::uint64_t known, show::write_memory(subject, {pid, address, length}, sink));
  IMG_TRY(sink.flush());
  IMG_TRY(file.commit());
  if (call.report.is_json()) {
    JsonWriter& json = call.report.json();
    json.begin_object("memory");
    json.number("pid", pid);
    json.hex("address", address);
    json.number("length", length);
    json.number("known", known);
    json.text("output", output_);
    json.end();
  } else if (known < length) {
    call.report.note(std::to_string(length - known) + " bytes are not in the image, and zero in " +
                     output_);
  }
  return {};
}

Result<int> ShowMemory::run(show::Subject& subject, show::Page& page, frame::Call& call) const {
  if (searches()) {
    return search(subject, page);
  }
  if (address_.empty()) {
    if (raw_) {
      return fail(Fault::usage, "arguments", "--raw", "needs --address and --length");
    }
    show::show_memory_runs(subject, page);
    return 0;
  }
  if (subject.choice().pids.size() != 1 || length_.empty()) {
    return fail(Fault::usage, "arguments", "--address", "needs one --pid, and --length");
  }
  IMG_ASSIGN(const std::uint64_t address, parse_number(address_));
  const auto plain = parse_number(length_);
  IMG_ASSIGN(const std::uint64_t length, plain ? plain : parse_size(length_));
  if (raw_) {
    IMG_TRY(write_raw(subject, call, address, length));
    return 0;
  }
  IMG_TRY(show::show_memory(subject, {subject.choice().pids.front(), address, length}, page));
  return 0;
}

}  // namespace img::tools
