// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>

#include "libimg/base/image_name.h"
#include "libimg/base/units.h"
#include "libimg/convert/flatten.h"
#include "libimg/convert/unite.h"
#include "tools/frame/arguments.h"
#include "tools/frame/progress.h"
#include "tools/source_options.h"
#include "tools/tools.h"

namespace img::tools {
namespace {

constexpr std::string_view kHelp =
    R"(img-merge: images of many sources in one store; chains made whole

usage: img-merge --into STORE SRC... [options]      (or: img-merge STORE SRC...)
       img-merge --flatten STORE -i NAME [--as NEW] [options]

Every image of every SRC goes into STORE, which is made if it is missing: a SRC
is a store, a CRIU directory, an archive, a JSON directory, or a folder of them.
Pages that the store has are referred to. Images that it has are left alone.

  --into STORE   where to
  --flatten      make NAME an image without parent, or NEW beside it; those that
                 have NAME as parent keep the old one, which then has no name
  -i NAME        the image of the one store that is given
  --as NAME      its name (default: as it was, else SERIES-TIME)
  --series S     the series they belong to (default: as it was, else the root
                 program's name)
  --force        replace images of the same name
  --json, -v, -q, -h, --version

Examples:
  img-merge --into all.store dump web.store
  img-merge all.store web.store::redis
  img-merge --flatten web.store -i redis --as redis-full
)";

constexpr frame::ToolInfo kInfo = {"img-merge", "merge", kHelp};

class ImgMerge : public frame::Program {
 public:
  [[nodiscard]] const frame::ToolInfo& info() const override { return kInfo; }
  void declare(CLI::App& app) override;
  [[nodiscard]] Result<int> run(frame::Call& call) override;

 private:
  [[nodiscard]] Result<void> sort_arguments();
  [[nodiscard]] Result<std::vector<convert::Joined>> merge(frame::Call& call) const;
  [[nodiscard]] Result<std::vector<convert::Joined>> flatten(const convert::Options& options) const;

  std::vector<std::string> arguments_;
  std::string store_;
  std::string image_;
  std::string as_;
  std::string series_;
  bool flatten_ = false;
  bool force_ = false;
};

void ImgMerge::declare(CLI::App& app) {
  app.add_option("SRC", arguments_)->required();
  app.add_option("--into", store_);
  app.add_flag("--flatten", flatten_);
  app.add_option("-i,--image", image_);
  app.add_option("--as", as_);
  app.add_option("--series", series_);
  app.add_flag("--force", force_);
}

// The store is --into's, or the first of what follows.
Result<void> ImgMerge::sort_arguments() {
  if (store_.empty()) {
    store_ = arguments_.front();
    arguments_.erase(arguments_.begin());
  }
  if (flatten_ && !arguments_.empty()) {
    return fail(Fault::usage, arguments_.front(), "--flatten takes one store and nothing else");
  }
  if (!flatten_ && arguments_.empty()) {
    return frame::usage_error(kInfo, "no SRC to merge into " + store_);
  }
  if (!image_.empty() && arguments_.size() > 1) {
    return fail(Fault::usage, "-i " + image_, "which of the sources has it?", {},
                "give it as STORE::" + image_);
  }
  for (const std::string& name : {as_, series_}) {
    if (!name.empty()) {
      IMG_TRY(check_image_name(name));
    }
  }
  return {};
}

Result<std::vector<convert::Joined>> ImgMerge::flatten(const convert::Options& options) const {
  IMG_ASSIGN(const convert::Source source, convert::recognise(store_, {.image = image_}));
  if (source.form != convert::Form::store) {
    return fail(Fault::usage, store_, "is a " + std::string(convert::form_name(source.form)), {},
                "img-convert --flatten takes it");
  }
  if (source.image.empty()) {
    return frame::usage_error(kInfo, "which image of " + store_ + "?", "-i NAME");
  }
  convert::Joined joined;
  joined.from = source.place();
  IMG_ASSIGN(joined.levels.emplace_back(),
             convert::flatten_in_store(source.path, source.image, options));
  return std::vector{std::move(joined)};
}

Result<std::vector<convert::Joined>> ImgMerge::merge(frame::Call& call) const {
  convert::Copied copied;
  frame::Progress progress(call, "img-merge", [&copied] { return copied.bytes.load(); });
  convert::Options options;
  options.as = as_;
  options.series = series_;
  options.force = force_;
  options.now_ns = call.streams.now_ns();
  options.stop = call.streams.signal;
  options.copied = &copied;
  if (flatten_) {
    return flatten(options);
  }
  std::vector<convert::Source> sources;
  for (const std::string& argument : arguments_) {
    IMG_ASSIGN(sources.emplace_back(), convert::recognise(argument, source_options(image_, call)));
  }
  return convert::unite(sources, store_, options);
}

struct Totals {
  std::uint64_t images = 0;
  std::uint64_t reused = 0;
  std::uint64_t bytes = 0;
  std::uint64_t stored = 0;

  explicit Totals(const std::vector<convert::Joined>& all) {
    for (const convert::Joined& joined : all) {
      for (const convert::Made& made : joined.levels) {
        images += made.reused ? 0 : 1;
        reused += made.reused ? 1 : 0;
        bytes += made.bytes;
        stored += made.stored;
      }
    }
  }
};

void report_level(JsonWriter& json, const convert::Made& made) {
  json.begin_object();
  json.text("place", made.place);
  json.text("name", made.name);
  json.boolean("reused", made.reused);
  json.number("files", made.files);
  json.number("records", made.records);
  json.number("bytes", made.bytes);
  json.number("stored_bytes", made.stored);
  json.end();
}

void report_json(JsonWriter& json, const std::string& store,
                 const std::vector<convert::Joined>& all) {
  json.text("store", store);
  json.begin_array("images");
  for (const convert::Joined& joined : all) {
    json.begin_object();
    json.text("from", joined.from);
    json.begin_array("levels");
    for (const convert::Made& made : joined.levels) {
      report_level(json, made);
    }
    json.end();
    if (joined.error) {
      frame::write_error(json, *joined.error);
    }
    json.end();
  }
  json.end();
  const Totals totals(all);
  json.number("copied", totals.images);
  json.number("reused", totals.reused);
  json.number("bytes", totals.bytes);
  json.number("stored_bytes", totals.stored);
}

void report_text(frame::Call& call, const std::vector<convert::Joined>& all) {
  for (const convert::Joined& joined : all) {
    for (const convert::Made& made : joined.levels) {
      call.report.text() << made.place << (made.reused ? " (already there)" : "") << '\n';
    }
  }
  const Totals totals(all);
  call.report.text() << totals.images << (totals.images == 1 ? " image" : " images") << ", "
                     << size_text(totals.bytes)
                     << "; new in the store: " << size_text(totals.stored) << '\n';
}

Result<int> ImgMerge::run(frame::Call& call) {
  IMG_TRY(sort_arguments());
  IMG_ASSIGN(const std::vector<convert::Joined> all, merge(call));
  if (call.report.is_json()) {
    report_json(call.report.json(), store_, all);
  } else if (!call.common.quiet) {
    report_text(call, all);
  }
  const Error* first = nullptr;
  for (const convert::Joined& joined : all) {
    if (joined.error && first == nullptr) {
      first = &*joined.error;
    } else if (joined.error) {
      call.report.note(joined.error->line());
    }
  }
  return first == nullptr ? Result<int>(0) : fail(*first);
}

}  // namespace

std::unique_ptr<frame::Program> img_merge() {
  return std::make_unique<ImgMerge>();
}

}  // namespace img::tools
