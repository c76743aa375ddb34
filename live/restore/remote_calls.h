// SPDX-License-Identifier: MIT
// Calls of a plan made by the task that they are for: cut into batches, with the memory that they
// point to beside them on the workbench.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "libimg/base/result.h"
#include "live/arch/x86_64/stub.h"
#include "live/plan/plan.h"
#include "live/restore/task_table.h"
#include "live/trace/remote_call.h"

namespace img::restore {

class RemoteCalls {
 public:
  /// `results`: by slot, of the whole plan.
  RemoteCalls(const plan::Plan& plan, std::vector<std::int64_t>& results)
      : plan_(plan), results_(results) {}

  [[nodiscard]] Result<void> run(MadeTask& task, std::span<const plan::Call> calls, int signal);
  /// One call, outside of the plan; its result is the kernel's.
  [[nodiscard]] Result<std::int64_t> call(MadeTask& task, std::uint64_t number,
                                          std::initializer_list<std::uint64_t> args, int signal,
                                          Bytes data = {});
  /// The stub on the workbench is this task's then, until another one makes calls.
  [[nodiscard]] Result<trace::RemoteCall> begin(MadeTask& task, int signal) const;
  /// Where `data` of call() lies in the task.
  [[nodiscard]] std::uint64_t data_address() const { return bench().data(); }
  [[nodiscard]] trace::Workbench bench() const { return {plan_.workbench}; }

 private:
  [[nodiscard]] Result<void> flush(MadeTask& task, trace::RemoteCall& remote);
  [[nodiscard]] Result<void> check(const MadeTask& task);
  [[nodiscard]] bool add(const plan::Call& call);
  [[nodiscard]] bool place(std::uint32_t data);
  [[nodiscard]] bool is_in_batch(const plan::Value& value) const;
  [[nodiscard]] std::uint64_t value_of(const plan::Value& value) const;
  void start_batch();

  const plan::Plan& plan_;
  std::vector<std::int64_t>& results_;
  std::vector<arch::CallRecord> records_;
  std::vector<const plan::Call*> calls_;
  std::map<std::uint32_t, std::uint32_t> in_batch_;     // slot: record
  std::map<std::uint32_t, std::uint64_t> data_places_;  // DataId: offset
  std::vector<std::byte> data_;
};

}  // namespace img::restore
