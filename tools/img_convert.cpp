// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>
#include <optional>

#include "libimg/base/image_name.h"
#include "libimg/base/units.h"
#include "libimg/convert/convert.h"
#include "tools/frame/progress.h"
#include "tools/frame/stream_sink.h"
#include "tools/source_options.h"
#include "tools/tools.h"

namespace img::tools {
namespace {

constexpr std::string_view kHelp =
    R"(img-convert: a checkpoint from one form into another, unchanged

usage: img-convert SRC DST [options]

SRC is a store, a CRIU directory, a checkpoint archive (of Podman or CRI-O, or a
tar of a directory), a JSON directory, one image file or its JSON; PATH::NAME is
one image of a store, - standard input or output. DST is made new. A chain
becomes NAME.1 ... NAME.n in a store, and 1/ ... n/ elsewhere.

  -i NAME        the image to take from a store (default: the newest)
  --as NAME      its name in a store (default: SERIES-TIME)
  --series S     its series (default: of the container, else the root program)
  --from KIND    what SRC must be
  --to KIND      store, criu, archive, json, or core: one ELF per process
                 (default: as DST is, or .store .tar .tar.gz .tar.zst .json)
  --pid P        of core: only this process (repeated)
  --flatten      a chain as one image without a parent
  --force        replace a file, or a name in a store
  --json, -v, -q, -h, --version

Examples:
  img-convert dump web.store --as redis
  img-convert web.store::redis copy --to criu
  img-convert dump/pstree.img pstree.json
)";

constexpr frame::ToolInfo kInfo = {"img-convert", "convert", kHelp};

class ImgConvert : public frame::Program {
 public:
  [[nodiscard]] const frame::ToolInfo& info() const override { return kInfo; }
  void declare(CLI::App& app) override;
  [[nodiscard]] Result<int> run(frame::Call& call) override;

 private:
  [[nodiscard]] Result<void> refuse_nonsense(const frame::Call& call) const;
  [[nodiscard]] Result<convert::Source> source(const frame::Call& call) const;
  [[nodiscard]] Result<convert::Outcome> convert_watched(const convert::Source& source,
                                                         const convert::Destination& destination,
                                                         frame::Call& call) const;

