// SPDX-License-Identifier: MIT
#include "live/plan/print.h"

#include <sys/syscall.h>

#include <algorithm>

#include "libimg/base/text.h"
#include "libimg/base/units.h"
#include "libimg/model/file_name.h"

namespace img::plan {
namespace {

constexpr std::size_t kMostText = 60;
constexpr std::uint64_t kSmall = 4096;  // larger numbers are read better in hexadecimal

template <class... Each>
struct Overloaded : Each... {
  using Each::operator()...;
};
template <class... Each>
Overloaded(Each...) -> Overloaded<Each...>;

std::string slot_text(Slot slot) {
  return "%" + std::to_string(static_cast<std::uint32_t>(slot));
}

std::string number_text(std::uint64_t number) {
  const auto negative = static_cast<std::int64_t>(number);
  if (negative < 0 && negative > -static_cast<std::int64_t>(kSmall)) {
    return std::to_string(negative);
  }
  return number < kSmall ? std::to_string(number) : hex(number);
}

bool is_text(const Data& data) {
  if (data.bytes.size() < 2 || !data.patches.empty() || data.bytes.back() != std::byte{0}) {
    return false;
  }
  return std::none_of(data.bytes.begin(), data.bytes.end() - 1, [](std::byte one) {
    return one < std::byte{0x20} || one == std::byte{0x7f};
  });
}

std::string data_text(const Data& data) {
  if (data.patches.size() == 1 && data.patches[0].is_decimal) {
    return "\"" + escaped(as_text(Bytes(data.bytes).first(data.patches[0].offset)), kMostText) +
           slot_text(Slot{data.patches[0].value.index}) + "\"";
  }
  if (is_text(data)) {
    return "\"" + escaped(as_text(Bytes(data.bytes).first(data.bytes.size() - 1)), kMostText) +
           "\"";
  }
  return "{" + std::to_string(data.bytes.size()) + " bytes}";
}

std::string value_text(const Plan& plan, const Value& value) {
  const std::string addend = value.number == 0 ? "" : "+" + number_text(value.number);
  switch (value.kind) {
    case Value::Kind::number: return number_text(value.number);
    case Value::Kind::result: return slot_text(Slot{value.index}) + addend;
    case Value::Kind::address: return data_text(plan.data.at(value.index)) + addend;
  }
  return {};
}

std::string actor_text(Actor actor) {
  return actor.is_restorer() ? "restorer" : std::to_string(actor.tid);
}

void print_call(std::ostream& out, const Plan& plan, Actor actor, const Call& call) {
  out << actor_text(actor) << ' ' << call_name(call.number) << '(';
  for (std::size_t i = 0; i < call.arg_count; ++i) {
    out << (i == 0 ? "" : ", ") << value_text(plan, call.args[i]);
  }
  out << ") = " << slot_text(call.slot);
  if (call.on_failure == OnFailure::go_on) {
    out << " or not";
  } else if (call.on_failure == OnFailure::go_on_if) {
    out << " or -" << call.tolerated;
  }
  out << "  # " << escaped(call.what) << '\n';
}

}  // namespace

std::string call_name(long number) {
  switch (number) {
#define IMG_CALL(name) \
  case SYS_##name:     \
    return #name;
#include "live/plan/call_names.inc"
#undef IMG_CALL
    default: return "syscall " + std::to_string(number);
  }
}

void print_step(std::ostream& out, const Plan& plan, const Step& step) {
  std::visit(
      Overloaded{
          [&](const Calls& one) {
            for (const Call& call : one.calls) {
              print_call(out, plan, one.actor, call);
            }
          },
          [&](const OpenTerminal& one) {
            out << "restorer open terminal " << one.index << " = " << slot_text(one.slot) << '\n';
          },
          [&](const MakeStandIn& one) {
            out << "restorer make a stand-in with pid " << one.pid << " = " << slot_text(one.slot)
                << '\n';
          },
          [&](const EndStandIn& one) {
            out << "restorer end stand-in " << slot_text(one.slot) << '\n';
          },
          [&](const Load& one) {
            out << "restorer load(" << data_text(plan.data.at(static_cast<std::size_t>(one.data)))
                << " at " << one.offset << ") = " << slot_text(one.slot) << '\n';
          },
          [&](const MakeTask& one) {
            out << actor_text(one.parent) << " make task " << one.pid;
            out << (one.is_helper ? " (helper)" : "") << ", flags " << hex(one.flags) << '\n';
          },
          [&](const MakeThread& one) { out << one.pid << " make thread " << one.tid << '\n'; },
          [&](const ClearMemory& one) {
            out << actor_text(one.actor) << " unmap everything but " << hex(plan.workbench) << '\n';
          },
          [&](const Fill& one) {
            out << one.pid << (one.is_inherited ? " fill changed memory in " : " fill memory in ")
                << one.ranges.size() << " ranges\n";
          },
          [&](const MoveToCgroup& one) {
            const auto& controllers = plan.hierarchies.at(one.hierarchy).controllers;
            out << "restorer move " << one.tid << (one.is_thread ? " alone" : "") << " to cgroup "
                << escaped(one.path) << " of "
                << (controllers.empty() ? "" : escaped(controllers.front())) << '\n';
          },
          [&](const MakeAioRing& one) {
            out << actor_text(one.actor) << " io_setup(" << one.requests << ") at "
                << hex(one.start) << '\n';
          },
          [&](const MakeSegment& one) {
            out << "restorer make shared memory of " << one.bytes
                << " bytes = " << slot_text(one.file) << '\n';
          },
          [&](const FillFile& one) {
            out << "restorer fill " << slot_text(one.file) << " from "
                << model::image_file_name(one.pagemap) << ", " << one.bytes << " bytes\n";
          },
          [&](const CopyPayload& one) {
            out << "restorer copy " << model::image_file_name(one.record.file) << " record "
                << one.record.seq << " to " << slot_text(one.file) << "  # " << escaped(one.what)
                << '\n';
          },
          [&](const WriteProc& one) {
            out << "restorer write \"" << escaped(one.text) << "\" to /proc/" << one.tid << '/'
                << one.file << '\n';
          },
          [&](const BecomeZombie& one) {
            out << one.pid << " end with status " << hex(one.exit_code) << ", a zombie of "
                << actor_text(one.parent) << '\n';
          },
          [&](const EndHelper& one) {
            out << one.pid << " end, reaped by " << actor_text(one.parent) << '\n';
          },
          [&](const ForgetChildren& one) { out << actor_text(one.actor) << " forget SIGCHLD\n"; },
          [&](const BeginCall& one) {
            out << one.tid << " begin system call " << one.number << " for the rest of its time\n";
          },
          [&](const UseTiles& one) { out << one.tid << " use AMX tiles\n"; },
          [&](const SetThread& one) {
            if (one.dispatch) {
              out << one.tid << " dispatch system calls by the byte at "
                  << hex(one.dispatch->selector) << '\n';
            }
            out << one.tid << " registers: ip " << hex(one.state.registers.ip) << ", sp "
                << hex(one.state.registers.sp) << ", mask " << hex(one.mask) << '\n';
          },
          [&](const LetGo& one) {
            for (const LetGo::Process& process : one.processes) {
              out << process.pid
                  << (process.stop_signal == 0
                          ? " go on"
                          : " stop by signal " + std::to_string(process.stop_signal))
                  << '\n';
            }
          },
      },
      step);
}

void print(std::ostream& out, const Plan& plan) {
  for (const Step& step : plan.steps) {
    print_step(out, plan, step);
  }
  for (const std::string& note : plan.notes) {
    out << "# " << escaped(note) << '\n';
  }
}

}  // namespace img::plan
