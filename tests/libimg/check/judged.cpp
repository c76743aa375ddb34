// SPDX-License-Identifier: MIT
#include "tests/libimg/check/judged.h"

#include <gtest/gtest.h>

#include <fstream>

#include "libimg/convert/open_image.h"
#include "libimg/convert/single_file.h"
#include "libimg/criu/directory_reader.h"

namespace img::check {
namespace {

namespace fs = std::filesystem;

class Kept : public FindingSink {
 public:
  explicit Kept(Judgement& judgement) : kept(judgement) {}
  void finding(const Finding& finding) override { kept.findings.push_back(finding); }
  void need(const Need& need) override { kept.needs.push_back(need); }
  void not_asked(RuleId rule, std::string_view why) override {
    kept.not_asked.emplace_back(rule, why);
  }

 private:
  Judgement& kept;
};

/// One file in another form.
std::string converted(const fs::path& file, convert::Form to) {
  const auto source = convert::recognise(file.string(), {});
  EXPECT_TRUE(source) << source.error().line();
  StringSink sink;
  const auto done = convert::convert_single(*source, to, sink);
  EXPECT_TRUE(done) << done.error().line();
  return std::move(sink.text);
}

void write(const fs::path& file, const std::string& text) {
  std::ofstream out(file, std::ios::binary);
  out << text;
}

}  // namespace

bool Judgement::has(std::string_view rule, Severity severity) const {
  for (const Finding& finding : findings) {
    if (finding.rule_id() == rule && finding.severity == severity) {
      return true;
    }
  }
  return false;
}

std::string Judgement::text() const {
  std::string all;
  for (const Finding& finding : findings) {
    all += finding.line() + "\n";
  }
  return all;
}

/// What img-check does with an archive, which may be one that cannot be opened.
void judge_archive(const fs::path& archive, const Options& options, FindingSink& findings,
                   Summary& summary) {
  const auto source = convert::recognise(archive.string(), {});
  ASSERT_TRUE(source) << source.error().line();
  auto reader = convert::open_image(*source, {options.damage->sink()});
  if (!reader) {
    summary = judge_unopened(archive.string(), options.damage->take(), findings);
    return;
  }
  const auto done = check(**reader, options, findings);
  ASSERT_TRUE(done) << done.error().line();
  summary = *done;
}

Judgement judge(const fs::path& image, Options options) {
  DamageLog damage;
  options.damage = &damage;
  Judgement judgement;
  Kept kept(judgement);
  if (fs::is_regular_file(image)) {
    judge_archive(image, options, kept, judgement.summary);
    return judgement;
  }
  auto reader = criu::DirectoryReader::open(image.string(), {damage.sink()});
  EXPECT_TRUE(reader) << reader.error().line();
  if (reader) {
    const auto summary = check(**reader, options, kept);
    EXPECT_TRUE(summary) << summary.error().line();
    judgement.summary = summary ? *summary : Summary{};
  }
  return judgement;
}

Copy::Copy(const std::string& dump) {
  fs::copy(fs::path(STASIS_FIXTURES "/dumps") / dump, path());
}

void Copy::edit(const std::string& file,
                const std::function<void(nlohmann::ordered_json&)>& change) {
  const fs::path in_json = place_ / (file + ".json");
  auto content = nlohmann::ordered_json::parse(converted(path() / file, convert::Form::json_file));
  change(content);
  write(in_json, content.dump());
  const std::string bytes = converted(in_json, convert::Form::criu_file);
  fs::remove(path() / file);
  write(path() / file, bytes);
}

void Copy::create(const std::string& file, const std::string& magic,
                  nlohmann::ordered_json entries) {
  const fs::path in_json = place_ / (file + ".json");
  write(in_json, nlohmann::ordered_json{{"magic", magic}, {"entries", std::move(entries)}}.dump());
  write(path() / file, converted(in_json, convert::Form::criu_file));
}

void Copy::remove(const std::string& file) {
  EXPECT_TRUE(fs::remove(path() / file)) << file;
}

void Copy::rename(const std::string& from, const std::string& to) {
  fs::rename(path() / from, path() / to);
}

void Copy::append(const std::string& file, const std::string& bytes) {
  std::ofstream out(path() / file, std::ios::binary | std::ios::app);
  out << bytes;
}

}  // namespace img::check
