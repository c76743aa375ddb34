// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <fstream>

#include "libimg/base/file.h"
#include "libimg/convert/open_image.h"
#include "live/plan/print.h"
#include "live/restore/host.h"
#include "live/restore/restore.h"
#include "tools/frame/arguments.h"
#include "tools/frame/progress.h"
#include "tools/source_options.h"
#include "tools/tools.h"

namespace img::tools {
namespace {

constexpr std::string_view kHelp =
    R"(live-restore: a dumped process tree back to life

usage: live-restore STORE [-i NAME] [options]
       live-restore -D DIR [options]

  -i NAME            this image of the store; else its newest
  -D DIR             a CRIU image directory instead of a store
  -d , --detach      leave it running; else wait, and end as its root ended
  --pidfile F        the root's pid; -S , --sibling: it is a child of our parent
  -r DIR, --root     file names of the image are looked up below DIR
  --inherit-fd N:WHAT   our descriptor N for fd[N], pipe:[I], socket:[I], a path
  --ignore RULE[:GLOB], --truncate PATH   pass over what would be refused
  -j , --shell-job   a root that leads no session becomes part of ours
  --cgroup WHERE     recorded (the default), here (ours), or a group's folder
  --memory copy, --keep-link-remaps, --plan (say every call), -o FILE, --log
  --json, -v, -q, -h, --version

Exit code: the root's; 126 refused, 125 failed. With -d or --plan: 0, 1, 2.

Examples:
  live-restore web.store -i redis --plan
  live-restore web.store --detach --pidfile redis.pid
  unshare -pfm --mount-proc live-restore -D dump
)";

constexpr frame::ToolInfo kInfo = {"live-restore", "restore", kHelp};
constexpr int kRefused = 126;
constexpr int kFailed = 125;

class LiveRestore : public frame::Program {
 public:
  [[nodiscard]] const frame::ToolInfo& info() const override { return kInfo; }
  void declare(CLI::App& app) override;
  [[nodiscard]] Result<int> run(frame::Call& call) override;
  [[nodiscard]] int error_exit(const Error& /*error*/) const override {
    return detach_ || plan_ ? 2 : kFailed;
  }

 private:
  [[nodiscard]] Result<void> refuse_nonsense() const;
  [[nodiscard]] Result<std::unique_ptr<model::ImageReader>> open(const frame::Call& call) const;
  [[nodiscard]] Result<restore::RestoreOptions> options(frame::Call& call);
  [[nodiscard]] Result<void> add_inherited(restore::RestoreOptions& options) const;
  [[nodiscard]] bool names_cgroup() const;
  [[nodiscard]] Result<void> root_made(pid_t root);
  [[nodiscard]] int refused(const plan::Plan& plan, frame::Call& call) const;
  [[nodiscard]] static Result<pid_t> execute_watched(const restore::Prepared& prepared,
                                                     model::ImageReader& image,
                                                     restore::RestoreOptions options,
                                                     frame::Call& call);
  [[nodiscard]] Result<int> go(const restore::Prepared& prepared, model::ImageReader& image,
                               const restore::RestoreOptions& options, frame::Call& call);
  [[nodiscard]] Result<int> wait_for(pid_t root, frame::Call& call) const;

