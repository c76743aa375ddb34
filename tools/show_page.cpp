// SPDX-License-Identifier: MIT
#include "tools/show_page.h"

#include <algorithm>

#include "libimg/show/json_page.h"
#include "libimg/show/text_page.h"
#include "libimg/show/views.h"

namespace img::tools {

Result<std::vector<std::string>> wanted_views(const std::string& what, const std::string& kind,
                                              std::string_view otherwise) {
  std::vector<std::string> names;
  if (what == "all") {
    for (const show::View& view : show::views()) {
      if (view.in_all) {
        names.emplace_back(view.name);
      }
    }
    return names;
  }
  std::string_view left = what.empty() ? otherwise : std::string_view(what);
  while (true) {
    const std::size_t end = std::min(left.find(','), left.size());
    names.emplace_back(left.substr(0, end));
    const std::string& name = names.back();
    if (name != "memory" && name != "records" && show::find_view(name) == nullptr) {
      return fail(Fault::usage, "arguments", name, "no such view", "see img-show --help");
    }
    if (end == left.size()) {
      break;
    }
    left.remove_prefix(end + 1);
  }
  const bool alone = names.size() == 1;
  if (!alone && std::ranges::any_of(names, [](const std::string& name) {
        return name == "records" || name == "memory";
      })) {
    return fail(Fault::usage, "arguments", what, "memory and records can only be shown alone");
  }
  if (kind.empty() == (names[0] == "records")) {
    return fail(Fault::usage, "arguments", kind.empty() ? "records" : kind,
                kind.empty() ? "of which kind?" : "one argument too many");
  }
  return names;
}

PageOut::PageOut(frame::Call& call) {
  if (call.report.is_json()) {
    page_ = std::make_unique<show::JsonPage>(call.report.json());
    return;
  }
  page_ = std::make_unique<show::TextPage>(
      [&out = call.report.text()](std::string_view piece) { out << piece; },
      show::TextStyle{call.streams.unicode, call.streams.color});
}

Result<int> finish(const show::Subject& subject, frame::Call& call, int exit_code) {
  if (subject.troubles().empty()) {
    return exit_code;
  }
  if (call.report.is_json()) {
    JsonWriter& json = call.report.json();
    json.begin_array("unreadable");
    for (const Error& error : subject.troubles()) {
      json.begin_object();
      json.text("thing", error.thing);
      json.text("what", error.what);
      json.text("why", error.why);
      json.text("hint", error.hint);
      json.end();
    }
    json.end();
  } else {
    for (const Error& error : subject.troubles().subspan(1)) {
      call.report.note(error.line());
    }
  }
  return fail(subject.troubles().front());
}

}  // namespace img::tools
