// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>
#include <array>
#include <optional>

#include "libimg/base/text.h"
#include "libimg/base/units.h"
#include "libimg/convert/open_image.h"
#include "libimg/diff/difference.h"
#include "libimg/model/store_image.h"
#include "tools/source_options.h"
#include "tools/tools.h"

namespace img::tools {
namespace {

constexpr std::string_view kHelp =
    R"(img-diff: what is different between two checkpoints

usage: img-diff A B [options]

A and B are each a store, a CRIU directory, an archive or a JSON directory;
PATH::NAME is one image of a store. Processes (by pid), descriptors, sockets,
mappings, then everything else field by field, then pages: how many differ, and
in which mapping. Facts of the dumps themselves are left out: their statistics,
uptime and run ids.

  --pages        the ranges of addresses whose pages differ
  --json, -v, -q, -h, --version      (-v: all that differs in the other records)

Exit: 0 the same, 1 different, 2 could not.

Examples:
  img-diff dump web.store
  img-diff web.store::redis web.store::redis --json
  img-diff dump web.store::redis --pages
)";

constexpr frame::ToolInfo kInfo = {"img-diff", "diff", kHelp};

constexpr std::array<std::string_view, 5> kSections = {"processes", "descriptors", "sockets",
                                                       "mappings", "records"};
constexpr std::array<std::string_view, 3> kChanges = {"added", "gone", "changed"};
constexpr std::array<char, 3> kSigns = {'+', '-', '~'};

/// Text for people.
class TextSink : public diff::Sink {
 public:
  TextSink(std::ostream& out, bool ranges, bool all_fields)
      : out_(out), ranges_(ranges), most_fields_(all_fields ? diff::kMostFields : 3) {}

  void item(diff::Section section, const diff::Item& item) override {
    if (section_ != section) {
      section_ = section;
      out_ << kSections[static_cast<std::size_t>(section)] << ":\n";
    }
    const bool names_pid =
        section == diff::Section::descriptors || section == diff::Section::mappings;
    out_ << "  " << kSigns[static_cast<std::size_t>(item.change)] << ' ';
    if (names_pid) {
      out_ << item.pid << ' ';
    }
    out_ << escaped(item.what) << (item.words.empty() ? "" : "  ") << escaped(item.words);
    std::size_t shown = 0;
    for (const diff::FieldChange& field : item.fields) {
      if (shown++ == most_fields_) {
        break;
      }
      out_ << (shown == 1 ? ": " : ", ") << field.field << ' ' << shown_text(field.before) << " -> "
           << shown_text(field.after);
    }
    const std::uint64_t more =
        item.fields.size() - std::min(item.fields.size(), most_fields_) + item.more_fields;
    if (more != 0) {
      out_ << ", " << more << " more";
    }
    out_ << '\n';
  }

  void range(model::FileKey, const diff::PageRange& range) override {
    if (ranges_) {
      pages_header();
      out_ << "    " << kSigns[static_cast<std::size_t>(range.change)] << " 0x" << std::hex
           << range.address << "-0x" << range.address + range.bytes << std::dec << ' '
           << size_text(range.bytes) << '\n';
    }
  }

  void page(const diff::PageItem& item) override {
    pages_header();
    out_ << "  " << escaped(item.what) << ": " << counts(item.pages) << '\n';
    for (const diff::PagePlace& place : item.places) {
      out_ << "    ";
      if (place.end != 0) {
        out_ << "0x" << std::hex << place.start << "-0x" << place.end << std::dec << ' ';
      }
      out_ << escaped(place.words) << ": " << counts(place.pages) << '\n';
    }
  }

  [[nodiscard]] static std::string counts(const diff::PageCounts& pages) {
    std::string text = std::to_string(pages.changed) + " changed";
    if (pages.added != 0) {
      text += ", " + std::to_string(pages.added) + " added";
    }
    if (pages.gone != 0) {
      text += ", " + std::to_string(pages.gone) + " gone";
    }
    return text;
  }

 private:
  [[nodiscard]] static std::string shown_text(const std::string& text) {
    return text.empty() ? "(none)" : escaped(text, 80);
  }
  void pages_header() {
    if (!has_pages_) {
      has_pages_ = true;
      out_ << "pages:\n";
    }
  }

  std::ostream& out_;
  bool ranges_;
  std::size_t most_fields_;
  std::optional<diff::Section> section_;
  bool has_pages_ = false;
};

/// One list after the other; those with nothing in them too.
class JsonSink : public diff::Sink {
 public:
  JsonSink(JsonWriter& json, bool ranges) : json_(json), ranges_(ranges) {}

  void item(diff::Section section, const diff::Item& item) override {
    open_until(static_cast<std::size_t>(section));
    json_.begin_object();
    json_.text("change", kChanges[static_cast<std::size_t>(item.change)]);
    if (item.pid != 0) {
      json_.number("pid", item.pid);
    }
    json_.text("what", item.what);
    if (!item.words.empty()) {
      json_.text("words", item.words);
    }
    if (item.change == diff::Change::changed) {
      json_.begin_array("fields");
      for (const diff::FieldChange& field : item.fields) {
        json_.begin_object();
        json_.text("field", field.field);
        json_.text("before", field.before);
        json_.text("after", field.after);
        json_.end();
      }
      json_.end();
      json_.number("more_fields", item.more_fields);
    }
    json_.end();
  }

