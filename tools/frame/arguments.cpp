// SPDX-License-Identifier: MIT
#include "tools/frame/arguments.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>

namespace img::frame {
namespace {

// Every long option of criu 4.2.
constexpr std::string_view kCriuOptions[] = {
#define CRIU_OPTION(name) name,
#include "tools/frame/criu_options.inc"
};

// "--to=criu" -> "--to", "-vq" -> "-v".
std::string option_name(const std::string& argument) {
  if (argument.starts_with("--")) {
    return argument.substr(0, argument.find('='));
  }
  return argument.substr(0, 2);
}

bool takes_a_value(const CLI::Option& option) {
  return option.get_items_expected_min() > 0;
}

// "-i" leaves its value to the next argument, "-iNAME" and "--name=NAME" bring it along.
bool value_follows(const CLI::Option& option, const std::string& argument) {
  const bool alone =
      argument.starts_with("--") ? argument.find('=') == std::string::npos : argument.size() == 2;
  return alone && takes_a_value(option);
}

}  // namespace

void expand_verbosity(std::vector<std::string>& arguments) {
  for (std::string& argument : arguments) {
    if (argument == "--") {
      return;
    }
    if (argument.size() == 3 && argument.starts_with("-v") && argument[2] >= '1' &&
        argument[2] <= '9') {
      argument = "-" + std::string(static_cast<std::size_t>(argument[2] - '0'), 'v');
    }
  }
  std::erase(arguments, "-v0");
}

bool asks_for_json(const std::vector<std::string>& arguments) {
  const auto end = std::ranges::find(arguments, "--");
  return std::find(arguments.begin(), end, "--json") != end;
}

Failure usage_error(const ToolInfo& tool, std::string what, std::string why) {
  return fail(Fault::usage, "arguments", std::move(what), std::move(why),
              fmt::format("see {} --help", tool.name));
}

Result<void> check_options(const CLI::App& app, const ToolInfo& tool,
                           const std::vector<std::string>& arguments) {
  for (std::size_t at = 0; at < arguments.size(); ++at) {
    const std::string& argument = arguments[at];
    if (argument == "--") {
      break;
    }
    if (argument.size() < 2 || argument[0] != '-') {
      continue;
    }
    const std::string name = option_name(argument);
    if (const CLI::Option* option = app.get_option_no_throw(name)) {
      at += value_follows(*option, argument) ? 1 : 0;
      continue;
    }
    if (name.starts_with("--") &&
        std::ranges::find(kCriuOptions, name.substr(2)) != std::end(kCriuOptions)) {
      return usage_error(tool, name,
                         fmt::format("an option of criu that {} does not have", tool.name));
    }
    return usage_error(tool, name, "no such option");
  }
  return {};
}

CLI::Option* add_repeated(CLI::App& app, const std::string& names,
                          std::vector<std::string>& values) {
  return app.add_option(names, values)
      ->allow_extra_args(false)
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

}  // namespace img::frame
