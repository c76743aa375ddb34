// SPDX-License-Identifier: MIT
// ps, tree, zombies, env: who runs, and how.
#include <fmt/core.h>

#include "libimg/base/text.h"
#include "libimg/show/dot.h"
#include "libimg/show/settings_words.h"
#include "libimg/show/views.h"
#include "libimg/show/words.h"

namespace img::show {
namespace {

using model::Process;
using model::TaskState;

constexpr std::size_t kDrawnThreads = 32;

std::string_view state_name(TaskState state) {
  switch (state) {
    case TaskState::alive: return "alive";
    case TaskState::zombie: return "zombie";
    case TaskState::stopped: return "stopped";
    case TaskState::unknown: break;
  }
  return "unknown";
}

/// What more there is to say of a state; may be empty.
std::string state_detail(const Process& process) {
  if (process.is_zombie()) {
    return wait_status_words(process.exit_code);
  }
  if (process.state == TaskState::stopped && process.stop_signal != 0) {
    return signal_name(process.stop_signal);
  }
  if (process.state == TaskState::unknown) {
    return process.has_core ? fmt::format("state {}", process.task_state) : "no core image";
  }
  return {};
}

std::string state_words(const Process& process) {
  const std::string detail = state_detail(process);
  const std::string name(state_name(process.state));
  return detail.empty() ? name : name + ", " + detail;
}

struct CoreFacts {
  std::optional<std::uint32_t> uid;
  std::string comm;
};

CoreFacts core_facts(Subject& subject, std::uint32_t tid) {
  CoreFacts facts;
  subject.each<schema::CoreEntry>({Kind::core, tid}, [&](const schema::CoreEntry& core, auto&) {
    const schema::ThreadCoreEntry* thread = core.thread_core();
    if (thread != nullptr && thread->creds() != nullptr) {
      facts.uid = thread->creds()->uid();
    }
    if (thread != nullptr && thread->comm() != nullptr) {
      facts.comm = thread->comm()->str();
    }
  });
  return facts;
}

const std::vector<Column> kPsColumns = {
    {"pid", "PID", Align::right},
    {"ppid", "PPID", Align::right},
    {"pgid", "PGID", Align::right},
    {"sid", "SID", Align::right},
    {"uid", "UID", Align::right},
    {"threads", "THREADS", Align::right},
    {"state", ""},
    {"exit_status", ""},
    {"stop_signal", ""},
    {"", "STATE"},
    {"comm", ""},
    {"command_line", ""},
    {"arguments", ""},
    {"thread_ids", ""},
    {"thread_names", ""},
    {"environment", ""},
    {"settings", ""},
    {"", "COMMAND", Align::left, false, true},
};

struct Threads {
  std::vector<std::uint64_t> ids;
  std::vector<std::string> names;
};

/// Of the threads that the text draws, and all of them for programs.
Threads threads_of(Subject& subject, const Process& process) {
  Threads threads;
  const auto tids = subject.tree().threads(process);
  if (process.is_zombie() || tids.size() < 2) {
    return threads;
  }
  for (const std::uint32_t tid : tids) {
    threads.ids.push_back(tid);
    threads.names.push_back(core_facts(subject, tid).comm);
  }
  return threads;
}

void add_thread_rows(Page& page, const Threads& threads, std::size_t depth, bool has_children) {
  const std::size_t drawn = std::min(threads.ids.size(), kDrawnThreads);
  const auto row = [&](const Value& tid, const std::string& name, bool is_last) {
    std::vector<Value> cells(kPsColumns.size());
    cells.front() = tid;
    cells.back() = Value::text(name);
    page.row(std::move(cells), {depth + 1, is_last && !has_children});
  };
  for (std::size_t index = 1; index < drawn; ++index) {
    row(Value::count(threads.ids[index]), "{" + threads.names[index] + "}",
        index + 1 == threads.ids.size());
  }
  if (drawn < threads.ids.size()) {
    row(Value::none(), fmt::format("{{{} more threads}}", threads.ids.size() - drawn), true);
  }
}

// For people below its line, as threads are.
void add_setting_rows(Page& page, const std::vector<std::string>& settings, std::size_t depth,
                      bool has_more) {
  for (const std::string& one : settings) {
    std::vector<Value> cells(kPsColumns.size());
    cells.back() = Value::text("(" + one + ")");
    page.row(std::move(cells), {depth + 1, &one == &settings.back() && !has_more});
  }
}

void add_process(Subject& subject, Page& page, const Process& process, const Threads& threads,
                 const std::vector<std::string>& settings, Branch branch) {
  const bool zombie = process.is_zombie();
  const CoreFacts facts = zombie ? CoreFacts() : core_facts(subject, process.pid);
  const bool has_lines = subject.choice().command_lines && !zombie;
  std::vector<std::string> arguments;
  std::string line;
  if (has_lines) {
    arguments = subject.arguments(process.pid);
    line = joined(process, arguments);
  }
  const std::string name =
      zombie ? std::string(process.comm()) + " <defunct>" : std::string(process.comm());
  const std::size_t count = zombie ? 0 : subject.tree().threads(process).size();
  page.row({Value::count(process.pid), Value::count(process.ppid), Value::count(process.pgid),
            Value::count(process.sid), facts.uid ? Value::count(*facts.uid) : Value::none(),
            Value::count(count), Value::text(state_name(process.state)),
            zombie ? Value::count(process.exit_code) : Value::none(),
            process.stop_signal != 0 ? Value::count(process.stop_signal) : Value::none(),
            Value::text(state_words(process)), Value::text(process.comm()),
            has_lines ? Value::text(line) : Value::none(),
            has_lines ? Value::list(std::move(arguments)) : Value::none(),
            threads.ids.empty() ? Value::none() : Value::numbers(threads.ids),
            threads.ids.empty() ? Value::none() : Value::list(threads.names),
            subject.choice().environments && !zombie ? Value::list(subject.environment(process.pid))
                                                     : Value::none(),
            settings.empty() ? Value::none() : Value::list(settings),
            Value::text(has_lines ? line : name)},
           branch);
}

void say_no_processes(Subject& subject, Page& page) {
  if (subject.tree().processes().empty()) {
    page.say(subject.has({Kind::pstree, 0})
                 ? "No processes could be read."
                 : "No process tree (pstree.img): a pre-dump holds only memory.");
  }
}

}  // namespace

void show_ps(Subject& subject, Page& page) {
  page.begin("ps", "Processes");
  say_no_processes(subject, page);
  // Thread rows are for people only; in JSON each process is one object.
  page.begin_table("processes", kPsColumns);
  subject.walk([&](const Process& process, std::size_t depth, bool is_last) {
    const Threads threads = threads_of(subject, process);
    const std::vector<std::string> settings = settings_words(subject, process.pid);
    add_process(subject, page, process, threads, settings, {depth, is_last});
    if (!page.is_for_people()) {
      return;
    }
    const bool has_children =
        subject.choice().pids.empty() && process.first_child != Process::kNone;
    add_setting_rows(page, settings, depth, has_children || !threads.ids.empty());
    if (!threads.ids.empty()) {
      add_thread_rows(page, threads, depth, has_children);
    }
  });
  page.end_table();
  if (subject.choice().environments && page.is_for_people()) {
    show_env(subject, page);
  }
  page.end();
}

void show_tree(Subject& subject, Page& page) {
  static const std::vector<Column> kColumns = {
      {"pid", ""},   {"ppid", ""},  {"comm", ""},
      {"state", ""}, {"depth", ""}, {"", "PROCESS TREE", Align::left, false, true}};
  page.begin("tree");
  say_no_processes(subject, page);
  page.begin_table("processes", kColumns);
  subject.walk([&](const Process& process, std::size_t depth, bool is_last) {
    const bool lines = subject.choice().command_lines && !process.is_zombie();
    std::string text = lines ? fmt::format("{} {}", process.pid, subject.command_line(process))
                             : subject.title(process);
    if (process.state != TaskState::alive) {
      text += " (" + state_words(process) + ")";
    }
    const std::size_t threads = process.is_zombie() ? 0 : subject.tree().threads(process).size();
    if (threads > 1) {
      text += fmt::format(" [{} threads]", threads);
    }
    page.row({Value::count(process.pid), Value::count(process.ppid), Value::text(process.comm()),
              Value::text(state_name(process.state)), Value::count(depth), Value::text(text)},
             {depth, is_last});
  });
  page.end_table();
  page.end();
}

void show_zombies(Subject& subject, Page& page) {
  static const std::vector<Column> kColumns = {{"pid", "PID", Align::right},
                                               {"ppid", "PPID", Align::right},
                                               {"pgid", "PGID", Align::right},
                                               {"sid", "SID", Align::right},
                                               {"comm", "NAME"},
                                               {"exit_status", ""},
                                               {"ended", "ENDED"},
                                               {"parent", "PARENT"}};
  page.begin("zombies", "Zombies");
  bool any = false;
  page.begin_table("zombies", kColumns);
  subject.walk([&](const Process& process, std::size_t, bool) {
    if (!process.is_zombie()) {
      return;
    }
    any = true;
    const Process* parent = subject.tree().parent(process);
    page.row({Value::count(process.pid), Value::count(process.ppid), Value::count(process.pgid),
              Value::count(process.sid), Value::text(process.comm()),
              Value::count(process.exit_code), Value::text(wait_status_words(process.exit_code)),
              parent == nullptr ? Value::none() : Value::text(parent->comm())});
  });
  page.end_table();
  if (!any) {
    page.say("No zombies.");
  }
  page.end();
}

void show_env(Subject& subject, Page& page) {
  page.begin("env");
  page.begin_list("processes");
  subject.walk([&](const Process& process, std::size_t, bool) {
    if (process.is_zombie()) {
      return;
    }
    page.begin({}, "Environment of " + subject.title(process));
    page.field("pid", {}, Value::count(process.pid));
    page.field("comm", {}, Value::text(process.comm()));
    std::vector<std::string> variables = subject.environment(process.pid);
    for (const std::string& variable : variables) {
      page.say(variable);
    }
    if (variables.empty()) {
      page.say("(empty, or its memory is not in this image)");
    }
    page.field("variables", {}, Value::list(std::move(variables)));
    page.end();
  });
  page.end();
  page.end();
}

std::string tree_as_dot(Subject& subject) {
  const auto quoted = [](std::string_view text) {
    std::string out;
    for (const char c : text) {
      out += c == '"' || c == '\\' ? std::string(1, '\\') + c : std::string(1, c);
    }
    return out;
  };
  std::string dot = "digraph processes {\n  node [shape=box];\n";
  subject.walk([&](const Process& process, std::size_t, bool) {
    const std::string name = subject.choice().command_lines && !process.is_zombie()
                                 ? subject.command_line(process)
                                 : std::string(process.comm());
    dot += fmt::format("  p{0} [label=\"{0}\\n{1}\"{2}];\n", process.pid, quoted(escaped(name)),
                       process.is_zombie()                   ? ", style=dashed"
                       : process.state == TaskState::stopped ? ", style=dotted"
                                                             : "");
    const Process* parent = subject.tree().parent(process);
    if (parent != nullptr && subject.is_chosen(parent->pid)) {
      dot += fmt::format("  p{} -> p{};\n", parent->pid, process.pid);
    }
  });
  return dot + "}\n";
}

}  // namespace img::show
