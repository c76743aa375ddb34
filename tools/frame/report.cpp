// SPDX-License-Identifier: MIT
#include "tools/frame/report.h"

#include <cerrno>
#include <csignal>

#include "libimg/base/fault_object.h"
#include "libimg/base/text.h"

namespace img::frame {

std::string_view version() {
  return STASIS_VERSION;
}

void write_error(JsonWriter& json, const Error& error) {
  json.begin_object("error");
  json.text("thing", error.thing);
  json.text("what", error.what);
  json.text("why", error.why);
  json.text("hint", error.hint);
  json.end();
}

Report::Report(const ToolInfo& tool, Streams& streams, bool json, bool quiet)
    : tool_(tool), streams_(streams), quiet_(quiet) {
  if (!json) {
    return;
  }
  set_fault_object("\"schema\":\"stasis/" + std::string(tool.schema) + "/1\",\"tool\":\"" +
                       std::string(tool.name) + "\",\"version\":\"" + std::string(version()) + '"',
                   2);
  json_.emplace([&out = *streams.out](std::string_view piece) {
    clear_fault_object();
    out << piece;
  });
  json_->begin_object();
  json_->text("schema", "stasis/" + std::string(tool.schema) + "/1");
  json_->text("tool", tool.name);
  json_->text("version", version());
}

void Report::note(std::string_view line) {
  if (!quiet_) {
    *streams_.err << tool_.name << ": " << escaped(line) << std::endl;
  }
}

void Report::print_error(const Error& error) {
  *streams_.err << tool_.name << ": " << escaped(error.line()) << std::endl;
  if (!is_json()) {
    return;
  }
  json_->end_to(1);
  write_error(*json_, error);
}

int Report::finish(int exit_code, const Error* error) {
  // What a reader of both streams sees last is why it ended.
  streams_.out->flush();
  if (error != nullptr) {
    print_error(*error);
  }
  if (is_json()) {
    json_->end_to(1);
    json_->number_signed("exit", exit_code);
    json_->end_to(0);
    json_->flush();
    *streams_.out << '\n';
  }
  return checked_output(exit_code);
}

int Report::checked_output(int exit_code) {
  const int failure = write_failure(*streams_.out);
  if (failure == 0) {
    return exit_code;
  }
  if (failure == EPIPE) {
    return 128 + SIGPIPE;
  }
  const Error error = sys_error(failure, "standard output", "write");
  *streams_.err << tool_.name << ": " << error.line() << std::endl;
  return 2;
}

}  // namespace img::frame