  void range(model::FileKey file, const diff::PageRange& range) override {
    if (!ranges_) {
      return;
    }
    open_until(kSections.size());
    json_.begin_object();
    json_.boolean("shared", file.kind == schema::Kind::pagemap_shmem);
    json_.number("id", file.id);
    json_.text("change", kChanges[static_cast<std::size_t>(range.change)]);
    json_.hex("address", range.address);
    json_.number("bytes", range.bytes);
    json_.end();
  }

  void page(const diff::PageItem& item) override { pages_.push_back(item); }

  void finish(const diff::Summary& summary) {
    open_until(kSections.size());
    json_.end();
    json_.begin_array("memory");
    for (const diff::PageItem& item : pages_) {
      json_.begin_object();
      json_.boolean("shared", item.file.kind == schema::Kind::pagemap_shmem);
      json_.number("id", item.file.id);
      json_.text("what", item.what);
      counts(item.pages);
      json_.begin_array("mappings");
      for (const diff::PagePlace& place : item.places) {
        json_.begin_object();
        json_.hex("start", place.start);
        json_.hex("end", place.end);
        json_.text("what", place.words);
        counts(place.pages);
        json_.end();
      }
      json_.end();
      json_.end();
    }
    json_.end();
    json_.boolean("same", summary.is_same());
    json_.number("differences", summary.items);
    json_.number("page_size", summary.page_size);
    json_.begin_object("pages");
    counts(summary.pages);
    json_.end();
  }

 private:
  void counts(const diff::PageCounts& pages) {
    json_.number("same", pages.same);
    json_.number("changed", pages.changed);
    json_.number("added", pages.added);
    json_.number("gone", pages.gone);
  }

  void open_until(std::size_t section) {
    while (next_ <= section) {
      if (next_ != 0) {
        json_.end();
      }
      json_.begin_array(next_ < kSections.size() ? kSections[next_] : "ranges");
      ++next_;
    }
  }

  JsonWriter& json_;
  bool ranges_;
  std::size_t next_ = 0;  // list to be opened
  std::vector<diff::PageItem> pages_;
};

class ImgDiff : public frame::Program {
 public:
  [[nodiscard]] const frame::ToolInfo& info() const override { return kInfo; }
  void declare(CLI::App& app) override {
    app.add_option("A", before_)->required();
    app.add_option("B", after_)->required();
    app.add_flag("--pages", pages_);
  }
  [[nodiscard]] Result<int> run(frame::Call& call) override;

 private:
  struct Images {
    std::unique_ptr<model::ImageReader> before;
    std::unique_ptr<model::ImageReader> after;
  };
  [[nodiscard]] Result<Images> open(const frame::Call& call) const;

  std::string before_;
  std::string after_;
  bool pages_ = false;
};

Result<ImgDiff::Images> ImgDiff::open(const frame::Call& call) const {
  IMG_ASSIGN(const convert::Source before, convert::recognise(before_, source_options({}, call)));
  IMG_ASSIGN(const convert::Source after, convert::recognise(after_, source_options({}, call)));
  Images images;
  if (before.form == convert::Form::store && after.form == before.form &&
      before.path == after.path) {
    // What both refer to is then mapped once, and known to be the same without a look.
    IMG_ASSIGN(const std::shared_ptr<const store::Store> store, store::Store::open(before.path));
    IMG_ASSIGN(images.before, model::StoreImageReader::open(store, before.image));
    IMG_ASSIGN(images.after, model::StoreImageReader::open(store, after.image));
    return images;
  }
  IMG_ASSIGN(images.before, convert::open_image(before, {{}, call.streams.signal}));
  IMG_ASSIGN(images.after, convert::open_image(after, {{}, call.streams.signal}));
  return images;
}

Result<int> ImgDiff::run(frame::Call& call) {
  IMG_ASSIGN(const Images images, open(call));
  diff::Summary summary;
  if (call.report.is_json()) {
    call.report.json().text("before", before_);
    call.report.json().text("after", after_);
    JsonSink sink(call.report.json(), pages_);
    IMG_ASSIGN(summary, diff::compare(*images.before, *images.after, sink));
    sink.finish(summary);
  } else {
    std::ostream nowhere(nullptr);
    TextSink sink(call.common.quiet ? nowhere : call.report.text(), pages_,
                  call.common.verbosity > 0);
    IMG_ASSIGN(summary, diff::compare(*images.before, *images.after, sink));
    if (!call.common.quiet) {
      call.report.text() << (summary.is_same() ? "the same: " : "different: ") << summary.items
                         << (summary.items == 1 ? " thing" : " things")
                         << "; pages: " << TextSink::counts(summary.pages) << ", "
                         << summary.pages.same << " the same\n";
    }
  }
  return summary.is_same() ? 0 : 1;
}

}  // namespace

std::unique_ptr<frame::Program> img_diff() {
  return std::make_unique<ImgDiff>();
}

}  // namespace img::tools
