// SPDX-License-Identifier: MIT
#include "tools/frame/run_tool.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>

#include "tools/frame/arguments.h"

namespace img::frame {
namespace {

struct Asked {
  Common common;
  bool help = false;
  bool version = false;
};

void declare_common(CLI::App& app, Asked& asked) {
  app.set_help_flag();  // ours is written by hand
  app.add_flag("-h,--help", asked.help);
  app.add_flag("--version", asked.version);
  app.add_flag("-v,--verbose", asked.common.verbosity);
  app.add_flag("-q,--quiet", asked.common.quiet);
  app.add_flag("--json", asked.common.json);
}

Result<Asked> parse(Program& program, std::vector<std::string> arguments, CLI::App& app) {
  Asked asked;
  declare_common(app, asked);
  program.declare(app);
  const auto end = std::ranges::find(arguments, "--");
  // Help is for those who do not know what else to give.
  for (auto at = arguments.begin(); at != end; ++at) {
    asked.help = asked.help || *at == "-h" || *at == "--help";
    asked.version = asked.version || *at == "--version";
  }
  if (asked.help || asked.version) {
    return asked;
  }
  IMG_TRY(check_options(app, program.info(), arguments));
  try {
    std::ranges::reverse(arguments);  // as CLI11 wants them
    app.parse(std::move(arguments));
  } catch (const CLI::Error& error) {
    return usage_error(program.info(), error.what());
  }
  return asked;
}

Result<int> run_parsed(Program& program, std::vector<std::string> arguments, Streams& streams,
                       Report& report) {
  CLI::App app;
  IMG_ASSIGN(const Asked asked, parse(program, std::move(arguments), app));
  if (asked.help) {
    (report.is_json() ? *streams.err : *streams.out) << program.info().help;
    return 0;
  }
  if (asked.version) {
    report.text() << program.info().name << " (Stasis) " << version() << '\n';
    return 0;
  }
  report.set_quiet(asked.common.quiet);
  Call call{streams, report, asked.common};
  return program.run(call);
}

Result<int> run_caught(Program& program, std::vector<std::string> arguments, Streams& streams,
                       Report& report) {
  try {
    return run_parsed(program, std::move(arguments), streams, report);
  } catch (const std::bad_alloc&) {
    return fail(Fault::limit, "memory", "out of memory");
  } catch (const std::exception& error) {
    return fail(Fault::io, "internal error", error.what());
  }
}

}  // namespace

int run_tool(Program& program, std::vector<std::string> arguments, Streams& streams) {
  expand_verbosity(arguments);
  Report report(program.info(), streams, asks_for_json(arguments), false);
  const Result<int> result = run_caught(program, std::move(arguments), streams, report);
  if (result) {
    return report.finish(*result, nullptr);
  }
  // What was done before the signal came stays done; what it broke off is an error.
  const Error& error = result.error();
  int code = error.fault == Fault::usage ? kUsageExit : program.error_exit(error);
  if (const int signal = streams.ending_signal(); signal != 0) {
    code = 128 + signal;
  }
  return report.finish(code, &error);
}

}  // namespace img::frame
