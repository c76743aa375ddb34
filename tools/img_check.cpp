// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>
#include <optional>

#include "libimg/check/check.h"
#include "libimg/check/host.h"
#include "tools/check_findings.h"
#include "tools/check_sources.h"
#include "tools/frame/arguments.h"
#include "tools/frame/progress.h"
#include "tools/source_options.h"
#include "tools/tools.h"

namespace img::tools {
namespace {

constexpr std::string_view kHelp =
    R"(img-check: is a checkpoint whole and consistent?

usage: img-check SRC... [options]
       img-check --list-rules | --explain RULE

SRC is a store (all its images, or PATH::NAME), a CRIU or JSON directory, or a
folder of such. Exit code: 0 no error, 1 an error in any image, 2 could not ask.

  -i NAME            only this image of a store
  --ignore RULE[:GLOB]  leave a rule out, in files that match (again and again)
  --strict           a warning counts as an error
  --host, --root DIR  ask this machine too: its files (below DIR), pids, kernel
  --for criu|stasis  whose restore is meant (default: who made the image)
  --with "OPTIONS"   what it will be given: a need that lacks is an error
  --list-rules       all rules: id, severity, what is asked, what must hold
  --explain RULE     what a rule means, what happens if it is broken, what to do
  --json, -v, -q, -h, --version

Examples:
  img-check dump
  img-check dump --with "--shell-job --tcp-established" --json
  img-check --explain PST-1
)";

constexpr frame::ToolInfo kInfo = {"img-check", "check", kHelp};

class ImgCheck : public frame::Program {
 public:
  [[nodiscard]] const frame::ToolInfo& info() const override { return kInfo; }
  void declare(CLI::App& app) override;
  [[nodiscard]] Result<int> run(frame::Call& call) override;

 private:
  [[nodiscard]] Result<void> refuse_nonsense() const;
  [[nodiscard]] Result<void> prepare();
  [[nodiscard]] check::Options options() const;
  [[nodiscard]] Result<std::vector<convert::Source>> images(const std::string& argument,
                                                            const frame::Call& call) const;
  void check_source(const std::string& argument, frame::Call& call);
  void check_image(const convert::Source& source, bool is_listed, frame::Call& call);
  void could_not(Error error, frame::Call& call);

  std::vector<std::string> sources_;
  std::string image_;
  std::vector<std::string> ignore_;
  bool strict_ = false;
  bool list_rules_ = false;
  std::string explain_;
  bool host_ = false;
  std::string root_;
  std::string for_;
  std::optional<std::string> with_;

