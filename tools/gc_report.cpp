// SPDX-License-Identifier: MIT
#include "tools/gc_report.h"

#include <fmt/core.h>

#include <algorithm>

#include "libimg/base/text.h"
#include "libimg/base/units.h"

namespace img::tools {
namespace {

std::string_view action_of(const gc::PlannedImage& image) {
  return image.verdict.drop ? "drop" : image.folds ? "fold" : "keep";
}

std::string why_of(const gc::PlannedImage& image) {
  std::string why = image.verdict.why.empty() && image.pinned ? "pinned" : image.verdict.why;
  if (image.folds) {
    why += (why.empty() ? "" : "; ") +
           fmt::format("takes over {} from parents that go", size_text(image.folded_bytes));
  }
  return why;
}

std::vector<GcLine> lines_of(const gc::Plan& plan, bool all) {
  std::vector<GcLine> lines;
  for (const gc::PlannedImage& image : plan.images) {
    if (all || image.verdict.drop || image.folds || image.pinned) {
      lines.push_back({std::string(action_of(image)), image.name, image.bytes, why_of(image)});
    }
  }
  for (const gc::PlannedPending& pending : plan.pending) {
    lines.push_back({"drop", pending.name, 0, "its writer died before it was whole"});
  }
  for (const gc::PlannedPack& pack : plan.packs) {
    if (pack.rewrite) {
      lines.push_back(
          {"rewrite", "pack " + pack.id.hex(), pack.bytes - pack.alive,
           fmt::format("{} of {} are needed", size_text(pack.alive), size_text(pack.bytes))});
    } else if (all) {
      lines.push_back({"remove", "pack " + pack.id.hex(), pack.bytes, "no image needs it"});
    }
  }
  for (const store::Sweep::Pack& stray : plan.strays.gone) {
    lines.push_back(
        {"remove", "pack " + stray.id.hex(), stray.bytes, "the store does not know it"});
  }
  return lines;
}

void write_images(JsonWriter& json, const gc::Plan& plan) {
  json.begin_array("images");
  for (const gc::PlannedImage& image : plan.images) {
    json.begin_object();
    json.text("name", image.name);
    json.text("series", image.series);
    json.time("time", image.time_ns);
    json.text("action", action_of(image));
    json.text("why", image.verdict.why);
    json.boolean("pinned", image.pinned);
    json.number("bytes", image.bytes);
    json.number("folded_bytes", image.folded_bytes);
    json.end();
  }
  json.end();
}

void write_packs(JsonWriter& json, const gc::Plan& plan) {
  json.begin_array("packs");
  for (const gc::PlannedPack& pack : plan.packs) {
    json.begin_object();
    json.text("id", pack.id.hex());
    json.text("action", pack.rewrite ? "rewrite" : "remove");
    json.number("bytes", pack.bytes);
    json.number("alive_bytes", pack.alive);
    json.end();
  }
  json.end();
  json.begin_array("strays");
  for (const store::Sweep::Pack& stray : plan.strays.gone) {
    json.begin_object();
    json.text("id", stray.id.hex());
    json.number("bytes", stray.bytes);
    json.end();
  }
  json.end();
}

void write_plan(JsonWriter& json, const gc::Plan& plan, bool dry_run) {
  json.boolean("dry_run", dry_run);
  write_images(json, plan);
  json.begin_array("unfinished");
  for (const gc::PlannedPending& pending : plan.pending) {
    json.begin_object();
    json.text("name", pending.name);
    json.end();
  }
  json.end();
  write_packs(json, plan);
  json.number("planned_bytes", plan.bytes);
}

}  // namespace

void print_lines(frame::Call& call, const std::vector<GcLine>& lines) {
  if (call.common.quiet) {
    return;
  }
  std::size_t name_width = 0;
  for (const GcLine& line : lines) {
    name_width = std::max(name_width, escaped(line.name).size());
  }
  for (const GcLine& line : lines) {
    call.report.text() << fmt::format("{:<7} {:<{}} {:>10}  {}\n", line.action, escaped(line.name),
                                      name_width, line.bytes == 0 ? "" : size_text(line.bytes),
                                      escaped(line.why));
  }
}

void report_plan(frame::Call& call, const gc::Plan& plan, bool dry_run) {
  if (call.report.is_json()) {
    write_plan(call.report.json(), plan, dry_run);
    return;
  }
  print_lines(call, lines_of(plan, call.common.verbosity > 0));
  if (call.common.quiet) {
    return;
  }
  if (plan.is_nothing()) {
    call.report.text() << "nothing to do\n";
  } else if (dry_run) {
    call.report.text() << "would free " << size_text(plan.bytes) << '\n';
  }
}

void report_outcome(frame::Call& call, const gc::Plan& plan, const gc::Outcome& outcome,
                    const std::optional<store::Compacted>& compacted) {
  for (const std::string& name : outcome.stayed) {
    call.report.note(escaped(name) + " stays: it has come to be needed since");
  }
  if (outcome.waiting_packs != 0) {
    call.report.note(
        fmt::format("{} packs, {}, stay: somebody reads the store as it was; the next "
                    "img-gc removes them",
                    outcome.waiting_packs, size_text(outcome.waiting_bytes)));
  }
  if (call.report.is_json()) {
    JsonWriter& json = call.report.json();
    json.texts("dropped", outcome.dropped);
    json.texts("stayed", outcome.stayed);
    json.number("rewritten_packs", outcome.rewritten);
    json.number("rewritten_bytes", outcome.rewritten_bytes);
    json.number("freed_bytes", outcome.bytes);
    json.number("waiting_packs", outcome.waiting_packs);
    json.number("waiting_bytes", outcome.waiting_bytes);
    if (compacted) {
      json.number("database_before", compacted->before);
      json.number("database_after", compacted->after);
    }
    return;
  }
  if (call.common.quiet) {
    return;
  }
  if (!plan.is_nothing()) {
    call.report.text() << "freed " << size_text(outcome.bytes) << " of packs";
    if (outcome.rewritten != 0) {
      call.report.text() << ", wrote " << size_text(outcome.rewritten_bytes) << " anew";
    }
    if (!outcome.dropped.empty() && !compacted) {
      call.report.text() << "; the room of records is for new ones (--compact gives it back)";
    }
    call.report.text() << '\n';
  }
  if (compacted) {
    call.report.text() << "database: " << size_text(compacted->before) << " -> "
                       << size_text(compacted->after) << '\n';
  }
}

}  // namespace img::tools
