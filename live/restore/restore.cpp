// SPDX-License-Identifier: MIT
#include "live/restore/restore.h"

#include <iterator>

#include "libimg/base/file_limit.h"
#include "live/plan/make_plan.h"
#include "live/restore/file_facts.h"
#include "live/restore/host.h"
#include "live/restore/image_rules.h"

namespace img::restore {

namespace {

void add(std::vector<state::Refusal>& to, std::vector<state::Refusal> from) {
  std::move(from.begin(), from.end(), std::back_inserter(to));
}

Result<plan::Plan> plan_it(model::ImageReader& image, const RestoreOptions& options) {
  IMG_ASSIGN(const plan::HostFacts facts, ask_host());
  plan::FileOptions files = options.files;
  ask_about_files(files);
  files.shell_job = options.plan.shell_job;
  IMG_ASSIGN(const auto planner, plan::ImageFiles::read(image, std::move(files)));
  IMG_ASSIGN(plan::Plan plan, plan::make_plan(image, facts, options.plan, *planner));
  add(plan.refusals, preflight(plan, facts.credentials, {options.files.root, options.ignored}));
  return plan;
}

}  // namespace

Result<Prepared> prepare(model::ImageReader& image, const RestoreOptions& options) {
  IMG_ASSIGN(std::vector<state::Refusal> broken, broken_rules(image, options.ignored));
  Prepared out;
  if (auto plan = plan_it(image, options); plan) {
    out.plan = std::move(*plan);
  } else if (broken.empty()) {
    return fail(std::move(plan).error());
  }
  add(out.plan.refusals, std::move(broken));
  return out;
}

Result<pid_t> execute(const Prepared& prepared, model::ImageReader& image,
                      const RestoreOptions& options) {
  allow_many_files();  // all of the image are, above what the tasks use
  Runner runner(prepared.plan, image, options.run);
  return runner.run();
}

}  // namespace img::restore
