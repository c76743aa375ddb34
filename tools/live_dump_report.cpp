// SPDX-License-Identifier: MIT
#include "tools/live_dump_report.h"

#include <sys/utsname.h>

#include "libimg/base/text.h"
#include "libimg/base/units.h"
#include "live/dump/host_features.h"

namespace img::tools {
namespace {

std::string count_text(std::uint64_t count, const char* one, const char* many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

std::string tasks_text(const dump::Outcome& outcome) {
  std::string out = count_text(outcome.processes, "process", "processes") + ", " +
                    count_text(outcome.tasks, "thread", "threads");
  if (outcome.zombies > 0) {
    out += ", " + count_text(outcome.zombies, "zombie", "zombies");
  }
  return out;
}

std::string line_of(const dump::Request& request, const dump::Outcome& outcome) {
  const std::string what =
      request.dry_run ? "would be stored" : request.store + "::" + outcome.name;
  return what + ": " + tasks_text(outcome) + ", " + size_text(outcome.memory_bytes) + ", frozen " +
         duration_text(outcome.stats.frozen_us * 1000);
}

void write_refusals(JsonWriter& json, const std::vector<state::Refusal>& refusals) {
  json.begin_array("refusals");
  for (const Error& one : refusals) {
    json.begin_object();
    json.text("thing", one.thing);
    json.text("what", one.what);
    json.text("why", one.why);
    json.text("hint", one.hint);
    json.end();
  }
  json.end();
}

const char* afterwards_name(dump::Afterwards afterwards) {
  switch (afterwards) {
    case dump::Afterwards::kill: return "killed";
    case dump::Afterwards::leave_running: return "running";
    case dump::Afterwards::leave_stopped: return "stopped";
  }
  return "";
}

void report_json(JsonWriter& json, const dump::Request& request, const dump::Outcome& outcome) {
  json.number("pid", static_cast<std::uint64_t>(request.root));
  json.text("store", request.store);
  json.boolean("dry_run", request.dry_run);
  write_refusals(json, outcome.refusals);
  if (!outcome.refusals.empty()) {
    return;
  }
  if (!request.dry_run) {
    json.text("name", outcome.name);
    json.text("tree", afterwards_name(request.afterwards));
    json.number("stored_bytes", outcome.stored_bytes);
  }
  json.number("processes", outcome.processes);
  json.number("zombies", outcome.zombies);
  json.number("threads", outcome.tasks);
  json.number("memory_bytes", outcome.memory_bytes);
  json.number("record_bytes", outcome.record_bytes);
  json.number("freezing_us", outcome.stats.freezing_us);
  json.number("frozen_us", outcome.stats.frozen_us);
  json.boolean("snapshot", outcome.has_snapshot);
  json.begin_array("notes");
  for (const std::string& note : outcome.notes) {
    json.text({}, note);
  }
  json.end();
}

}  // namespace

void report_outcome(frame::Call& call, const dump::Request& request, const dump::Outcome& outcome) {
  for (const Error& refusal : outcome.refusals) {
    *call.streams.err << "live-dump"
                      << ": " << escaped(refusal.line()) << '\n';
  }
  if (call.report.is_json()) {
    report_json(call.report.json(), request, outcome);
    return;
  }
  if (!outcome.refusals.empty()) {
    return;
  }
  for (const std::string& note : outcome.notes) {
    call.report.note(note);
  }
  if (!call.common.quiet) {
    call.report.text() << escaped(line_of(request, outcome)) << '\n';
  }
}

std::string log_text(const dump::Request& request, const Result<dump::Outcome>& outcome) {
  std::string out = rfc3339(request.now_ns) + " dump of process " + std::to_string(request.root) +
                    " into " + escaped(request.store) + "\n";
  if (!outcome) {
    return out + "failed: " + escaped(outcome.error().line()) + "\n";
  }
  for (const Error& refusal : outcome->refusals) {
    out += "refused: " + escaped(refusal.line()) + "\n";
  }
  for (const std::string& note : outcome->notes) {
    out += "note: " + escaped(note) + "\n";
  }
  const dump::DumpStats& stats = outcome->stats;
  out += "stopped after " + duration_text(stats.freezing_us * 1000) + ", for " +
         duration_text(stats.frozen_us * 1000) + "\n";
  if (outcome->refusals.empty()) {
    out += "pages: " + std::to_string(stats.pages_written) + " of " +
           std::to_string(stats.pages_scanned) + " private, " +
           std::to_string(stats.shared_pages_written) + " of " +
           std::to_string(stats.shared_pages_scanned) + " shared, in " +
           duration_text(stats.memory_us * 1000) + "\n" + escaped(line_of(request, *outcome)) +
           "\n";
  }
  return out;
}

Result<int> report_status(frame::Call& call) {
  const auto capable = dump::check_capabilities();
  utsname names{};
  ::uname(&names);
  const std::vector<dump::HostFeature> features = dump::host_features();
  if (call.report.is_json()) {
    JsonWriter& json = call.report.json();
    json.text("kernel", names.release);
    json.boolean("capable", capable.has_value());
    json.begin_array("features");
    for (const dump::HostFeature& feature : features) {
      json.begin_object();
      json.text("name", feature.name);
      json.boolean("there", feature.is_there);
      json.text("since", feature.since);
      json.text("without", feature.without);
      json.end();
    }
    json.end();
  } else {
    call.report.text() << "kernel " << escaped(names.release) << '\n';
    for (const dump::HostFeature& feature : features) {
      call.report.text() << (feature.is_there ? "yes  " : "no   ") << feature.name
                         << (feature.is_there
                                 ? std::string()
                                 : " (Linux " + feature.since + "): " + feature.without)
                         << '\n';
    }
  }
  if (!capable) {
    return fail(capable.error());
  }
  return 0;
}

}  // namespace img::tools
