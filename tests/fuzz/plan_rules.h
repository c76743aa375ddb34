// SPDX-License-Identifier: MIT
// What holds of every plan that is not refused, whatever image it was made from.
#pragma once

#include <fcntl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>

#include "live/plan/plan.h"
#include "tests/fuzz/fuzz.h"

namespace img::fuzz {

inline bool is_plain(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char one) {
    const auto byte = static_cast<unsigned char>(one);
    return byte < 0x20 || byte == 0x7f;
  });
}
inline void must_be_one_line(const std::string& line) {
  must_hold(!line.empty() && is_plain(line), "an error is one line of plain text");
}
inline void must_be_lines(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  must_hold(is_plain(text), "a plan is printed in plain text");
}

class PlanRules {
 public:
  explicit PlanRules(const plan::Plan& plan) : plan_(plan) {}

  void check() {
    living_.insert(0);
    for (const plan::Step& step : plan_.steps) {
      std::visit([this](const auto& one) { look(one); }, step);
    }
  }

 private:
  void acts(std::uint32_t tid) {
    must_hold(living_.contains(tid), "nobody acts before he is made, or when he is gone");
  }
  void made(plan::Slot slot) {
    must_hold(static_cast<std::uint32_t>(slot) < plan_.slots, "every result has a slot");
    done_.insert(static_cast<std::uint32_t>(slot));
  }
  void used(const plan::Value& value, int depth = 0) {
    if (value.kind == plan::Value::Kind::result) {
      must_hold(done_.contains(value.index), "no result is used before it is there");
    } else if (value.kind == plan::Value::Kind::address) {
      must_hold(value.index < plan_.data.size(), "what is pointed to is there");
      must_hold(depth < 8, "pointers end");
      const plan::Data& data = plan_.data[value.index];
      must_hold(value.number <= data.bytes.size(), "a pointer is into its memory");
      for (const plan::Patch& patch : data.patches) {
        must_hold(patch.offset + patch.bytes <= data.bytes.size(), "a patch fits");
        used(patch.value, depth + 1);
      }
    }
  }
  std::string text(const plan::Value& value) const {
    if (value.kind != plan::Value::Kind::address) {
      return {};
    }
    const auto& bytes = plan_.data.at(value.index).bytes;
    const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return std::string(all.substr(0, all.find('\0')));
  }
  // Of a name that is made or removed on the host, by the restorer.
  void name(const plan::Value& folder, const plan::Value& path) {
    const std::string name = text(path);
    const bool is_below = folder.kind == plan::Value::Kind::result;
    must_hold(is_below ? name.find('/') == std::string::npos : name.starts_with('/'),
              "what is made or removed has its place from the root");
    must_hold(("/" + name + "/").find("/../") == std::string::npos,
              "what is made or removed is where it says");
  }
  void names(const plan::Call& call) {
    const auto& args = call.args;
    switch (call.number) {
      case SYS_mkdirat:
      case SYS_mknodat:
      case SYS_fchownat:
      case SYS_fchmodat:
      case SYS_unlinkat: return name(args[0], args[1]);
      case SYS_symlinkat: return name(args[1], args[2]);
      case SYS_linkat:
      case SYS_renameat2: name(args[0], args[1]); return name(args[2], args[3]);
      case SYS_openat:
        must_hold((args[2].number & O_TRUNC) == 0, "opening a file takes nothing away");
        return (args[2].number & O_CREAT) != 0 ? name(args[0], args[1]) : void();
      default: return;
    }
  }

  void look(const plan::Calls& calls) {
    acts(calls.actor.tid);
    for (const plan::Call& call : calls.calls) {
      for (unsigned i = 0; i < call.arg_count; ++i) {
        used(call.args[i]);
      }
      if (calls.actor.is_restorer()) {
        names(call);
      }
      made(call.slot);
    }
  }
  void look(const plan::Load& one) {
    const auto data = static_cast<std::size_t>(one.data);
    must_hold(data < plan_.data.size() && one.offset + 4 <= plan_.data[data].bytes.size(),
              "what is loaded is in its memory");
    made(one.slot);
  }
  void look(const plan::OpenTerminal& one) { made(one.slot); }
  void look(const plan::MakeStandIn& one) { made(one.slot); }
  void look(const plan::EndStandIn& one) { used(one.slot); }
  void look(const plan::MakeTask& one) {
    acts(one.parent.tid);
    must_hold(living_.insert(one.pid).second, "nobody is made twice");
  }
  void look(const plan::MakeThread& one) {
    acts(one.pid);
    must_hold(living_.insert(one.tid).second, "no thread is made twice");
  }
  void look(const plan::MoveToCgroup& one) {
    acts(one.tid);
    must_hold(one.hierarchy < plan_.hierarchies.size(), "the hierarchy is known");
  }
  void look(const plan::ClearMemory& one) { acts(one.actor.tid); }
  void look(const plan::Fill& one) {
    acts(one.pid);
    for (const plan::Range& range : one.ranges) {
      must_hold(range.start < range.end, "a range has an inside");
    }
  }
  void look(const plan::MakeAioRing& one) { acts(one.actor.tid); }
  void look(const plan::MakeSegment& one) { made(one.file); }
  void look(const plan::FillFile& one) { used(one.file); }
  void look(const plan::CopyPayload& one) { used(one.file); }
  void look(const plan::WriteProc& one) { acts(one.tid); }
  void look(const plan::BecomeZombie& one) {
    acts(one.parent.tid);
    must_hold(living_.erase(one.pid) == 1, "a zombie was a task");
  }
  void look(const plan::EndHelper& one) {
    acts(one.parent.tid);
    must_hold(living_.erase(one.pid) == 1, "a helper was there");
  }
  void look(const plan::ForgetChildren& one) { acts(one.actor.tid); }
  void look(const plan::BeginCall& one) { acts(one.tid); }
  void look(const plan::UseTiles& one) { acts(one.tid); }
  void look(const plan::SetThread& one) { acts(one.tid); }
  void look(const plan::LetGo& one) {
    for (const plan::LetGo::Process& process : one.processes) {
      must_hold(living_.erase(process.pid) == 1, "who is let go was there");
    }
  }

  const plan::Plan& plan_;
  std::set<std::uint32_t> living_;
  std::set<std::uint32_t> done_;
};

inline void must_be_runnable(const plan::Plan& plan) {
  PlanRules(plan).check();
}

}  // namespace img::fuzz
