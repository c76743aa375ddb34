// SPDX-License-Identifier: MIT
// mems, rss: what is mapped where, and how much of it the image holds.
#include <fmt/core.h>

#include "libimg/base/units.h"
#include "libimg/show/mappings.h"
#include "libimg/show/views.h"
#include "libimg/show/words.h"

namespace img::show {
namespace {

using model::Process;

const std::vector<Column> kMappingColumns = {
    {"start", ""},
    {"end", ""},
    {"", "ADDRESS"},
    {"size", "SIZE", Align::right},
    {"protection", "PROT"},
    {"shared", ""},
    {"", "SHARE"},
    {"present", "IN IMAGE", Align::right, true},
    {"lazy", ""},
    {"parent", "IN PARENT", Align::right, false, false, true},
    {"zero", "ZERO", Align::right, false, false, true},
    {"shared_present", ""},
    {"shared_parent", ""},
    {"", "IN SHARED", Align::right, false, false, true},
    {"kind", ""},
    {"path", ""},
    {"offset", ""},
    {"object", ""},
    {"", "WHAT"}};

void add_mapping(Subject& subject, Page& page, const Mapping& mapping) {
  const std::string path = mapping_path(subject, mapping);
  std::string words = mapping_words(subject, mapping);
  if (!path.empty() && mapping.offset != 0) {
    words += " +" + hex(mapping.offset);
  }
  const bool has_object = mapping.kind == MappingKind::sysv || mapping.kind == MappingKind::memfd ||
                          mapping.kind == MappingKind::shared_anonymous;
  const auto shared = [&](std::uint64_t bytes) {
    return mapping.shared ? Value::size(bytes) : Value::none();
  };
  page.row({Value::hex(mapping.start), Value::hex(mapping.end),
            Value::text(fmt::format("{:012x}-{:012x}", mapping.start, mapping.end)),
            Value::size(mapping.end - mapping.start), Value::text(protection(mapping.protection)),
            Value::yes_no(mapping.is_shared()),
            Value::text(mapping.is_shared() ? "shared" : "private"),
            Value::size(mapping.pages.present), Value::size(mapping.pages.lazy),
            Value::size(mapping.pages.parent), Value::size(mapping.pages.zero),
            shared(mapping.shared_pages.present), shared(mapping.shared_pages.parent),
            shared(mapping.shared_pages.present + mapping.shared_pages.parent),
            Value::text(mapping_kind_name(mapping.kind)),
            path.empty() ? Value::none() : Value::text(path),
            path.empty() ? Value::none() : Value::hex(mapping.offset),
            has_object ? Value::hex(mapping.object) : Value::none(), Value::text(words)});
}

/// What one process keeps where.
struct Residence {
  std::uint64_t mapped = 0;
  PageSums heap;
  PageSums stack;
  PageSums anonymous;
  PageSums file;  // changed pages of privately mapped files
  PageSums other;
  PageSums total;
  std::uint64_t shared = 0;  // of shared objects that it shows, its parents' too
};

void add(PageSums& to, const PageSums& from) {
  to.present += from.present;
  to.lazy += from.lazy;
  to.parent += from.parent;
  to.zero += from.zero;
}

Residence residence_of(Subject& subject, std::uint32_t pid) {
  Residence residence;
  const Mappings mappings = mappings_of(subject, pid);
  for (const Mapping& mapping : mappings.all) {
    residence.mapped += mapping.kind == MappingKind::guard ? 0 : mapping.end - mapping.start;
    PageSums& part = mapping.kind == MappingKind::heap        ? residence.heap
                     : mapping.kind == MappingKind::stack     ? residence.stack
                     : mapping.kind == MappingKind::anonymous ? residence.anonymous
                     : mapping.kind == MappingKind::file      ? residence.file
                                                              : residence.other;
    add(part, mapping.pages);
    add(residence.total, mapping.pages);
    residence.shared += mapping.shared_pages.present + mapping.shared_pages.parent;
  }
  add(residence.other, mappings.outside);
  add(residence.total, mappings.outside);
  return residence;
}

const std::vector<Column> kRssColumns = {{"pid", "PID", Align::right},
                                         {"mapped", "MAPPED", Align::right},
                                         {"heap", "HEAP", Align::right},
                                         {"stack", "STACK", Align::right},
                                         {"anonymous", "ANON", Align::right},
                                         {"file", "FILE", Align::right},
                                         {"other", "OTHER", Align::right},
                                         {"parent", "IN PARENT", Align::right, false, false, true},
                                         {"shared", "SHARED", Align::right, false, false, true},
                                         {"lazy", ""},
                                         {"present", "IN IMAGE", Align::right, true},
                                         {"comm", ""},
                                         {"", "PROCESS", Align::left, false, true}};

void add_residence(Page& page, std::uint32_t pid, const Residence& of, std::string_view name,
                   Branch branch) {
  page.row({Value::count(pid), Value::size(of.mapped), Value::size(of.heap.present),
            Value::size(of.stack.present), Value::size(of.anonymous.present),
            Value::size(of.file.present), Value::size(of.other.present),
            Value::size(of.total.parent), Value::size(of.shared), Value::size(of.total.lazy),
            Value::size(of.total.present), Value::text(name), Value::text(name)},
           branch);
}

void add_shared(Subject& subject, Page& page) {
  static const std::vector<Column> kColumns = {
      {"id", "ID", Align::right},
      {"parent", "IN PARENT", Align::right, false, false, true},
      {"present", "IN IMAGE", Align::right, true}};
  const auto shared = subject.files_of(Kind::pagemap_shmem);
  if (shared.empty() || !subject.choice().pids.empty()) {
    return;
  }
  if (page.is_for_people()) {
    page.begin({}, "Shared memory");
  }
  page.begin_table("shared_memory", kColumns);
  for (const FileKey file : shared) {
    const PageSums sums = sums_of(subject, file);
    page.row({Value::count(file.id), Value::size(sums.parent), Value::size(sums.present)});
  }
  page.end_table();
  if (page.is_for_people()) {
    page.end();
  }
}

}  // namespace

void show_mems(Subject& subject, Page& page) {
  page.begin("mems", "Memory by mapping");
  if (subject.tree().processes().empty()) {
    page.say("No process tree in the image: `memory` shows which pages it holds.");
  }
  page.begin_list("processes");
  subject.walk([&](const Process& process, std::size_t, bool) {
    if (process.is_zombie()) {
      return;
    }
    page.begin({}, subject.title(process));
    page.field("pid", {}, Value::count(process.pid));
    page.field("comm", {}, Value::text(process.comm()));
    const Mappings mappings = mappings_of(subject, process.pid);
    page.begin_table("mappings", kMappingColumns);
    for (const Mapping& mapping : mappings.all) {
      add_mapping(subject, page, mapping);
    }
    page.end_table();
    if (mappings.all.empty()) {
      page.say("(no mappings in the image)");
    }
    const std::uint64_t lost = mappings.outside.present + mappings.outside.parent;
    page.field("outside", lost == 0 ? "" : "outside of all mappings", Value::size(lost));
    page.end();
  });
  page.end();
  page.end();
}

void show_rss(Subject& subject, Page& page) {
  page.begin("rss", "Memory by process");
  page.begin_table("processes", kRssColumns);
  subject.walk([&](const Process& process, std::size_t depth, bool is_last) {
    const Residence residence =
        process.is_zombie() ? Residence() : residence_of(subject, process.pid);
    add_residence(page, process.pid, residence, process.comm(), {depth, is_last});
  });
  // A pre-dump has page maps and no processes.
  for (const FileKey file : subject.files_of(Kind::pagemap)) {
    const auto pid = static_cast<std::uint32_t>(file.id);
    if (subject.tree().find(pid) == nullptr && subject.is_chosen(pid)) {
      add_residence(page, pid, residence_of(subject, pid), {}, {});
    }
  }
  page.end_table();
  add_shared(subject, page);
  page.end();
}

}  // namespace img::show
