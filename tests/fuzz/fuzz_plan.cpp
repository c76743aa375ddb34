// SPDX-License-Identifier: MIT
// A restore of an image from an enemy: a real image of the fixtures with some of its records
// changed as no dump would have them, for a machine that does not exist. Whatever comes of it is an
// error, or a plan that can be run: nobody acts before he is made, nothing is used before it is
// there, and no name that is made or removed leads elsewhere. Input: number of the image, options,
// then changes of ten bytes each: file, record, what is done, place (2), value (4), how.
#include <filesystem>
#include <map>
#include <sstream>

#include "libimg/criu/directory_reader.h"
#include "live/plan/files/image_files.h"
#include "live/plan/make_plan.h"
#include "live/plan/print.h"
#include "tests/fixtures/some_machine.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/plan_rules.h"
#include "tests/fuzz/record_change.h"

namespace {

using namespace img;

constexpr std::size_t kHead = 2;
constexpr std::size_t kMostChanges = 24;

/// All records of an image, kept.
class KeptImage : public model::ImageReader {
 public:
  struct Kept {
    model::Record record;  // its spans are into the next two
    std::string table;
    std::string payload;
  };
  using Files = std::map<model::FileKey, std::vector<std::shared_ptr<Kept>>>;

  explicit KeptImage(model::ImageReader& from) : from_(from) {}
  KeptImage(const KeptImage&) = default;
  KeptImage& operator=(const KeptImage&) = delete;

  Files kept;

  [[nodiscard]] const schema::ImageHeader& header() const override { return from_.header(); }
  [[nodiscard]] const std::string& place() const override { return from_.place(); }
  [[nodiscard]] Result<ImageReader*> parent() override { return nullptr; }
  [[nodiscard]] std::string file_name(model::FileKey file) const override {
    return from_.file_name(file);
  }
  [[nodiscard]] Result<std::vector<model::FileKey>> files() override {
    std::vector<model::FileKey> out;
    for (const auto& [file, records] : kept) {
      out.push_back(file);
    }
    return out;
  }
  [[nodiscard]] Result<void> read(model::FileKey file, model::RecordSink& sink) override {
    const auto found = kept.find(file);
    if (found != kept.end()) {
      for (const auto& one : found->second) {
        IMG_TRY(sink.record(one->record));
      }
    }
    return {};
  }

 private:
  model::ImageReader& from_;
};

std::shared_ptr<KeptImage::Kept> copy_of(const model::Record& record) {
  auto out = std::make_shared<KeptImage::Kept>();
  out->table = as_text(record.flatbuffer);
  for (const Bytes part : record.payload.parts) {
    out->payload += as_text(part);
  }
  out->record = {record.key, record.table, as_bytes(out->table), {}, {}};
  if (!out->payload.empty()) {
    out->record.payload.parts.push_back(as_bytes(out->payload));
  }
  return out;
}

struct Keeper : model::RecordSink {
  KeptImage* image = nullptr;
  Result<void> record(const model::Record& record) override {
    image->kept[record.key.file].push_back(copy_of(record));
    return {};
  }
};

/// One of the fixtures, opened for as long as we run.
struct Fixture {
  std::unique_ptr<criu::DirectoryReader> reader;
  std::unique_ptr<KeptImage> image;
};

const std::vector<Fixture>& real_images() {
  static const std::vector<Fixture> all = [] {
    std::vector<std::string> places;
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(STASIS_FIXTURES "/dumps")) {
      if (entry.path().filename() == "pstree.img") {
        places.push_back(entry.path().parent_path().string());
      }
    }
    std::sort(places.begin(), places.end());
    std::vector<Fixture> out;
    for (const std::string& place : places) {
      auto reader = criu::DirectoryReader::open(place);
      fuzz::must_hold(reader.has_value(), "a fixture can be opened");
      Fixture one{std::move(*reader), nullptr};
      one.image = std::make_unique<KeptImage>(*one.reader);
      Keeper keeper;
      keeper.image = one.image.get();
      const auto files = one.reader->files();
      for (std::size_t i = 0; files && i < files->size(); ++i) {
        if ((*files)[i].kind != schema::Kind::pages) {
          static_cast<void>(one.reader->read((*files)[i], keeper));
        }
      }
      out.push_back(std::move(one));
    }
    return out;
  }();
  return all;
}