  std::string source_;
  std::string directory_;
  std::string image_;
  bool detach_ = false;
  bool sibling_ = false;
  bool shell_job_ = false;
  bool keep_link_remaps_ = false;
  bool plan_ = false;
  std::string pidfile_;
  std::string root_;
  std::string memory_ = "copy";
  std::string cgroup_ = "recorded";
  std::string log_name_;
  std::vector<std::string> inherited_;
  std::vector<std::string> ignored_;
  std::vector<std::string> truncated_;
  std::ofstream log_;
  bool has_pidfile_ = false;
};

void LiveRestore::declare(CLI::App& app) {
  app.add_option("STORE", source_);
  app.add_option("-D,--images-dir", directory_);
  app.add_option("-i,--image", image_);
  app.add_flag("-d,--detach,--restore-detached", detach_);
  app.add_flag("-S,--sibling,--restore-sibling", sibling_);
  app.add_flag("-j,--shell-job", shell_job_);
  app.add_flag("--keep-link-remaps", keep_link_remaps_);
  app.add_flag("--plan", plan_);
  app.add_option("--pidfile", pidfile_);
  app.add_option("-r,--root", root_);
  app.add_option("--memory", memory_);
  app.add_option("--cgroup", cgroup_);
  app.add_option("-o,--log,--log-file", log_name_);
  frame::add_repeated(app, "--inherit-fd", inherited_);
  frame::add_repeated(app, "--ignore", ignored_);
  frame::add_repeated(app, "--truncate", truncated_);
}

Result<void> LiveRestore::refuse_nonsense() const {
  if (source_.empty() == directory_.empty()) {
    return frame::usage_error(kInfo, "give a STORE or -D DIR");
  }
  if (memory_ == "lazy") {
    return fail(Fault::unsupported, "--memory lazy", "not in this version");
  }
  if (memory_ != "copy") {
    return frame::usage_error(kInfo, "--memory is copy or lazy");
  }
  return {};
}

Result<std::unique_ptr<model::ImageReader>> LiveRestore::open(const frame::Call& call) const {
  const std::string& where = source_.empty() ? directory_ : source_;
  IMG_ASSIGN(const convert::Source source, convert::recognise(where, source_options(image_, call)));
  return convert::open_image(source);
}

Result<void> LiveRestore::add_inherited(restore::RestoreOptions& options) const {
  for (const std::string& text : inherited_) {
    // As criu has it (fd[N]:WHAT), or without the brackets.
    const std::string_view digits =
        text.starts_with("fd[") ? std::string_view(text).substr(3) : text;
    int fd = -1;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), fd);
    std::string_view rest(end, static_cast<std::size_t>(digits.data() + digits.size() - end));
    if (digits.size() != text.size() && rest.starts_with(']')) {
      rest.remove_prefix(1);
    }
    if (error != std::errc() || fd < 0 || !rest.starts_with(':') || rest.size() < 2) {
      return frame::usage_error(kInfo, "--inherit-fd " + text, "it is N:WHAT");
    }
    options.files.inherited.push_back({std::string(rest.substr(1)), fd});
  }
  return {};
}

bool LiveRestore::names_cgroup() const {
  return cgroup_ != "recorded" && cgroup_ != "here";
}

Result<void> LiveRestore::root_made(pid_t root) {
  if (names_cgroup()) {
    IMG_TRY(restore::move_to_folder(cgroup_, root));
  }
  if (pidfile_.empty()) {
    return {};
  }
  IMG_ASSIGN(const UniqueFd file, create_file(AT_FDCWD, pidfile_, pidfile_));
  has_pidfile_ = true;
  return write_at(file.get(), 0, as_bytes(std::to_string(root)), pidfile_);
}

Result<restore::RestoreOptions> LiveRestore::options(frame::Call& call) {
  restore::RestoreOptions out;
  out.files.root = root_;
  out.files.truncate = truncated_;
  out.files.keep_link_remaps = keep_link_remaps_;
  IMG_TRY(add_inherited(out));
  out.plan.shell_job = shell_job_;
  out.plan.detach = detach_ && !sibling_ && ::getpid() != 1;
  if (cgroup_ != "recorded") {
    out.plan.cgroup = plan::PlanOptions::Cgroup::here;
  }
  if (names_cgroup()) {
    IMG_TRY(restore::move_to_folder(cgroup_, 0));
  }
  for (const std::string& text : ignored_) {
    IMG_ASSIGN(restore::Ignored ignored, restore::parse_ignored(text));
    out.ignored.push_back(std::move(ignored));
  }
  out.run.root.is_sibling = sibling_;
  out.run.root_made = [this](pid_t root) { return root_made(root); };
  const frame::Streams& streams = call.streams;
  out.run.before_step = [&streams](std::size_t /*step*/) -> Result<void> {
    return streams.ending_signal() == 0
               ? Result<void>()
               : fail(Fault::io, "restore", "given up", "a signal asked for it");
  };
  return out;
}

