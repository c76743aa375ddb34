// SPDX-License-Identifier: MIT
// summary, images, stats: the image as a whole.
#include <fmt/core.h>

#include <map>

#include "libimg/show/file_sizes.h"
#include "libimg/show/mappings.h"
#include "libimg/show/views.h"
#include "schema/inventory_generated.h"
#include "schema/stats_generated.h"

namespace img::show {
namespace {

using model::Process;
using model::TaskState;
using schema::FdTypes;

constexpr std::size_t kMostLevels = 10000;

std::string_view origin_words(schema::Origin origin) {
  switch (origin) {
    case schema::Origin::live: return "live dump";
    case schema::Origin::criu_directory: return "CRIU directory";
    case schema::Origin::archive: return "archive";
    case schema::Origin::json: return "JSON";
    case schema::Origin::merge: return "merge";
  }
  return "unknown";
}

Value text_if(const flatbuffers::String* text) {
  return text == nullptr || text->size() == 0 ? Value::none() : Value::text(text->string_view());
}

void add_header(Subject& subject, Page& page) {
  const schema::ImageHeader& header = subject.reader().header();
  page.field("name", "name", text_if(header.name()));
  page.field("series", "series", text_if(header.series()));
  page.field("created", "created",
             header.created_ns() == 0 ? Value::none() : Value::time(header.created_ns()));
  if (const schema::Freeze* freeze = header.freeze()) {
    page.field("frozen_at", "frozen at",
               freeze->realtime_ns() ? Value::time(*freeze->realtime_ns()) : Value::none());
    page.field("host", "host", text_if(freeze->host()));
    page.field("kernel", "kernel", text_if(freeze->kernel()));
    page.field("boot_id", {}, text_if(freeze->boot_id()));
  }
  if (const schema::Provenance* provenance = header.provenance()) {
    page.field("origin", "from", Value::text(origin_words(provenance->origin())));
    page.field("img_version", {}, Value::count(provenance->img_version()));
    page.field("parent_link", "parent", text_if(provenance->parent_link()));
  }
  page.field("page_size", {}, Value::size(header.page_size()));
}

void add_inventory(Subject& subject, Page& page) {
  if (!subject.has({Kind::inventory, 0})) {
    page.field({}, "inventory", Value::text("missing"));
  }
  subject.each<schema::InventoryEntry>({Kind::inventory, 0}, [&](const auto& inventory, auto&) {
    if (inventory.lsmtype() && *inventory.lsmtype() != schema::Lsmtype::NO_LSM) {
      page.field("lsm", "security module",
                 Value::text(schema::EnumNameLsmtype(*inventory.lsmtype())));
    }
    if (inventory.dump_uptime()) {
      page.field("dump_uptime_us", "host up", Value::duration(*inventory.dump_uptime()));
    }
    page.field("pre_dump", "pre-dump",
               inventory.pre_dump_mode() ? Value::yes_no(true) : Value::none());
    page.field("tcp_close", {},
               inventory.tcp_close() ? Value::yes_no(*inventory.tcp_close()) : Value::none());
    page.field("criu_run_id", {}, text_if(inventory.dump_criu_run_id()));
  });
}

void add_processes(Subject& subject, Page& page) {
  std::uint64_t threads = 0;
  std::map<TaskState, std::uint64_t> states;
  const auto processes = subject.tree().processes();
  for (const Process& process : processes) {
    ++states[process.state];
    threads += process.is_zombie() ? 0 : subject.tree().threads(process).size();
  }
  const Process* root = processes.empty() ? nullptr : &processes.front();
  page.field("root_pid", {}, root == nullptr ? Value::none() : Value::count(root->pid));
  page.field("root_comm", {}, root == nullptr ? Value::none() : Value::text(root->comm()));
  page.field({}, "root process",
             root == nullptr ? Value::none() : Value::text(subject.title(*root)));
  if (root != nullptr && subject.choice().command_lines) {
    page.field("command_line", "command", Value::text(subject.command_line(*root)));
  }
  subject.each<schema::CoreEntry>(
      {Kind::core, root == nullptr ? 0 : root->pid}, [&](const schema::CoreEntry& core, auto&) {
        page.field("arch", "architecture", Value::text(schema::EnumNameMarch(core.mtype())));
      });
  std::string words = std::to_string(processes.size());
  const auto add = [&](TaskState state, std::string_view name) {
    words += states[state] == 0 ? "" : fmt::format(", {} {}", states[state], name);
  };
  add(TaskState::stopped, "stopped");
  add(TaskState::zombie, "zombies");
  add(TaskState::unknown, "in no known state");
  page.field("processes", {}, Value::count(processes.size()));
  page.field({}, "processes", Value::text(words));
  page.field("threads", "threads", Value::count(threads));
  page.field("stopped", {}, Value::count(states[TaskState::stopped]));
  page.field("zombies", {}, Value::count(states[TaskState::zombie]));
}

void add_memory(Subject& subject, Page& page) {
  const PageSums own = subject.sizes().pages_of(Kind::pagemap);
  const PageSums shared = subject.sizes().pages_of(Kind::pagemap_shmem);
  page.field("memory", "memory", Value::size(own.present));
  page.field("shared_memory", "shared memory", Value::size(shared.present));
  page.field("parent_memory", own.parent + shared.parent == 0 ? "" : "in the parent",
             Value::size(own.parent + shared.parent));
}

void add_files(Subject& subject, Page& page) {
  std::uint64_t listening = 0;
  std::uint64_t established = 0;
  std::uint64_t sockets = 0;
  for (const model::OpenFile& file : subject.open_files().files()) {
    if (const auto* socket = file.as<schema::InetSkEntry>(FdTypes::INETSK)) {
      constexpr std::uint32_t kTcp = 6;
      listening += socket->proto() == kTcp && socket->state() == 10 ? 1 : 0;
      established += socket->proto() == kTcp && socket->state() == 1 ? 1 : 0;
    }
    sockets += file.type == FdTypes::INETSK || file.type == FdTypes::UNIXSK ||
                       file.type == FdTypes::NETLINKSK || file.type == FdTypes::PACKETSK
                   ? 1
                   : 0;
  }
  const std::size_t files = subject.open_files().files().size();
  const std::size_t ghosts = subject.files_of(Kind::ghost_file).size();
  page.field("open_files", "open files", Value::count(files));
  page.field("sockets", {}, Value::count(sockets));
  page.field("tcp_listening", {}, Value::count(listening));
  page.field("tcp_established", {}, Value::count(established));
  page.field({}, sockets == 0 ? "" : "sockets",
             Value::text(fmt::format("{} (TCP: {} listening, {} established)", sockets, listening,
                                     established)));
  page.field("ghosts", ghosts == 0 ? "" : "ghost files", Value::count(ghosts));
}

Result<std::uint64_t> count_levels(model::ImageReader& reader) {
  std::uint64_t levels = 1;
  model::ImageReader* level = &reader;
  while (levels < kMostLevels) {
    IMG_ASSIGN(level, level->parent());
    if (level == nullptr) {
      break;
    }
    ++levels;
  }
  return levels;
}

}  // namespace

void show_summary(Subject& subject, Page& page) {
  static_cast<void>(subject.sizes());  // brings the tree along
  page.begin("summary", subject.reader().place());
  page.field("place", {}, Value::text(subject.reader().place()));
  add_header(subject, page);
  add_inventory(subject, page);
  add_processes(subject, page);
  add_memory(subject, page);
  add_files(subject, page);
  auto levels = count_levels(subject.reader());
  if (levels) {
    page.field("levels", *levels == 1 ? "" : "levels", Value::count(*levels));
  } else {
    subject.trouble(std::move(levels).error());
  }
  page.field("files", "image files", Value::count(subject.files().size()));
  page.field("bytes", "size", Value::size(subject.sizes().total()));
  page.end();
}

ImageTable::ImageTable(Page& page) : page_(page) {
  static const std::vector<Column> kColumns = {
      {"level", "LEVEL", Align::right},
      {"name", "NAME", Align::left, false, false, true},
      {"processes", "PROCESSES", Align::right},
      {"memory", "MEMORY", Align::right, true},
      {"parent_memory", "IN PARENT", Align::right, false, false, true},
      {"bytes", "SIZE", Align::right},
      {"created", "CREATED", Align::left, false, false, true},
      {"place", "PLACE"}};
  page_.begin("images", "Images");
  page_.begin_table("images", kColumns);
}

void ImageTable::end() {
  page_.end_table();
  page_.end();
}

void ImageTable::add_level(Subject& one, std::uint64_t level) {
  const PageSums sums = one.sizes().pages_of(Kind::pagemap);
  const schema::ImageHeader& header = one.reader().header();
  const std::size_t processes = one.tree().processes().size();
  page_.row({Value::count(level), text_if(header.name()),
             one.has({Kind::pstree, 0}) ? Value::count(processes) : Value::none(),
             Value::size(sums.present), Value::size(sums.parent), Value::size(one.sizes().total()),
             header.created_ns() == 0 ? Value::none() : Value::time(header.created_ns()),
             Value::text(one.reader().place())});
}

void ImageTable::add(Subject& newest) {
  model::ImageReader* reader = &newest.reader();
  for (std::size_t level = 0; reader != nullptr && level < kMostLevels; ++level) {
    if (!listed_.insert(reader->place()).second) {
      return;  // a level of a chain that another image led to
    }
    if (level == 0) {
      add_level(newest, level);
    } else {
      auto one = Subject::open(*reader);
      if (!one) {
        newest.trouble(std::move(one).error());
        return;
      }
      add_level(*one, level);
      for (const Error& error : one->troubles()) {
        newest.trouble(error);
      }
    }
    auto parent = reader->parent();
    if (!parent) {
      newest.trouble(std::move(parent).error());
      return;
    }
    reader = *parent;
  }
}

void show_images(Subject& subject, Page& page) {
  ImageTable table(page);
  table.add(subject);
  table.end();
}

void show_stats(Subject& subject, Page& page) {
  page.begin("stats", "Statistics");
  const std::uint64_t page_size = subject.reader().header().page_size();
  const auto pages = [page_size](std::uint64_t count) {
    return Value::size(std::min(count, UINT64_MAX / page_size) * page_size);
  };
  bool any = false;
  subject.each<schema::StatsEntry>({Kind::stats_dump, 0}, [&](const auto& stats, auto&) {
    const schema::DumpStatsEntry* dump = stats.dump();
    if (dump == nullptr) {
      return;
    }
    any = true;
    page.begin("dump", "Dump");
    page.field("freezing_us", "until frozen", Value::duration(dump->freezing_time()));
    page.field("frozen_us", "frozen", Value::duration(dump->frozen_time()));
    page.field("memdump_us", "draining memory", Value::duration(dump->memdump_time()));
    page.field("memwrite_us", "writing memory", Value::duration(dump->memwrite_time()));
    page.field("scanned", "memory looked at", pages(dump->pages_scanned()));
    page.field("skipped_parent", "left to the parent", pages(dump->pages_skipped_parent()));
    page.field("written", "memory written", pages(dump->pages_written()));
    page.field("lazy", "of it lazy", pages(dump->pages_lazy()));
    if (dump->shpages_written()) {
      page.field("shared_written", "shared memory written", pages(*dump->shpages_written()));
    }
    page.end();
  });
  subject.each<schema::StatsEntry>({Kind::stats_restore, 0}, [&](const auto& stats, auto&) {
    const schema::RestoreStatsEntry* restore = stats.restore();
    if (restore == nullptr) {
      return;
    }
    any = true;
    page.begin("restore", "Restore");
    page.field("forking_us", "forking", Value::duration(restore->forking_time()));
    page.field("restore_us", "restoring", Value::duration(restore->restore_time()));
    page.field("compared", "memory compared", pages(restore->pages_compared()));
    page.field("skipped_cow", "equal to the parent's", pages(restore->pages_skipped_cow()));
    if (restore->pages_restored()) {
      page.field("restored", "memory restored", pages(*restore->pages_restored()));
    }
    page.end();
  });
  if (!any) {
    page.say("No statistics in the image.");
  }
  page.end();
}

}  // namespace img::show
