// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>
#include <ranges>

#include "libimg/convert/open_image.h"
#include "libimg/convert/single_file.h"
#include "libimg/show/dot.h"
#include "libimg/show/records.h"
#include "libimg/show/views.h"
#include "tools/frame/arguments.h"
#include "tools/frame/stream_sink.h"
#include "tools/show_memory.h"
#include "tools/show_page.h"
#include "tools/tools.h"

namespace img::tools {
namespace {

constexpr std::string_view kHelp =
    R"(img-show: what is in a checkpoint, and what makes it big

usage: img-show SRC [WHAT[,WHAT...]|all] [options]

SRC is a store, a CRIU or JSON directory, or one image file (as crit shows it).
WHAT: summary (default) images tree ps zombies fds files sockets remaps rss mems
  cgroups namespaces mounts size stats container rootfs env memory records KIND
  -i NAME        the image of a store     --pid P   only this process (repeated)
  --from KIND    what SRC must be          --nopl    records without content
  --cmd, --env   with command lines, with environments; --dot  tree for Graphviz
of memory (exit 1: not found):
  --address A --length N   a part of it; with --raw into -o FILE as it is
  --search TEXT, --search-file F, --regex RE   with --context N bytes around it
  --json         report as JSON
  -v, -q         say more, say less;  -h, --version

Examples:
  img-show dump
  img-show dump ps,fds --cmd
  img-show dump memory --search /bin --context 16
)";

constexpr frame::ToolInfo kInfo = {"img-show", "show", kHelp};

class ImgShow : public frame::Program {
 public:
  [[nodiscard]] const frame::ToolInfo& info() const override { return kInfo; }
  void declare(CLI::App& app) override;
  [[nodiscard]] Result<int> run(frame::Call& call) override;

 private:
  [[nodiscard]] Result<convert::Source> source(const frame::Call& call) const;
  [[nodiscard]] Result<int> images(const convert::Source& source, frame::Call& call) const;
  [[nodiscard]] Result<int> views(const convert::Source& source,
                                  const std::vector<std::string>& names, frame::Call& call) const;
  [[nodiscard]] Result<void> records(show::Subject& subject, frame::Call& call) const;

  std::string source_;
  std::string what_;
  std::string kind_;
  std::string image_;
  std::string from_;
  std::vector<std::uint32_t> pids_;
  bool command_lines_ = false;
  bool environments_ = false;
  bool no_payload_ = false;
  bool dot_ = false;
  ShowMemory memory_;
};

void ImgShow::declare(CLI::App& app) {
  app.add_option("SRC", source_)->required();
  app.add_option("WHAT", what_);
  app.add_option("KIND", kind_);
  app.add_option("-i,--image", image_);
  app.add_option("--from", from_);
  app.add_option("--pid", pids_)->take_all()->expected(1);
  app.add_flag("--cmd", command_lines_);
  app.add_flag("--env", environments_);
  app.add_flag("--nopl", no_payload_);
  app.add_flag("--dot", dot_);
  memory_.declare(app);
}

Result<convert::Source> ImgShow::source(const frame::Call& call) const {
  convert::SourceOptions options;
  options.image = image_;
  options.input = call.streams.in;
  options.stop = call.streams.signal;
  if (!from_.empty()) {
    IMG_ASSIGN(options.from, convert::parse_form(from_));
  }
  return convert::recognise(source_, options);
}

Result<int> ImgShow::images(const convert::Source& source, frame::Call& call) const {
  IMG_ASSIGN(const std::vector<convert::Source> all, convert::images_of(source));
  std::optional<show::Subject> first;
  std::vector<std::unique_ptr<model::ImageReader>> kept;
  PageOut out(call);
  show::ImageTable table(out.page());
  // Newest first, so that a chain stands together under its last level.
  for (const convert::Source& one : all | std::views::reverse) {
    IMG_ASSIGN(auto reader, convert::open_image(one));
    IMG_ASSIGN(show::Subject subject, show::Subject::open(*reader));
    table.add(subject);
    if (!first) {
      kept.push_back(std::move(reader));
      first = std::move(subject);
    } else {
      for (const Error& error : subject.troubles()) {
        first->trouble(error);
      }
    }
  }
  table.end();
  return first ? finish(*first, call, 0) : Result<int>(0);
}

Result<void> ImgShow::records(show::Subject& subject, frame::Call& call) const {
  IMG_ASSIGN(const auto files, show::record_files(subject, kind_));
  frame::StreamSink sink(*call.streams.out);
  for (const model::FileKey file : files) {
    IMG_TRY(convert::show_records(subject.reader(), file, {true, !no_payload_, true}, sink));
  }
  return {};
}

Result<int> ImgShow::views(const convert::Source& source, const std::vector<std::string>& names,
                           frame::Call& call) const {
  IMG_ASSIGN(const auto reader, convert::open_image(source));
  IMG_ASSIGN(show::Subject subject,
             show::Subject::open(*reader, {pids_, command_lines_, environments_}));
  for (const std::uint32_t pid : pids_) {
    if (subject.tree().find(pid) == nullptr && !subject.has({model::Kind::pagemap, pid})) {
      return fail(Fault::missing, subject.reader().place(), "no process " + std::to_string(pid));
    }
  }
  if (names[0] == "records") {
    IMG_TRY(records(subject, call));
    return finish(subject, call, 0);
  }
  if (names[0] == "memory") {
    PageOut out(call);
    IMG_ASSIGN(const int code, memory_.run(subject, out.page(), call));
    out.close();
    return finish(subject, call, code);
  }
  if (dot_) {
    call.report.text() << show::tree_as_dot(subject);
    return finish(subject, call, 0);
  }
  {
    PageOut out(call);
    for (const std::string& name : names) {
      show::find_view(name)->show(subject, out.page());
    }
  }
  return finish(subject, call, 0);
}

Result<int> ImgShow::run(frame::Call& call) {
  IMG_ASSIGN(const std::vector<std::string> names,
             wanted_views(what_, kind_, memory_.is_asked() ? "memory" : "summary"));
  if (call.report.is_json() && (dot_ || names[0] == "records")) {
    return fail(Fault::usage, "arguments", "--json",
                dot_ ? "DOT is not JSON" : "records are JSON, but crit's: leave out --json");
  }
  IMG_ASSIGN(const convert::Source from, source(call));
  if (from.form == convert::Form::criu_file && what_.empty() && !call.report.is_json()) {
    frame::StreamSink sink(*call.streams.out);
    IMG_TRY(convert::show_single(from, {true, !no_payload_, true}, sink));
    return 0;
  }
  if (from.form == convert::Form::criu_file || from.form == convert::Form::json_file) {
    return fail(Fault::usage, from.place(), "one file, not an image", "views need the whole image",
                "leave out WHAT and --json to see its records");
  }
  if (names.size() == 1 && names[0] == "images") {
    return images(from, call);
  }
  return views(from, names, call);
}

}  // namespace

std::unique_ptr<frame::Program> img_show() {
  return std::make_unique<ImgShow>();
}

}  // namespace img::tools
