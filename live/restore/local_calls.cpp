// SPDX-License-Identifier: MIT
#include "live/restore/local_calls.h"

#include <unistd.h>

#include <array>
#include <cerrno>

#include "live/restore/call_limit.h"
#include "live/restore/patching.h"

namespace img::restore {
namespace {
constexpr int kDeepest = 8;  // pointers in what pointers point to
}

std::uint64_t LocalCalls::value_of(const plan::Value& value, int depth) {
  using Kind = plan::Value::Kind;
  if (value.kind == Kind::number) {
    return value.number;
  }
  if (value.kind == Kind::result) {
    return static_cast<std::uint64_t>(results_.at(value.index)) + value.number;
  }
  plan::Data& data = data_.at(value.index);
  for (const plan::Patch& patch : data.patches) {
    if (depth < kDeepest) {
      apply_patch(data.bytes, patch, value_of(patch.value, depth + 1));
    }
  }
  return reinterpret_cast<std::uint64_t>(data.bytes.data()) + value.number;
}

Result<void> LocalCalls::run(std::span<const plan::Call> calls) {
  const CallLimit limit;
  for (const plan::Call& call : calls) {
    std::array<std::uint64_t, 6> args{};
    for (std::size_t i = 0; i < call.arg_count; ++i) {
      args[i] = value_of(call.args[i], 0);
    }
    limit.begin();
    const long got = ::syscall(call.number, args[0], args[1], args[2], args[3], args[4], args[5]);
    const int why = got < 0 ? errno : 0;
    results_.at(static_cast<std::size_t>(call.slot)) = got < 0 ? -why : got;
    const bool is_tolerated =
        call.on_failure == plan::OnFailure::go_on ||
        (call.on_failure == plan::OnFailure::go_on_if && why == call.tolerated);
    if (why == 0) {
      made_.note(call.number, args);
    }
    if (why == EINTR) {
      return fail(Fault::limit, call.what, "", "it did not come to an end in time");
    }
    if (why != 0 && !is_tolerated) {
      return fail(sys_error(why, call.what, ""));
    }
  }
  return {};
}

Result<void> LocalCalls::load(const plan::Load& load) {
  const plan::Data& data = data_.at(static_cast<std::size_t>(load.data));
  if (load.offset > data.bytes.size() || data.bytes.size() - load.offset < sizeof(int)) {
    return fail(Fault::usage, "plan", "load", "from behind the end of its memory");
  }
  results_.at(static_cast<std::size_t>(load.slot)) = img::load<int>(&data.bytes[load.offset]);
  return {};
}

}  // namespace img::restore
