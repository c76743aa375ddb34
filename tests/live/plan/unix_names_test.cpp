// SPDX-License-Identifier: MIT
// Where a unix socket gets its name, and what becomes of who has that name.
#include "live/plan/files/unix_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <sstream>

#include "libimg/criu/directory_reader.h"
#include "live/plan/print.h"

namespace img::plan {
namespace {

using testing::HasSubstr;
using testing::Not;

/// The calls that bind a socket with this name, and connect another one to it.
std::string bound(std::string_view name, bool is_deleted, FileOptions options = {}) {
  auto reader = criu::DirectoryReader::open(std::string(STASIS_FIXTURES) + "/dumps/single");
  EXPECT_TRUE(reader);
  flatbuffers::FlatBufferBuilder message;
  const auto owner = schema::CreateFownEntry(message);
  const auto socket_options = schema::CreateSkOptsEntry(message);
  const auto bytes =
      message.CreateVector(reinterpret_cast<const std::uint8_t*>(name.data()), name.size());
  schema::UnixSkEntryBuilder entry(message);
  entry.add_id(7);
  entry.add_ino(77);
  entry.add_type(SOCK_STREAM);
  entry.add_fown(owner);
  entry.add_opts(socket_options);
  entry.add_name(bytes);
  entry.add_deleted(is_deleted);
  message.Finish(entry.Finish());
  const auto& socket = *flatbuffers::GetRoot<schema::UnixSkEntry>(message.GetBufferPointer());

  PlanBuilder builder(10);
  FileContext context(**reader, std::move(options));
  context.builder = &builder;
  UnixNames names;
  names.bind(context, builder.new_slot(), socket);
  EXPECT_TRUE(names.connect(context, builder.new_slot(), socket));
  names.finish(context);
  std::ostringstream out;
  print(out, builder.plan());
  return out.str();
}

/// These stand in `text` in this order.
void expect_order(const std::string& text, const std::vector<std::string>& parts) {
  std::size_t at = 0;
  for (const std::string& part : parts) {
    const std::size_t found = text.find(part, at);
    ASSERT_NE(found, std::string::npos) << part << " after " << at << " in\n" << text;
    at = found + part.size();
  }
}

constexpr std::string_view kName("/run/x\0", 7);

TEST(UnixNames, AnOldSocketGivesWay) {
  expect_order(bound(kName, false), {"unlinkat(-100, \"/run/x\"", " bind(", " connect("});
  EXPECT_THAT(bound(kName, false), HasSubstr("bind unix socket:[77] (/run/x)"));
}

TEST(UnixNames, WhoHasTheNameOfADeletedOneComesBack) {
  expect_order(bound(kName, true),
               {"renameat2(-100, \"/run/x\", -100, \"/run/x.cr.7.aside\"", " bind(",
                "unlinkat(-100, \"/run/x\"",
                "renameat2(-100, \"/run/x.cr.7.aside\", -100, \"/run/x\"", " connect("});
}

TEST(UnixNames, AbstractOnesTouchNoFile) {
  const std::string plan = bound(std::string_view("\0x", 2), false);
  EXPECT_THAT(plan, HasSubstr("bind unix socket:[77] (@x)"));
  EXPECT_THAT(plan, Not(HasSubstr("unlinkat")));
}

// Other files of the host may have the same names.
TEST(UnixNames, BelowARootNothingOutsideIsTouched) {
  FileOptions options;
  options.root = "/elsewhere";
  for (const bool is_deleted : {false, true}) {
    const std::string plan = bound(kName, is_deleted, options);
    expect_order(plan, {"chroot(\"/elsewhere\")", "unlinkat(-100, \"/run/x\"", "chroot(\".\")"});
    expect_order(plan, {"chroot(\"/elsewhere\")", " bind(", "chroot(\".\")"});
    EXPECT_LT(plan.find("chroot(\"/elsewhere\")"), plan.find("/run/x\""));
  }
}

}  // namespace
}  // namespace img::plan
