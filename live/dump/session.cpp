// SPDX-License-Identifier: MIT
#include "live/dump/session.h"

#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "libimg/base/file.h"
#include "live/dump/destination.h"
#include "live/dump/ending.h"
#include "live/dump/preflight.h"
#include "live/dump/snapshot.h"
#include "live/procfs/proc_dir.h"
#include "schema/image_generated.h"

namespace img::dump {
namespace {

using trace::Clock;

std::uint64_t microseconds_since(Clock::time_point from) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - from).count());
}

/// Where and on what this runs: asked before anything stops.
struct HostFacts {
  std::string boot_id;
  std::string host;
  std::string kernel;

  static HostFacts read() {
    HostFacts out;
    utsname names{};
    if (::uname(&names) == 0) {
      out.host = names.nodename;
      out.kernel = names.release;
    }
    const UniqueFd fd(::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
    char text[64];
    const ssize_t got = fd.is_open() ? ::read(fd.get(), text, sizeof text) : -1;
    out.boot_id.assign(text, got > 0 ? static_cast<std::size_t>(got) - 1 : 0);
    return out;
  }
};

class Session {
 public:
  explicit Session(const Request& request) : request_(request), host_(HostFacts::read()) {}

  Result<Outcome> run();

 private:
  [[nodiscard]] Result<bool> is_refused();
  [[nodiscard]] Result<void> freeze();
  [[nodiscard]] Result<void> take_refusal(const Error& error);
  [[nodiscard]] Result<void> write(TreeDump& dump);
  [[nodiscard]] Result<void> copy(MemoryWriter& memory, TreeDump& dump);
  [[nodiscard]] Result<void> take_snapshots(TreeDump& dump);
  [[nodiscard]] Result<void> end_tree();
  void count(TreeDump& dump);
  void put_header();
  [[nodiscard]] Result<void> check_stop() const {
    return request_.stop != nullptr && *request_.stop != 0
               ? Result<void>(fail(Fault::gone, "dump", "ended by a signal"))
               : Result<void>();
  }