void tell_notes(const plan::Plan& plan, frame::Call& call) {
  if (call.report.is_json()) {
    call.report.json().begin_array("notes");
    for (const std::string& note : plan.notes) {
      call.report.json().text({}, note);
    }
    call.report.json().end();
    return;
  }
  for (const std::string& note : plan.notes) {
    call.report.note(note);
  }
}

int LiveRestore::refused(const plan::Plan& plan, frame::Call& call) const {
  if (call.report.is_json()) {
    call.report.json().begin_array("refusals");
    for (const Error& reason : plan.refusals) {
      call.report.json().begin_object();
      frame::write_error(call.report.json(), reason);
      call.report.json().end();
    }
    call.report.json().end();
  }
  for (const Error& reason : plan.refusals) {
    *call.streams.err << kInfo.name << ": " << reason.line() << '\n';
  }
  return detach_ || plan_ ? 1 : kRefused;
}

Result<int> LiveRestore::wait_for(pid_t root, frame::Call& call) const {
  if (call.streams.divert_signals) {
    call.streams.divert_signals([root](int number) { ::kill(root, number); });
  }
  // As the first process of a namespace we get everybody's orphans.
  const bool is_init = ::getpid() == 1;
  for (;;) {
    int status = 0;
    const pid_t ended = ::waitpid(is_init ? -1 : root, &status, __WALL);
    if (ended < 0 && errno != EINTR) {
      return is_init && detach_ ? Result<int>(0)
                                : fail(sys_error(errno, "process " + std::to_string(root), "wait"));
    }
    if (ended == root && !detach_) {
      return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
  }
}

Result<pid_t> LiveRestore::execute_watched(const restore::Prepared& prepared,
                                           model::ImageReader& image,
                                           restore::RestoreOptions options, frame::Call& call) {
  std::atomic<std::uint64_t> copied = 0;
  options.run.copied = &copied;
  const frame::Progress progress(call, std::string(kInfo.name),
                                 [&copied] { return copied.load(); });
  return restore::execute(prepared, image, options);
}

Result<int> LiveRestore::go(const restore::Prepared& prepared, model::ImageReader& image,
                            const restore::RestoreOptions& options, frame::Call& call) {
  auto root = execute_watched(prepared, image, options, call);
  if (!root) {
    if (has_pidfile_) {
      ::unlink(pidfile_.c_str());
    }
    return fail(std::move(root).error());
  }
  if (call.report.is_json()) {
    call.report.json().number("root", static_cast<std::uint64_t>(*root));
  }
  if (detach_) {
    if (!call.common.quiet) {
      call.report.text() << "restored " << image.place() << ": process " << *root << '\n';
    }
    // An init that ends takes everybody with it.
    return ::getpid() == 1 ? wait_for(*root, call) : Result<int>(0);
  }
  return sibling_ ? Result<int>(0) : wait_for(*root, call);
}

Result<int> LiveRestore::run(frame::Call& call) {
  IMG_TRY(refuse_nonsense());
  IMG_ASSIGN(const auto image, open(call));
  IMG_ASSIGN(restore::RestoreOptions wanted, options(call));
  if (!log_name_.empty()) {
    log_.open(log_name_, std::ios::trunc);
    if (!log_) {
      return fail(sys_error(errno, log_name_, "open"));
    }
  }
  IMG_ASSIGN(const restore::Prepared prepared, restore::prepare(*image, wanted));
  if (call.report.is_json()) {
    call.report.json().text("image", image->place());
  }
  if (plan_) {
    plan::print(call.report.text(), prepared.plan);
  }
  if (!prepared.plan.refusals.empty()) {
    return refused(prepared.plan, call);
  }
  if (plan_) {
    return 0;
  }
  tell_notes(prepared.plan, call);
  if (log_.is_open()) {
    const auto before = wanted.run.before_step;
    wanted.run.before_step = [this, before, &prepared](std::size_t step) {
      plan::print_step(log_, prepared.plan, prepared.plan.steps[step]);
      log_.flush();
      return before(step);
    };
  }
  return go(prepared, *image, wanted, call);
}

}  // namespace

std::unique_ptr<frame::Program> live_restore() {
  restore::leave_low_pids_free();
  return std::make_unique<LiveRestore>();
}

}  // namespace img::tools