  std::string source_;
  std::string destination_;
  std::string image_;
  std::string as_;
  std::string series_;
  std::string from_;
  std::string to_;
  bool force_ = false;
  bool flatten_ = false;
  std::vector<std::uint32_t> pids_;
};

void ImgConvert::declare(CLI::App& app) {
  app.add_option("SRC", source_)->required();
  app.add_option("DST", destination_)->required();
  app.add_option("-i,--image", image_);
  app.add_option("--as", as_);
  app.add_option("--series", series_);
  app.add_option("--from", from_);
  app.add_option("--to", to_);
  app.add_flag("--force", force_);
  app.add_flag("--flatten", flatten_);
  app.add_option("--pid", pids_)->take_all()->expected(1);
}

Result<std::optional<convert::Form>> optional_form(const std::string& text) {
  if (text.empty()) {
    return std::optional<convert::Form>();
  }
  IMG_ASSIGN(const convert::Form form, convert::parse_form(text));
  return std::optional(form);
}

Result<void> ImgConvert::refuse_nonsense(const frame::Call& call) const {
  if (!as_.empty()) {
    IMG_TRY(check_image_name(as_));
  }
  if (destination_ == "-" && call.common.json) {
    return fail(Fault::usage, "standard output", "cannot take both --json and what - is");
  }
  if (destination_ == "-" && call.streams.out_is_terminal) {
    return fail(Fault::usage, "standard output", "is a terminal", {},
                "redirect it, or give a file");
  }
  return {};
}

Result<convert::Source> ImgConvert::source(const frame::Call& call) const {
  convert::SourceOptions options = source_options(image_, call);
  IMG_ASSIGN(options.from, optional_form(from_));
  return convert::recognise(source_, options);
}

Result<convert::Outcome> ImgConvert::convert_watched(const convert::Source& source,
                                                     const convert::Destination& destination,
                                                     frame::Call& call) const {
  frame::StreamSink output(*call.streams.out);
  convert::Copied copied;
  frame::Progress progress(call, "img-convert", [&copied] { return copied.bytes.load(); });
  convert::Options options;
  options.as = as_;
  options.series = series_;
  options.force = force_;
  options.pids = pids_;
  options.flatten = flatten_;
  options.now_ns = call.streams.now_ns();
  options.stop = call.streams.signal;
  options.output = &output;
  options.copied = &copied;
  return convert::convert(source, destination, options);
}

void report_cores(JsonWriter& json, const convert::Outcome& outcome) {
  json.begin_array("cores");
  for (const convert::MadeCore& core : outcome.cores) {
    json.begin_object();
    json.text("place", core.place);
    json.number("pid", core.pid);
    json.number("threads", core.threads);
    json.number("bytes", core.bytes);
    json.number("written", core.written);
    json.end();
  }
  json.end();
  json.begin_array("left_out");
  for (const convert::LeftOut& left : outcome.left_out) {
    json.begin_object();
    json.number("pid", left.pid);
    json.text("why", left.why);
    json.end();
  }
  json.end();
}

void report_json(JsonWriter& json, const convert::Source& source,
                 const convert::Destination& destination, const convert::Outcome& outcome) {
  json.text("source", source.place());
  json.text("source_kind", convert::form_name(source.form));
  json.text("destination", destination.path);
  json.text("destination_kind", convert::form_name(destination.form));
  json.begin_array("levels");
  for (const convert::Made& made : outcome.levels) {
    json.begin_object();
    json.text("place", made.place);
    if (!made.name.empty()) {
      json.text("name", made.name);
    }
    json.boolean("reused", made.reused);
    json.number("files", made.files);
    json.number("records", made.records);
    json.number("bytes", made.bytes);
    json.end();
  }
  json.end();
  if (outcome.settings_left_out != 0) {
    json.number("settings_left_out", outcome.settings_left_out);
  }
  if (destination.form == convert::Form::core) {
    report_cores(json, outcome);
  }
}

std::string settings_left_out(const convert::Outcome& outcome) {
  const std::uint64_t count = outcome.settings_left_out;
  return "settings of " + std::to_string(count) + (count == 1 ? " process" : " processes") +
         " that CRIU has no place for are left out (img-show ps)";
}

void report_text(frame::Call& call, const convert::Outcome& outcome) {
  for (const convert::Made& made : outcome.levels) {
    call.report.text() << made.place << (made.reused ? " (already there)" : "") << '\n';
  }
  for (const convert::MadeCore& core : outcome.cores) {
    call.report.text() << core.place << '\n';
  }
  for (const convert::LeftOut& left : outcome.left_out) {
    call.report.note("process " + std::to_string(left.pid) + ": no core: " + left.why);
  }
  if (outcome.settings_left_out != 0) {
    call.report.note(settings_left_out(outcome));
  }
  if (call.common.verbosity > 0) {
    for (const convert::MadeCore& core : outcome.cores) {
      call.report.note(core.place + ": " + std::to_string(core.threads) +
                       (core.threads == 1 ? " thread, " : " threads, ") + size_text(core.bytes) +
                       ", " + size_text(core.written) + " without holes");
    }
    for (const convert::Made& made : outcome.levels) {
      call.report.note(made.place + ": " + std::to_string(made.files) + " files, " +
                       std::to_string(made.records) + " records, " + size_text(made.bytes));
    }
  }
}

Result<int> ImgConvert::run(frame::Call& call) {
  IMG_TRY(refuse_nonsense(call));
  IMG_ASSIGN(const convert::Source from, source(call));
  IMG_ASSIGN(const std::optional<convert::Form> to, optional_form(to_));
  IMG_ASSIGN(const convert::Destination destination,
             convert::choose_destination(destination_, to, from));
  if (!pids_.empty() && destination.form != convert::Form::core) {
    return fail(Fault::usage, "--pid", "only with --to core", "other forms hold whole images");
  }
  IMG_ASSIGN(const convert::Outcome outcome, convert_watched(from, destination, call));
  if (call.report.is_json()) {
    report_json(call.report.json(), from, destination, outcome);
  } else if (!destination.is_output() && !call.common.quiet) {
    report_text(call, outcome);
  }
  return 0;
}

}  // namespace

std::unique_ptr<frame::Program> img_convert() {
  return std::make_unique<ImgConvert>();
}

}  // namespace img::tools
