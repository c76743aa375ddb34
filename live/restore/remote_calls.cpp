// SPDX-License-Identifier: MIT
#include "live/restore/remote_calls.h"

#include <algorithm>

#include "live/restore/patching.h"

namespace img::restore {
namespace {

using plan::Call;
using plan::OnFailure;
using plan::Value;

constexpr std::int64_t kLargestErrno = 4095;
constexpr std::size_t kAlignment = 16;

bool is_failure(std::int64_t result) {
  return result < 0 && result >= -kLargestErrno;
}

}  // namespace

Result<trace::RemoteCall> RemoteCalls::begin(MadeTask& task, int signal) const {
  return trace::RemoteCall::begin_on(task.tracee, *task.memory, bench(),
                                     {task.pid, task.tid, signal});
}

Result<std::int64_t> RemoteCalls::call(MadeTask& task, std::uint64_t number,
                                       std::initializer_list<std::uint64_t> args, int signal,
                                       Bytes data) {
  IMG_ASSIGN(trace::RemoteCall remote, begin(task, signal));
  if (!data.empty()) {
    IMG_TRY(task.memory->write(bench().data(), data));
  }
  IMG_ASSIGN(const std::int64_t result, remote.call(number, args));
  task.tracee.drop_signal();
  return result;
}

bool RemoteCalls::is_in_batch(const Value& value) const {
  return value.kind == Value::Kind::result && in_batch_.contains(value.index);
}

std::uint64_t RemoteCalls::value_of(const Value& value) const {
  switch (value.kind) {
    case Value::Kind::number: return value.number;
    case Value::Kind::result:
      return static_cast<std::uint64_t>(results_.at(value.index)) + value.number;
    case Value::Kind::address: return bench().data() + data_places_.at(value.index) + value.number;
  }
  return 0;
}

// Data and all that it points to; false if it has no room, or waits for a result of this batch.
bool RemoteCalls::place(std::uint32_t id) {
  if (data_places_.contains(id)) {
    return true;
  }
  const plan::Data& data = plan_.data.at(id);
  for (const plan::Patch& patch : data.patches) {
    if (is_in_batch(patch.value) ||
        (patch.value.kind == Value::Kind::address && !place(patch.value.index))) {
      return false;
    }
  }
  const std::size_t at = round_up(data_.size(), kAlignment);
  if (at + data.bytes.size() > trace::Workbench::kDataBytes) {
    return false;
  }
  data_.resize(at + std::max<std::size_t>(data.bytes.size(), 1));
  std::copy(data.bytes.begin(), data.bytes.end(), data_.begin() + static_cast<std::ptrdiff_t>(at));
  data_places_.emplace(id, at);
  for (const plan::Patch& patch : data.patches) {
    apply_patch(std::span(data_).subspan(at, data.bytes.size()), patch, value_of(patch.value));
  }
  return true;
}

bool RemoteCalls::add(const Call& call) {
  if (records_.size() >= trace::RemoteCall::kMaxRecords) {
    return false;
  }
  arch::CallRecord record;
  record.call = static_cast<std::uint64_t>(call.number);
  if (call.on_failure == OnFailure::stop) {
    record.call |= arch::kMustSucceed;
  }
  for (unsigned i = 0; i < call.arg_count; ++i) {
    const Value& value = call.args[i];
    if (value.kind == Value::Kind::address && !place(value.index)) {
      return false;
    }
    if (is_in_batch(value)) {
      record.call |= arch::refers(i);
      record.args[i] =
          arch::earlier_result(in_batch_.at(value.index), static_cast<std::uint32_t>(value.number));
    } else {
      record.args[i] = value_of(value);
    }
  }
  in_batch_[static_cast<std::uint32_t>(call.slot)] = static_cast<std::uint32_t>(records_.size());
  records_.push_back(record);
  calls_.push_back(&call);
  return true;
}

void RemoteCalls::start_batch() {
  records_.clear();
  calls_.clear();
  in_batch_.clear();
  data_places_.clear();
  data_.clear();
}

Result<void> RemoteCalls::check(const MadeTask& task) {
  for (std::size_t i = 0; i < records_.size(); ++i) {
    const Call& call = *calls_[i];
    const std::int64_t result = records_[i].result;
    results_.at(static_cast<std::size_t>(call.slot)) = result;
    const bool is_tolerated = call.on_failure == OnFailure::go_on ||
                              (call.on_failure == OnFailure::go_on_if && -result == call.tolerated);
    if (is_failure(result) && !is_tolerated) {
      return fail(
          sys_error(static_cast<int>(-result), "task " + std::to_string(task.id), call.what));
    }
  }
  return {};
}

Result<void> RemoteCalls::flush(MadeTask& task, trace::RemoteCall& remote) {
  if (records_.empty()) {
    return {};
  }
  if (!data_.empty()) {
    IMG_TRY(task.memory->write(bench().data(), data_));
  }
  IMG_TRY(remote.run(records_));
  task.tracee.drop_signal();
  Result<void> checked = check(task);
  start_batch();
  return checked;
}

Result<void> RemoteCalls::run(MadeTask& task, std::span<const Call> calls, int signal) {
  start_batch();
  IMG_ASSIGN(trace::RemoteCall remote, begin(task, signal));
  for (const Call& call : calls) {
    if (add(call)) {
      continue;
    }
    IMG_TRY(flush(task, remote));
    if (!add(call)) {
      return fail(Fault::limit, "task " + std::to_string(task.id), call.what,
                  "it needs more memory than there is for calls");
    }
  }
  return flush(task, remote);
}

}  // namespace img::restore
