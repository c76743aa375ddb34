// SPDX-License-Identifier: MIT
// Plans of real dumps in which one thing was changed by somebody who means no good.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <functional>
#include <sstream>

#include "libimg/criu/directory_reader.h"
#include "live/plan/files/image_files.h"
#include "live/plan/make_plan.h"
#include "live/plan/print.h"
#include "schema/pstree_generated.h"
#include "tests/fixtures/some_machine.h"

namespace img::plan {
namespace {

using testing::HasSubstr;
using testing::Not;

/// A fixture whose records go through a function first, which may change them in place.
class ChangedImage : public model::ImageReader {
 public:
  using Change = std::function<void(const model::Record&, std::uint8_t*)>;

  ChangedImage(const std::string& dump, Change change)
      : reader_(*criu::DirectoryReader::open(STASIS_FIXTURES "/dumps/" + dump)),
        change_(std::move(change)) {}

  const schema::ImageHeader& header() const override { return reader_->header(); }
  const std::string& place() const override { return reader_->place(); }
  Result<ImageReader*> parent() override { return nullptr; }
  Result<std::vector<model::FileKey>> files() override { return reader_->files(); }
  std::string file_name(model::FileKey file) const override { return reader_->file_name(file); }
  Result<void> read(model::FileKey file, model::RecordSink& sink) override {
    Changer changer(sink, change_);
    return reader_->read(file, changer);
  }

 private:
  struct Changer : model::RecordSink {
    Changer(model::RecordSink& sink, const Change& change) : to(sink), how(change) {}
    Result<void> record(const model::Record& record) override {
      std::vector<std::byte> copy(record.flatbuffer.begin(), record.flatbuffer.end());
      model::Record changed = record;
      changed.flatbuffer = copy;
      how(changed, reinterpret_cast<std::uint8_t*>(copy.data()));
      return to.record(changed);
    }
    model::RecordSink& to;
    const Change& how;
  };

  std::unique_ptr<criu::DirectoryReader> reader_;
  Change change_;
};

// A number that is there already.
template <class T>
void set(const void* table, flatbuffers::voffset_t field, T value) {
  auto* at = const_cast<flatbuffers::Table*>(static_cast<const flatbuffers::Table*>(table));
  EXPECT_TRUE(at->SetField<T>(field, value, T{}));
}
void replace(const flatbuffers::String* text, std::string_view from, std::string_view to) {
  const std::size_t at = text->string_view().find(from);
  ASSERT_NE(at, std::string_view::npos);
  ASSERT_EQ(from.size(), to.size());
  std::copy(to.begin(), to.end(), const_cast<char*>(text->c_str()) + at);
}

using fixtures::some_machine;

/// The plan as printed, with refusals and notes; or the error.
std::string planned(const std::string& dump, ChangedImage::Change change) {
  ChangedImage image(dump, std::move(change));
  const auto files = ImageFiles::read(image, {});
  EXPECT_TRUE(files.has_value());
  PlanOptions options;
  options.shell_job = true;
  const auto plan = make_plan(image, some_machine(), options, **files);
  if (!plan) {
    return "error: " + plan.error().line();
  }
  std::ostringstream out;
  print(out, *plan);
  for (const state::Refusal& refusal : plan->refusals) {
    out << "refused: " << refusal.line() << '\n';
  }
  return out.str();
}

void each_file(const model::Record& record,
               const std::function<void(const schema::RegFileEntry&)>& look) {
  if (record.table != nullptr && record.table->name == "FileEntry") {
    if (const auto* file = record.as<schema::FileEntry>()->reg(); file != nullptr) {
      look(*file);
    }
  }
}

TEST(HostilePlan, ASignalOwnerOutsideOfTheTreeIsLost) {
  const std::string plan = planned("fds", [](const model::Record& record, std::uint8_t*) {
    each_file(record, [](const schema::RegFileEntry& file) {
      set<std::uint32_t>(file.fown(), schema::FownEntry::VT_PID, 1);
      set<std::uint32_t>(file.fown(), schema::FownEntry::VT_SIGNUM, 9);
    });
  });
  EXPECT_THAT(plan, HasSubstr("who gets the signals of a file"));
  EXPECT_THAT(plan, Not(HasSubstr("owner of descriptor")));
}

TEST(HostilePlan, WhatHadBeenDeletedHasAPlainName) {
  const auto climb = [](const model::Record& record, std::uint8_t*) {
    each_file(record, [](const schema::RegFileEntry& file) {
      const std::string_view name = file.name()->string_view();
      if (name.size() > 8) {
        replace(file.name(), name.substr(0, 7), "/../../");
      }
    });
  };
  const std::string plan = planned("ghost", climb);
  EXPECT_THAT(plan, HasSubstr("it is not where a deleted file can have been"));
  EXPECT_THAT(plan, Not(HasSubstr("mkdirat")));
  EXPECT_THAT(plan, Not(HasSubstr("unlinkat")));
}

TEST(HostilePlan, ALinkRemapIsNotJustAnyFile) {
  const std::string plan = planned("zoo", [](const model::Record& record, std::uint8_t*) {
    each_file(record, [](const schema::RegFileEntry& file) {
      if (file.name()->string_view().find("link_remap.") != std::string_view::npos) {
        replace(file.name(), "link_remap.", "precious...");
      }
    });
  });
  EXPECT_THAT(plan, HasSubstr("it is not called link_remap.N"));
  EXPECT_THAT(plan, Not(HasSubstr("remove link remap")));
}

TEST(HostilePlan, AGroupHasNoThreadsNumber) {
  constexpr std::uint32_t kThread = 27312;
  const std::string plan = planned("cgroups", [](const model::Record& record, std::uint8_t*) {
    if (record.key.file.kind == model::Kind::pstree && record.key.seq == 2) {
      set(record.as<schema::PstreeEntry>(), schema::PstreeEntry::VT_PGID, kThread);
    }
  });
  EXPECT_THAT(plan, HasSubstr("its number is impossible, or a task's that does not lead it"));
}

// 27309 belongs to the session of its younger brother, and has a child in that of another one.
TEST(HostilePlan, OrphansOfSessionsMayHaveOrphansOfOthers) {
  const std::string plan = planned("cgroups", [](const model::Record& record, std::uint8_t*) {
    if (record.key.file.kind != model::Kind::pstree || record.key.seq == 0) {
      return;
    }
    const auto* entry = record.as<schema::PstreeEntry>();
    const auto belongs = [entry](std::uint32_t parent, std::uint32_t session) {
      set(entry, schema::PstreeEntry::VT_PPID, parent);
      set(entry, schema::PstreeEntry::VT_SID, session);
      set(entry, schema::PstreeEntry::VT_PGID, session);
    };
    switch (entry->pid()) {
      case 27308: return belongs(27307, 27308);
      case 27309: return belongs(27307, 27308);
      case 27310: return belongs(27309, 27311);
      case 27311: return belongs(27307, 27311);
      default: return;
    }
  });
  EXPECT_THAT(plan, HasSubstr("27308 make task 2147483648 (helper)"));
  EXPECT_THAT(plan, HasSubstr("2147483648 make task 27309"));
  EXPECT_THAT(plan, HasSubstr("27311 make task 2147483649 (helper)"));
  EXPECT_THAT(plan, HasSubstr("2147483649 make task 27310"));
}

}  // namespace
}  // namespace img::plan
