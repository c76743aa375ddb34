// SPDX-License-Identifier: MIT
#include "libimg/convert/cores_out.h"

#include <algorithm>

#include "libimg/base/file.h"
#include "libimg/base/staged.h"
#include "libimg/core/core.h"

namespace img::convert {
namespace {

using model::Process;

/// Processes that can have a core; the others go into `left_out`. One that was asked for by its
/// number must be there, and must be able to have one.
Result<std::vector<const Process*>> choose(const core::CoreMaker& maker,
                                           const model::ImageReader& image, const Options& options,
                                           std::vector<LeftOut>& left_out) {
  for (const std::uint32_t pid : options.pids) {
    if (maker.tree().find(pid) == nullptr) {
      return fail(Fault::missing, image.place(), "no process " + std::to_string(pid));
    }
  }
  std::vector<const Process*> chosen;
  for (const Process& process : maker.tree().processes()) {
    const bool asked = std::ranges::find(options.pids, process.pid) != options.pids.end();
    if (!options.pids.empty() && !asked) {
      continue;
    }
    const std::string why = core::CoreMaker::refusal(process);
    if (why.empty()) {
      chosen.push_back(&process);
    } else if (asked) {
      return fail(Fault::unsupported, "process " + std::to_string(process.pid), "no core of it",
                  why);
    } else {
      left_out.push_back({process.pid, why});
    }
  }
  if (chosen.empty()) {
    return fail(Fault::unsupported, image.place(), "no process that could have a core",
                "all are zombies");
  }
  return chosen;
}

Result<MadeCore> write_one(core::CoreMaker& maker, const Process& process, int directory,
                           const std::string& place, const Options& options) {
  const std::string name = "core." + std::to_string(process.pid);
  MadeCore made;
  made.place = place + "/" + name;
  made.pid = process.pid;
  const core::Progress progress = [&](std::uint64_t bytes) -> Result<void> {
    if (options.copied != nullptr) {
      options.copied->bytes += bytes;
    }
    if (options.stop != nullptr && options.stop->load(std::memory_order_relaxed) != 0) {
      return fail(Fault::gone, "conversion", "interrupted");
    }
    return {};
  };
  IMG_ASSIGN(const UniqueFd fd, create_file(directory, name, made.place));
  IMG_ASSIGN(const core::Core core, maker.write(process, fd.get(), made.place, progress));
  made.threads = core.threads;
  made.bytes = core.bytes;
  made.written = core.written;
  return made;
}

}  // namespace

Result<Outcome> write_cores(model::ImageReader& image, const std::string& place,
                            const Options& options) {
  IMG_ASSIGN(core::CoreMaker maker, core::CoreMaker::open(image));
  Outcome outcome;
  IMG_ASSIGN(const std::vector<const Process*> processes,
             choose(maker, image, options, outcome.left_out));
  IMG_ASSIGN(StagedDirectory staged, StagedDirectory::create(place));
  for (const Process* process : processes) {
    IMG_ASSIGN(MadeCore made, write_one(maker, *process, staged.fd(), place, options));
    outcome.cores.push_back(std::move(made));
  }
  IMG_TRY(staged.commit());
  return outcome;
}

}  // namespace img::convert
