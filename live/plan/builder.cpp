// SPDX-License-Identifier: MIT
#include "live/plan/builder.h"

#include <fcntl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace img::plan {

void PlanBuilder::refuse(state::Refusal reason) {
  if (refused_.insert(reason.line()).second) {
    plan_.refusals.push_back(std::move(reason));
  }
}

Slot PlanBuilder::call(Actor actor, long number, std::initializer_list<Value> args,
                       std::string what, Tolerate tolerate) {
  Call call;
  call.number = number;
  call.arg_count = static_cast<std::uint8_t>(std::min(args.size(), call.args.size()));
  std::copy_n(args.begin(), call.arg_count, call.args.begin());
  call.slot = new_slot();
  call.on_failure = tolerate.on_failure;
  call.tolerated = tolerate.tolerated;
  made_ = what;
  call.what = std::move(what);
  auto* last = plan_.steps.empty() ? nullptr : std::get_if<Calls>(&plan_.steps.back());
  if (last == nullptr || last->actor != actor) {
    plan_.steps.emplace_back(Calls{actor, {}});
    last = &std::get<Calls>(plan_.steps.back());
  }
  last->calls.push_back(std::move(call));
  return last->calls.back().slot;
}

Slot PlanBuilder::keep(Slot descriptor) {
  const std::string made = made_;
  const Slot kept = call(kRestorer, SYS_fcntl, {descriptor, F_DUPFD_CLOEXEC, base_},
                         made + ": keep it at " + std::to_string(base_) + " or above");
  call(kRestorer, SYS_close, {descriptor}, "close it");
  made_ = made;  // of a pair the second is kept after the first
  note_kept(kept);
  return kept;
}

void PlanBuilder::close(Slot descriptor) {
  call(kRestorer, SYS_close, {descriptor}, "close it");
  const auto kept = std::find(kept_.rbegin(), kept_.rend(), descriptor);
  if (kept != kept_.rend()) {
    kept_.erase(std::next(kept).base());
  }
}

void PlanBuilder::close_kept() {
  for (const Slot kept : std::exchange(kept_, {})) {
    call(kRestorer, SYS_close, {kept}, "close it, as the tree has it now");
  }
}

void PlanBuilder::step(Step step) {
  if (const auto* segment = std::get_if<MakeSegment>(&step)) {
    note_kept(segment->file);
  }
  plan_.steps.push_back(std::move(step));
}

Slot PlanBuilder::load(DataId data, std::uint32_t offset) {
  const Slot slot = new_slot();
  plan_.steps.emplace_back(Load{data, offset, slot});
  return slot;
}

Slot PlanBuilder::open_terminal(std::uint32_t index) {
  const Slot slot = new_slot();
  plan_.steps.emplace_back(OpenTerminal{index, slot});
  note_kept(slot);
  return slot;
}

Slot PlanBuilder::stand_in(std::uint32_t pid) {
  const Slot slot = new_slot();
  plan_.steps.emplace_back(MakeStandIn{pid, slot});
  return slot;
}

DataId PlanBuilder::data(std::size_t bytes) {
  plan_.data.push_back({std::vector<std::byte>(bytes), {}});
  return DataId{static_cast<std::uint32_t>(plan_.data.size() - 1)};
}

DataId PlanBuilder::data(Bytes bytes, std::vector<Patch> patches) {
  plan_.data.push_back({{bytes.begin(), bytes.end()}, std::move(patches)});
  return DataId{static_cast<std::uint32_t>(plan_.data.size() - 1)};
}

DataId PlanBuilder::text(std::string_view text) {
  std::vector<std::byte> bytes(text.size() + 1);
  std::memcpy(bytes.data(), text.data(), text.size());
  plan_.data.push_back({std::move(bytes), {}});
  return DataId{static_cast<std::uint32_t>(plan_.data.size() - 1)};
}

DataId PlanBuilder::own_path(Slot descriptor) {
  constexpr std::string_view kFolder = "/proc/self/fd/";
  constexpr std::size_t kDigits = 11;
  std::vector<std::byte> bytes(kFolder.size() + kDigits);
  std::memcpy(bytes.data(), kFolder.data(), kFolder.size());
  return data(bytes, {{static_cast<std::uint32_t>(kFolder.size()), kDigits, descriptor, true}});
}

void PlanBuilder::expect(Expectation expectation) {
  plan_.expectations.push_back(std::move(expectation));
}

}  // namespace img::plan
