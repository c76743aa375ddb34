// SPDX-License-Identifier: MIT
#include "tests/tools/bound_store.h"

#include <gtest/gtest.h>

#include <vector>

#include "libimg/criu/directory_reader.h"
#include "libimg/model/store_image.h"
#include "schema/settings_generated.h"
#include "tests/fixtures/edited_image.h"

namespace img::tools {
namespace {

constexpr std::uint32_t kSingle = 26589;

void settings(flatbuffers::FlatBufferBuilder& builder) {
  builder.ForceDefaults(true);
  const auto cpus = builder.CreateVector(std::vector<std::uint64_t>{1});
  schema::ThreadSettingsBuilder thread(builder);
  thread.add_tid(kSingle);
  thread.add_cpus(cpus);
  const auto threads = builder.CreateVector(std::vector{thread.Finish()});
  schema::TaskSettingsBuilder task(builder);
  task.add_threads(threads);
  builder.Finish(task.Finish());
}

}  // namespace

void make_bound_store(const std::string& place) {
  auto dump = criu::DirectoryReader::open(STASIS_FIXTURES "/dumps/single");
  auto store = store::Store::create(place);
  store::HeaderDraft draft;
  draft.name = "bound";
  draft.series = "bound";
  auto writer = model::StoreImageWriter::begin(*store, draft);
  ASSERT_TRUE(dump && store && writer);
  flatbuffers::FlatBufferBuilder builder;
  settings(builder);
  fixtures::EditedImage image(**dump);
  image.add({model::Kind::settings, kSingle}, "TaskSettings", builder);
  const auto files = image.files();
  ASSERT_TRUE(files);
  for (const model::FileKey& file : *files) {
    const auto copied = image.read(file, **writer);
    ASSERT_TRUE(copied) << copied.error().line();
  }
  ASSERT_TRUE((*writer)->commit());
}

}  // namespace img::tools