plan::HostFacts some_machine(bool is_root) {
  plan::HostFacts facts = fixtures::some_machine();
  if (!is_root) {
    facts.credentials = {};
    facts.has_timer_ids = false;
  }
  return facts;
}

/// What is done to a whole record or file; false: the change is one inside of a table.
bool change_list(KeptImage::Files& files, std::vector<std::shared_ptr<KeptImage::Kept>>& records,
                 std::size_t record, const fuzz::Change& change) {
  switch (change.what % 16) {
    case 0: records.erase(records.begin() + static_cast<std::ptrdiff_t>(record)); return true;
    case 1: records.push_back(records[record]); return true;
    case 2: records.clear(); return true;
    case 3: {
      // That of another task: its ids are then there twice.
      auto other = files.begin();
      std::advance(other, change.value % files.size());
      if (!records.empty() && !other->second.empty() &&
          other->first.kind == records[0]->record.key.file.kind) {
        records = other->second;
      }
      return true;
    }
    default: return false;
  }
}

void apply(KeptImage& image, const fuzz::Change& change) {
  auto file = image.kept.begin();
  std::advance(file, change.file % image.kept.size());
  auto& records = file->second;
  if (records.empty()) {
    return;
  }
  const std::size_t record = change.record % records.size();
  if (change_list(image.kept, records, record, change) ||
      records[record]->record.table == nullptr) {
    return;
  }
  std::shared_ptr<KeptImage::Kept> changed = copy_of(records[record]->record);
  fuzz::change_table(changed->table, *changed->record.table, change);
  changed->record.flatbuffer = as_bytes(changed->table);
  records[record] = std::move(changed);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < kHead) {
    return 0;
  }
  const Fixture& fixture = real_images()[data[0] % real_images().size()];
  KeptImage image = *fixture.image;
  for (std::size_t at = kHead, n = 0; n < kMostChanges && size - at >= fuzz::Change::kBytes;
       at += fuzz::Change::kBytes, ++n) {
    apply(image, fuzz::Change::from(data + at));
  }
  plan::FileOptions options;
  options.root = (data[1] & 1U) != 0 ? "/srv/there" : "";
  options.shell_job = (data[1] & 2U) != 0;
  options.keep_link_remaps = (data[1] & 4U) != 0;
  if ((data[1] & 8U) != 0) {
    options.exists = [](const std::string& path) { return path.size() % 2 == 0; };
  }
  plan::PlanOptions wanted;
  wanted.shell_job = options.shell_job;
  auto files = plan::ImageFiles::read(image, options);
  if (!files) {
    fuzz::must_be_one_line(files.error().line());
    return 0;
  }
  const auto plan = plan::make_plan(image, some_machine((data[1] & 16U) == 0), wanted, **files);
  if (!plan) {
    fuzz::must_be_one_line(plan.error().line());
    return 0;
  }
  for (const state::Refusal& reason : plan->refusals) {
    fuzz::must_be_one_line(reason.line());
  }
  std::ostringstream text;
  plan::print(text, *plan);
  fuzz::must_be_lines(text.str());
  if (plan->refusals.empty()) {
    fuzz::must_be_runnable(*plan);
  }
  return 0;
}

std::vector<std::string> img::fuzz::seeds() {
  std::vector<std::string> out;
  std::uint32_t random = 1;
  for (std::size_t fixture = 0; fixture < real_images().size(); ++fixture) {
    for (const char options : {'\0', '\2', '\3', '\16'}) {
      std::string one{static_cast<char>(fixture), options};
      out.push_back(one);
      for (std::size_t i = 0; i < 3 * Change::kBytes; ++i) {
        random = random * 1664525 + 1013904223;
        one += static_cast<char>(random >> 24);
      }
      out.push_back(std::move(one));
    }
  }
  return out;
}
