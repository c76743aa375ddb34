// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>

#include "libimg/base/units.h"
#include "libimg/gc/apply.h"
#include "libimg/store/compact.h"
#include "tools/frame/arguments.h"
#include "tools/frame/progress.h"
#include "tools/gc_collection.h"
#include "tools/gc_left_files.h"
#include "tools/gc_report.h"
#include "tools/source_options.h"
#include "tools/tools.h"

namespace img::tools {
namespace {

constexpr std::string_view kHelp =
    R"(img-gc: drop images by policy, and what no image needs

usage: img-gc STORE|FOLDER [options]
       img-gc --link-remaps SRC... [--root DIR] [-n|--yes]

Without options only what no image needs goes, never an image. What a kept image
needs of a dropped parent moves into it. Exit code: 1 refused (pinned, needed).

  --delete NAME      drop this image
  --keep-last N      keep the newest N of each series, drop the others
  --keep-within D    keep what is at most D older than the newest of its series
  --series S         judge only this series
  --pin NAME, --unpin NAME   a pinned image is never dropped
  -n  --dry-run      say what would go, why, and how many bytes
  --compact          also make packs and database as small as can be
  --link-remaps      links and ghosts that dumps left on file systems: list them
  --root DIR         where the tree's root directory is
  --yes              remove what is listed, in a folder or with --link-remaps
  --json, -v, -q, -h, --version

Examples:
  img-gc web.store --keep-last 3 --dry-run
  img-gc web.store --keep-last 7 --keep-within 4w --json
  img-gc web.store --compact
)";

constexpr frame::ToolInfo kInfo = {"img-gc", "gc", kHelp};

/// Packs that are nearly full are worth it only when asked for.
constexpr unsigned kCompactBelow = 95;

class ImgGc : public frame::Program {
 public:
  [[nodiscard]] const frame::ToolInfo& info() const override { return kInfo; }
  void declare(CLI::App& app) override;
  [[nodiscard]] Result<int> run(frame::Call& call) override;
  /// What a policy asks for and is not done is a refusal.
  [[nodiscard]] int error_exit(const Error&) const override { return is_refusal_ ? 1 : 2; }

 private:
  [[nodiscard]] Result<gc::Options> options() const;
  [[nodiscard]] Result<int> collect_store(const std::string& path, gc::Options options,
                                          frame::Call& call);
  template <class Plan>
  [[nodiscard]] Result<Plan> judged(Result<Plan> plan);
  [[nodiscard]] Result<int> collect_folder(const convert::Source& folder,
                                           const gc::Options& options, frame::Call& call);

  std::vector<std::string> sources_;
  std::vector<std::string> delete_;
  std::string keep_last_;
  std::string keep_within_;
  std::string series_;
  std::vector<std::string> pin_;
  std::vector<std::string> unpin_;
  bool dry_run_ = false;
  bool compact_ = false;
  bool yes_ = false;
  bool link_remaps_ = false;
  std::string root_;
  bool is_refusal_ = false;
};

void ImgGc::declare(CLI::App& app) {
  app.add_option("STORE", sources_)->required();
  frame::add_repeated(app, "--delete", delete_);
  app.add_option("--keep-last", keep_last_);
  app.add_option("--keep-within", keep_within_);
  app.add_option("--series", series_);
  frame::add_repeated(app, "--pin", pin_);
  frame::add_repeated(app, "--unpin", unpin_);
  app.add_flag("-n,--dry-run", dry_run_);
  app.add_flag("--compact", compact_);
  app.add_flag("--link-remaps", link_remaps_);
  app.add_option("--root", root_);
  app.add_flag("--yes", yes_);
}

Result<gc::Options> ImgGc::options() const {
  gc::Options options;
  options.policy.drop = delete_;
  options.policy.series = series_;
  options.pin = pin_;
  options.unpin = unpin_;
  if (!keep_last_.empty()) {
    IMG_ASSIGN(options.policy.keep_last, parse_number(keep_last_));
    if (*options.policy.keep_last == 0) {
      return frame::usage_error(kInfo, "--keep-last 0", "a policy keeps at least one of a series");
    }
  }
  if (!keep_within_.empty()) {
    IMG_ASSIGN(options.policy.keep_within_ns, parse_duration(keep_within_));
  }
  if (!series_.empty() && !options.policy.is_retention()) {
    return frame::usage_error(kInfo, "--series", "needs --keep-last or --keep-within");
  }
  if (compact_) {
    options.rewrite_below = kCompactBelow;
  }
  return options;
}

template <class Plan>
Result<Plan> ImgGc::judged(Result<Plan> plan) {
  is_refusal_ = !plan && plan.error().fault == Fault::conflict;
  return plan;
}

Result<int> ImgGc::collect_store(const std::string& path, gc::Options options, frame::Call& call) {
  IMG_ASSIGN(std::shared_ptr<const store::Store> store, store::Store::open(path));
  IMG_ASSIGN(const gc::Plan plan, judged(gc::make_plan(store, options)));
  report_plan(call, plan, dry_run_);
  if (dry_run_) {
    return 0;
  }
  std::optional<frame::Progress> progress;
  progress.emplace(call, "img-gc", nullptr);
  IMG_ASSIGN(const gc::Outcome outcome, gc::apply(store, plan, options, call.streams.signal));
  std::optional<store::Compacted> compacted;
  if (compact_) {
    store.reset();  // it must be open nowhere
    IMG_ASSIGN(compacted, store::compact_database(path));
  }
  progress.reset();
  report_outcome(call, plan, outcome, compacted);
  return 0;
}

Result<int> ImgGc::collect_folder(const convert::Source& folder, const gc::Options& options,
                                  frame::Call& call) {
  if (!pin_.empty() || !unpin_.empty() || compact_) {
    return frame::usage_error(kInfo, "--pin, --unpin, --compact", "are for a store");
  }
  IMG_ASSIGN(const FolderPlan plan, judged(plan_folder(folder, options.policy)));
  report_folder(call, plan, dry_run_ || !yes_);
  if (dry_run_ || !yes_) {
    return 0;
  }
  IMG_ASSIGN(const std::uint64_t bytes, remove_paths(folder.path, plan));
  report_removed(call, bytes);
  return 0;
}

Result<int> ImgGc::run(frame::Call& call) {
  if (link_remaps_) {
    return collect_left_files({sources_, root_, dry_run_, yes_}, call);
  }
  if (sources_.size() != 1 || !root_.empty()) {
    return frame::usage_error(kInfo, sources_.size() != 1 ? "more than one STORE" : "--root",
                              "is for --link-remaps");
  }
  IMG_ASSIGN(gc::Options options, this->options());
  IMG_ASSIGN(const convert::Source source,
             convert::recognise(sources_.front(), source_options("", call)));
  if (source.form == convert::Form::store) {
    if (!source.image.empty()) {
      return frame::usage_error(kInfo, source.place(),
                                "a store is collected as a whole: --delete NAME");
    }
    return collect_store(source.path, std::move(options), call);
  }
  if (source.form == convert::Form::collection) {
    return collect_folder(source, options, call);
  }
  return fail(Fault::unsupported, source.path,
              "is a " + std::string(convert::form_name(source.form)),
              "what can be collected is a store, or a folder of images");
}

}  // namespace

std::unique_ptr<frame::Program> img_gc() {
  return std::make_unique<ImgGc>();
}

}  // namespace img::tools