  check::Given given_;
  std::optional<check::Host> machine_;
  std::optional<check::Restorer> restorer_;
  std::vector<Ignored> ignored_;
  std::optional<Error> first_error_;  // of what could not be asked
  bool has_errors_ = false;
  std::set<check::PackId> compared_packs_;  // of all stores asked about
};

void ImgCheck::declare(CLI::App& app) {
  app.add_option("SRC", sources_);
  app.add_option("-i,--image", image_);
  frame::add_repeated(app, "--ignore", ignore_);
  app.add_flag("--strict", strict_);
  app.add_flag("--list-rules", list_rules_);
  app.add_option("--explain", explain_);
  app.add_flag("--host", host_);
  app.add_option("--root", root_);
  app.add_option("--for", for_);
  app.add_option("--with", with_);
}

Result<void> ImgCheck::refuse_nonsense() const {
  if (!root_.empty() && !host_) {
    return frame::usage_error(kInfo, "--root goes with --host");
  }
  if (sources_.empty() && !list_rules_ && explain_.empty()) {
    return frame::usage_error(kInfo, "SRC is required");
  }
  return {};
}

Result<std::vector<convert::Source>> ImgCheck::images(const std::string& argument,
                                                      const frame::Call& call) const {
  IMG_ASSIGN(const convert::Source source,
             convert::recognise(argument, source_options(image_, call)));
  if (source.form == convert::Form::criu_file || source.form == convert::Form::json_file) {
    return fail(Fault::unsupported, source.path, "one file is not an image", {},
                "give the directory that it is in");
  }
  return images_to_check(source);
}

check::Options ImgCheck::options() const {
  check::Options options;
  options.given = given_;
  options.restorer = restorer_;
  options.host = machine_ ? &*machine_ : nullptr;
  options.known_packs = compared_packs_;
  if (!ignored_.empty()) {
    options.most_per_rule = 0;  // what is only counted cannot be left out of the count
  }
  return options;
}

void ImgCheck::could_not(Error error, frame::Call& call) {
  if (call.report.is_json()) {
    frame::write_error(call.report.json(), error);
  }
  if (first_error_) {
    call.report.note(error.line());
  } else {
    first_error_ = std::move(error);  // said at the end
  }
}

void ImgCheck::check_image(const convert::Source& source, bool is_listed, frame::Call& call) {
  if (call.report.is_json()) {
    call.report.json().begin_object();
    call.report.json().text("image", source.place());
    call.report.json().text("kind", convert::form_name(source.form));
  }
  FindingReport findings(call.report, ignored_, source.place());
  Result<check::Summary> summary = tools::check_source(source, options(), findings);
  const Counts counts =
      findings.conclude(summary ? &*summary : nullptr, with_.has_value(), call.common.quiet);
  has_errors_ = has_errors_ || counts[2] > 0 || (strict_ && counts[1] > 0);
  if (summary) {
    compared_packs_.insert(summary->packs.begin(), summary->packs.end());
  } else if (is_listed && has_gone(source)) {
    call.report.note(source.place() + ": has been removed since it was listed");
  } else {
    could_not(std::move(summary).error(), call);
  }
  if (call.report.is_json()) {
    call.report.json().end();
  }
}

void ImgCheck::check_source(const std::string& argument, frame::Call& call) {
  Result<std::vector<convert::Source>> images = this->images(argument, call);
  if (images) {
    for (const convert::Source& image : *images) {
      check_image(image, image_.empty() && image.place() != argument, call);
    }
    return;
  }
  if (call.report.is_json()) {
    call.report.json().begin_object();
    call.report.json().text("image", argument);
  }
  could_not(std::move(images).error(), call);
  if (call.report.is_json()) {
    call.report.json().end();
  }
}

/// What the options say, before any image is opened.
Result<void> ImgCheck::prepare() {
  IMG_TRY(refuse_nonsense());
  for (const std::string& text : ignore_) {
    IMG_ASSIGN(Ignored ignored, parse_ignored(text));
    ignored_.push_back(std::move(ignored));
  }
  if (with_) {
    IMG_ASSIGN(given_, check::Given::parse(*with_));
  }
  if (host_) {
    IMG_ASSIGN(machine_, check::Host::open({root_.empty() ? "/" : root_, !root_.empty(), "/"},
                                           check::Machine::here()));
  }
  if (for_ == "criu") {
    restorer_ = check::Restorer::criu;
  } else if (for_ == "stasis") {
    restorer_ = check::Restorer::stasis;
  } else if (!for_.empty()) {
    return fail(Fault::usage, "--for " + for_, "unknown", {}, "give criu or stasis");
  }
  return {};
}

Result<int> ImgCheck::run(frame::Call& call) {
  IMG_TRY(prepare());
  if (list_rules_) {
    list_rules(call.report);
    return 0;
  }
  if (!explain_.empty()) {
    IMG_TRY(explain_rule(call.report, explain_));
    return 0;
  }
  if (call.report.is_json()) {
    call.report.json().begin_array("images");
  }
  const frame::Progress progress(call, "img-check", nullptr);
  for (const std::string& source : sources_) {
    check_source(source, call);
  }
  if (first_error_) {
    return fail(std::move(*first_error_));
  }
  return has_errors_ ? 1 : 0;
}

}  // namespace

std::unique_ptr<frame::Program> img_check() {
  return std::make_unique<ImgCheck>();
}

}  // namespace img::tools