  const Request& request_;
  HostFacts host_;
  std::optional<Destination> destination_;
  trace::FrozenTree tree_;
  std::optional<Snapshots> snapshots_;
  FreezeClocks clocks_;
  Clock::time_point stopped_at_;
  flatbuffers::FlatBufferBuilder header_;
  flatbuffers::FlatBufferBuilder provenance_;
  Outcome out_;
};

Result<bool> Session::is_refused() {
  IMG_ASSIGN(out_.refusals, reasons_against({request_.root, request_.store, request_.freeze_cgroup,
                                             request_.options.shell_job}));
  return !out_.refusals.empty();
}

Result<void> Session::freeze() {
  trace::FreezeOptions options;
  options.timeout = request_.timeout;
  options.suspend_seccomp = true;
  options.cgroup = request_.freeze_cgroup;
  const Clock::time_point begin = Clock::now();
  IMG_ASSIGN(tree_, trace::freeze_tree(request_.root, options));
  stopped_at_ = Clock::now();
  out_.stats.freezing_us = microseconds_since(begin);
  clocks_ = read_clocks();
  return {};
}

// What ended a step may be a reason like those that only were noted down.
Result<void> Session::take_refusal(const Error& error) {
  auto refused = state::as_refusal(error);
  if (!refused) {
    return fail(error);
  }
  out_.refusals.push_back(std::move(*refused));
  return {};
}

void Session::count(TreeDump& dump) {
  for (const trace::FrozenProcess& process : tree_.processes) {
    out_.zombies += process.state == trace::TaskState::zombie ? 1 : 0;
  }
  out_.processes = tree_.processes.size();
  out_.tasks = tree_.tasks();
  out_.memory_bytes = dump.memory_bytes();
  out_.record_bytes = dump.record_bytes();
  out_.refusals = dump.remarks().refusals();
  out_.notes = dump.remarks().notes();
}

void Session::put_header() {
  const auto boot_id = header_.CreateString(host_.boot_id);
  const auto host = header_.CreateString(host_.host);
  const auto kernel = header_.CreateString(host_.kernel);
  schema::FreezeBuilder out(header_);
  out.add_realtime_ns(clocks_.realtime_ns);
  out.add_monotonic_ns(clocks_.monotonic_ns);
  out.add_boottime_ns(clocks_.boottime_ns);
  out.add_boot_id(boot_id);
  out.add_host(host);
  out.add_kernel(kernel);
  header_.Finish(out.Finish());
  store::HeaderDraft& draft = destination_->image().header();
  draft.freeze = flatbuffers::GetRoot<schema::Freeze>(header_.GetBufferPointer());
  const auto writer = provenance_.CreateString(request_.writer);
  const schema::Id128 no_digest{};
  schema::ProvenanceBuilder from(provenance_);
  from.add_origin(schema::Origin::live);
  from.add_digest(&no_digest);
  from.add_writer(writer);
  provenance_.Finish(from.Finish());
  draft.provenance = flatbuffers::GetRoot<schema::Provenance>(provenance_.GetBufferPointer());
}

Result<void> Session::copy(MemoryWriter& memory, TreeDump& dump) {
  if (request_.deduplicate) {
    return memory.copy_deduplicated();
  }
  IMG_TRY(memory.place());
  if (request_.afterwards != Afterwards::leave_running) {
    return memory.copy(request_.threads, Part::all);
  }
  IMG_TRY(memory.copy(request_.threads, Part::not_cloned));
  IMG_TRY(take_snapshots(dump));
  IMG_TRY(memory.copy(request_.threads, Part::cloned));
  snapshots_.reset();
  return {};
}

// From here on the snapshots hold what the tree held, and it goes on.
Result<void> Session::take_snapshots(TreeDump& dump) {
  // The clones are orphans, and would be seen and waited for by such a process.
  if (dump.has_subreaper()) {
    out_.notes.push_back("no snapshot of a tree with a subreaper: it stood still for the copy");
    return {};
  }
  IMG_ASSIGN(auto taken, Snapshots::take(tree_, dump.spaces()));
  if (!taken) {
    out_.notes.push_back("no snapshot of its memory could be made: it stood still for the copy");
    return {};
  }
  snapshots_ = std::move(*taken);
  out_.has_snapshot = true;
  out_.stats.frozen_us = microseconds_since(stopped_at_);
  tree_ = {};
  if (request_.tree_goes_on) {
    request_.tree_goes_on();
  }
  return {};
}

Result<void> Session::write(TreeDump& dump) {
  model::StoreImageWriter& image = destination_->image();
  MemoryWriter memory(image, dump.spaces(), request_.stop, request_.copied);
  const Clock::time_point begin = Clock::now();
  IMG_TRY(copy(memory, dump));
  IMG_TRY(memory.finish());
  out_.stats.memory_us = microseconds_since(begin);
  IMG_TRY(dump.write_records(image));
  if (!out_.has_snapshot) {
    out_.stats.frozen_us = microseconds_since(stopped_at_);
  }
  const DumpStats& pages = dump.stats();
  out_.stats.pages_scanned = pages.pages_scanned;
  out_.stats.pages_written = pages.pages_written;
  out_.stats.shared_pages_scanned = pages.shared_pages_scanned;
  out_.stats.shared_pages_written = pages.shared_pages_written;
  dump.stats() = out_.stats;
  IMG_TRY(dump.write_stats(image));
  put_header();
  IMG_TRY(check_stop());
  out_.stored_bytes = image.header().pack_bytes;
  return destination_->commit();
}

Result<void> Session::end_tree() {
  switch (request_.afterwards) {
    case Afterwards::kill: return kill_tree(std::move(tree_));
    case Afterwards::leave_stopped: return leave_stopped(std::move(tree_));
    case Afterwards::leave_running: tree_ = {}; break;
  }
  return {};
}

Result<Outcome> Session::run() {
  IMG_ASSIGN(const bool refused, is_refused());
  if (refused) {
    return std::move(out_);
  }
  if (!request_.dry_run) {
    std::string series = request_.series;
    if (series.empty()) {
      IMG_ASSIGN(series, series_of(request_.root));
    }
    IMG_ASSIGN(destination_, Destination::open({request_.store, request_.as, series,
                                                request_.now_ns, request_.deduplicate}));
    out_.name = destination_->name();
  }
  if (auto frozen = freeze(); !frozen) {
    IMG_TRY(take_refusal(frozen.error()));
    return std::move(out_);
  }
  TreeDump dump(request_.options, tree_, clocks_);
  auto collected = dump.collect();
  count(dump);
  if (!collected) {
    IMG_TRY(take_refusal(collected.error()));
  }
  if (request_.dry_run || !out_.refusals.empty()) {
    out_.stats.frozen_us = microseconds_since(stopped_at_);
    tree_ = {};
    return std::move(out_);
  }
  IMG_TRY(check_stop());
  IMG_TRY(write(dump));
  IMG_TRY(end_tree());
  return std::move(out_);
}

}  // namespace

Result<Outcome> run_dump(const Request& request) {
  IMG_TRY(check_capabilities());
  return Session(request).run();
}

}  // namespace img::dump
