// SPDX-License-Identifier: MIT
#include "libimg/show/settings_words.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "schema/settings_generated.h"

namespace img::show {
namespace {

using Words = flatbuffers::Vector<std::uint64_t>;

constexpr std::size_t kShownThreads = 8;
constexpr std::size_t kMostBits = 65536;
constexpr std::uint32_t kIoClassShift = 13;

void add(std::string& to, const std::string& text) {
  to += (to.empty() ? "" : ", ") + text;
}

/// "0-3,7"
std::string numbers(const Words& words) {
  std::string out;
  const std::size_t bits = std::min<std::size_t>(std::size_t{64} * words.size(), kMostBits);
  const auto has = [&](std::size_t bit) {
    return bit < bits &&
           (words.Get(static_cast<flatbuffers::uoffset_t>(bit / 64)) >> bit % 64 & 1) != 0;
  };
  for (std::size_t at = 0; at < bits; ++at) {
    if (!has(at)) {
      continue;
    }
    std::size_t last = at;
    while (has(last + 1)) {
      ++last;
    }
    out += out.empty() ? "" : ",";
    out += last == at ? std::to_string(at) : fmt::format("{}-{}", at, last);
    at = last;
  }
  return out;
}

std::string io_priority(std::uint32_t value) {
  constexpr const char* kClasses[] = {"none", "realtime", "best-effort", "idle"};
  const std::uint32_t kind = value >> kIoClassShift;
  const std::uint32_t level = value & ((1U << kIoClassShift) - 1);
  return kind < std::size(kClasses) ? fmt::format("{} {}", kClasses[kind], level)
                                    : fmt::format("{:#x}", value);
}

std::string dispatch_words(const schema::UserDispatch& dispatch) {
  std::string out = "system calls dispatched to itself";
  out += dispatch.selector() != 0 ? fmt::format(" by the byte at {:#x}", dispatch.selector()) : "";
  return out + (dispatch.bytes() != 0 ? fmt::format(", except from {:#x} on {} bytes",
                                                    dispatch.offset(), dispatch.bytes())
                                      : "");
}

std::string thread_words(const schema::ThreadSettings& from) {
  std::string out;
  if (from.cpus() != nullptr) {
    add(out, "CPUs " + numbers(*from.cpus()));
  }
  if (const auto priority = from.io_priority()) {
    add(out, "I/O priority " + io_priority(*priority));
  }
  if (const auto slack = from.timer_slack()) {
    add(out, fmt::format("timer slack {} ns", *slack));
  }
  if (const auto* policy = from.memory_policy()) {
    add(out, fmt::format("memory policy {:#x}", policy->mode()));
    if (policy->nodes() != nullptr) {
      out += " of nodes " + numbers(*policy->nodes());
    }
  }
  if (from.user_dispatch() != nullptr) {
    add(out, dispatch_words(*from.user_dispatch()));
  }
  if (from.speculation() != nullptr) {
    add(out, "speculation restricted");
  }
  if (const auto tsc = from.tsc()) {
    add(out, fmt::format("time stamp counter {}", *tsc));
  }
  if (const auto kill = from.machine_check_kill()) {
    add(out, fmt::format("machine checks {}", *kill));
  }
  if (from.io_flusher()) {
    add(out, "I/O flusher");
  }
  if (from.cpuid_faults()) {
    add(out, "CPUID is a fault");
  }
  if (from.xstate() != nullptr) {
    add(out, "AMX tiles in use");
  }
  return out;
}

std::string process_words(const schema::TaskSettings& from) {
  std::string out;
  if (const auto filter = from.core_filter()) {
    add(out, fmt::format("core filter {:#x}", *filter));
  }
  if (const auto nice = from.autogroup_nice()) {
    add(out, fmt::format("autogroup nice {}", *nice));
  }
  if (from.lock_future() != 0) {
    add(out, "new mappings are locked");
  }
  if (from.write_or_execute() != 0) {
    add(out, "nothing written becomes executable");
  }
  if (from.memory_merge()) {
    add(out, "equal pages are merged");
  }
  if (from.xstate_permitted() != 0) {
    add(out, "may use AMX");
  }
  if (const auto signal = from.exit_signal()) {
    add(out, fmt::format("its end is told by signal {}", *signal));
  }
  return out;
}

}  // namespace

std::vector<std::string> settings_words(Subject& subject, std::uint32_t pid) {
  std::vector<std::string> out;
  const FileKey file{Kind::settings, pid};
  if (!subject.has(file)) {
    return out;
  }
  std::map<std::string, std::vector<std::uint32_t>> threads;
  subject.each<schema::TaskSettings>(file, [&](const schema::TaskSettings& settings, auto&) {
    if (std::string words = process_words(settings); !words.empty()) {
      out.push_back(std::move(words));
    }
    for (const schema::ThreadSettings* thread : *settings.threads()) {
      threads[thread_words(*thread)].push_back(thread->tid());
    }
  });
  for (const auto& [words, tids] : threads) {
    if (words.empty()) {
      continue;
    }
    std::string who = tids.size() == 1 ? "thread" : "threads";
    for (std::size_t i = 0; i < std::min(tids.size(), kShownThreads); ++i) {
      who += fmt::format(" {}", tids[i]);
    }
    who +=
        tids.size() > kShownThreads ? fmt::format(" and {} more", tids.size() - kShownThreads) : "";
    out.push_back(fmt::format("{}: {}", who, words));
  }
  return out;
}

}  // namespace img::show
