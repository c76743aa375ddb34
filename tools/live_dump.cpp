// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>
#include <atomic>
#include <optional>
#include <thread>

#include "libimg/base/image_name.h"
#include "libimg/base/staged.h"
#include "libimg/base/units.h"
#include "live/dump/session.h"
#include "tools/frame/progress.h"
#include "tools/live_dump_report.h"
#include "tools/tools.h"

namespace img::tools {
namespace {

using dump::Afterwards;

constexpr std::string_view kHelp =
    R"(live-dump: a running process and all below it, into a store

usage: live-dump -t PID STORE [options]      (--status: what this host can do)
It is killed once its image is committed; if anything fails before, it runs on.

  -t, --tree PID       the root of the tree
  --as NAME, --series S  the image's name (default: SERIES-TIME), and its series
  -R, --leave-running  it goes on, and stands still for a snapshot only
  -s, --leave-stopped  it is left stopped, as by SIGSTOP
  --freeze-cgroup DIR  hold this cgroup still meanwhile
  --timeout D          how long stopping may take (default: 10s)
  -j, --shell-job      the root need not lead its session
  --link-remap         name files again whose name is gone while others are left
  --ghost-limit SIZE   largest deleted file to keep (default: 64MiB)
  --dedup              do not store pages again that the store has
  -n, --dry-run        say what speaks against it, and the size; write nothing
  -o, --log, --log-file FILE   what was done;   --json, -v, -q, -h, --version
  --tcp-established    accepted; connections are still refused in this version
  --parent, --track, --compress: not in this version

Examples:
  live-dump -t 4711 web.store --dry-run
  live-dump -t 4711 web.store --leave-running --series nightly
  live-dump -t 4711 web.store --as before-upgrade
)";

constexpr frame::ToolInfo kInfo = {"live-dump", "dump", kHelp};

class LiveDump : public frame::Program {
 public:
  [[nodiscard]] const frame::ToolInfo& info() const override { return kInfo; }
  void declare(CLI::App& app) override;
  [[nodiscard]] Result<int> run(frame::Call& call) override;

 private:
  [[nodiscard]] Result<void> refuse_nonsense() const;
  [[nodiscard]] Result<dump::Request> request(frame::Call& call) const;
  [[nodiscard]] Result<dump::Outcome> dump_watched(dump::Request request, frame::Call& call) const;

  pid_t tree_ = 0;
  std::string store_;
  std::string as_;
  std::string series_;
  std::string parent_;
  std::string compress_;
  std::string freeze_cgroup_;
  std::string timeout_ = "10s";
  std::string ghost_limit_ = "64MiB";
  std::string log_;
  bool track_ = false;
  bool leave_running_ = false;
  bool leave_stopped_ = false;
  bool link_remap_ = false;
  bool tcp_established_ = false;
  bool shell_job_ = false;
  bool dedup_ = false;
  bool dry_run_ = false;
  bool status_ = false;
};

void LiveDump::declare(CLI::App& app) {
  app.add_option("STORE", store_);
  app.add_option("-t,--tree", tree_);
  app.add_option("--as", as_);
  app.add_option("--series", series_);
  app.add_option("--parent", parent_);
  app.add_flag("--track", track_);
  app.add_flag("-R,--leave-running", leave_running_);
  app.add_flag("-s,--leave-stopped", leave_stopped_);
  app.add_option("--freeze-cgroup", freeze_cgroup_);
  app.add_option("--timeout", timeout_);
  app.add_flag("--link-remap", link_remap_);
  app.add_flag("--tcp-established", tcp_established_);
  app.add_flag("-j,--shell-job", shell_job_);
  app.add_option("--ghost-limit", ghost_limit_);
  app.add_option("--compress", compress_);
  app.add_flag("--dedup", dedup_);
  app.add_flag("-n,--dry-run", dry_run_);
  app.add_option("-o,--log,--log-file", log_);
  app.add_flag("--status", status_);
}

Result<void> LiveDump::refuse_nonsense() const {
  for (const auto& [asked, option] :
       {std::pair{!parent_.empty(), "--parent"}, std::pair{track_, "--track"},
        std::pair{!compress_.empty(), "--compress"}}) {
    if (asked) {
      return fail(Fault::usage, option, "not in this version");
    }
  }
  if (tree_ == 0 || store_.empty()) {
    return fail(Fault::usage, tree_ == 0 ? "-t PID" : "STORE", "missing", {},
                "live-dump -t PID STORE");
  }
  if (tree_ < 0) {
    return fail(Fault::usage, "-t " + std::to_string(tree_), "is no process");
  }
  if (leave_running_ && leave_stopped_) {
    return fail(Fault::usage, "--leave-running", "does not go with --leave-stopped");
  }
  for (const std::string* name : {&as_, &series_}) {
    if (!name->empty()) {
      IMG_TRY(check_image_name(*name));
    }
  }
  return {};
}

Result<dump::Request> LiveDump::request(frame::Call& call) const {
  dump::Request out;
  out.root = tree_;
  out.store = store_;
  out.as = as_;
  out.series = series_;
  out.now_ns = call.streams.now_ns();
  out.writer = "live-dump " + std::string(frame::version());
  out.afterwards = leave_running_   ? Afterwards::leave_running
                   : leave_stopped_ ? Afterwards::leave_stopped
                                    : Afterwards::kill;
  out.freeze_cgroup = freeze_cgroup_;
  IMG_ASSIGN(const std::uint64_t timeout_ns, parse_duration(timeout_));
  out.timeout = std::chrono::milliseconds(timeout_ns / 1'000'000);
  out.options.link_remap = link_remap_;
  out.options.shell_job = shell_job_;
  out.options.leave_running = leave_running_;
  IMG_ASSIGN(out.options.ghost_limit, parse_size(ghost_limit_));
  out.dry_run = dry_run_;
  out.deduplicate = dedup_;
  out.threads = std::thread::hardware_concurrency();
  out.stop = call.streams.signal;
  return out;
}

// In a thread of its own: a task that cannot be stopped is let go when it ends.
Result<dump::Outcome> LiveDump::dump_watched(dump::Request request, frame::Call& call) const {
  std::atomic<std::uint64_t> copied = 0;
  request.copied = &copied;
  // A terminal's reader may be in the tree, so nothing is said before that goes on.
  std::optional<frame::Progress> progress;
  request.tree_goes_on = [&] {
    progress.emplace(call, std::string(kInfo.name), [&copied] { return copied.load(); });
  };
  std::optional<Result<dump::Outcome>> outcome;
  std::thread tracer([&] { outcome = dump::run_dump(request); });
  tracer.join();
  return std::move(*outcome);
}

Result<int> LiveDump::run(frame::Call& call) {
  if (status_) {
    return report_status(call);
  }
  IMG_TRY(refuse_nonsense());
  IMG_ASSIGN(const dump::Request asked, request(call));
  std::optional<StagedFile> log;
  if (!log_.empty()) {
    IMG_ASSIGN(log, StagedFile::create(log_, Replace::yes));
  }
  const Result<dump::Outcome> outcome = dump_watched(asked, call);
  if (log) {
    const std::string text = log_text(asked, outcome);
    IMG_TRY(log->write(text.data(), text.size()));
    IMG_TRY(log->commit());
  }
  if (!outcome) {
    return fail(outcome.error());
  }
  report_outcome(call, asked, *outcome);
  return outcome->refusals.empty() ? 0 : 1;
}

}  // namespace

std::unique_ptr<frame::Program> live_dump() {
  return std::make_unique<LiveDump>();
}

}  // namespace img::tools
