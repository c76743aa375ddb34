// SPDX-License-Identifier: MIT
#include "live/restore/restore.h"

#include "libimg/base/file_limit.h"
#include "live/plan/make_plan.h"
#include "live/restore/file_facts.h"
#include "live/restore/host.h"

namespace img::restore {

Result<Prepared> prepare(model::ImageReader& image, const RestoreOptions& options) {
  IMG_ASSIGN(const plan::HostFacts facts, ask_host());
  plan::FileOptions files = options.files;
  ask_about_files(files);
  files.shell_job = options.plan.shell_job;
  IMG_ASSIGN(const auto planner, plan::ImageFiles::read(image, std::move(files)));
  Prepared out;
  IMG_ASSIGN(out.plan, plan::make_plan(image, facts, options.plan, *planner));
  for (Error& reason :
       preflight(out.plan, facts.credentials, {options.files.root, options.ignored})) {
    out.plan.refusals.push_back(std::move(reason));
  }
  return out;
}

Result<pid_t> execute(const Prepared& prepared, model::ImageReader& image,
                      const RestoreOptions& options) {
  allow_many_files();  // all of the image are, above what the tasks use
  Runner runner(prepared.plan, image, options.run);
  return runner.run();
}

}  // namespace img::restore
