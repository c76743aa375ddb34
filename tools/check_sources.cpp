// SPDX-License-Identifier: MIT
#include "tools/check_sources.h"

#include <algorithm>
#include <filesystem>

#include "libimg/check/isolate.h"

namespace img::tools {
namespace {

using convert::Form;
using convert::Source;

/// As long as a slow disk takes for all that the store has, and a minute.
std::chrono::milliseconds time_limit(const std::string& store) {
  constexpr std::uint64_t kBytesPerMillisecond = 20'000;
  std::uint64_t bytes = 0;
  std::error_code ignored;
  for (const char* part : {"", "packs"}) {
    for (const auto& entry :
         std::filesystem::directory_iterator(std::filesystem::path(store) / part, ignored)) {
      bytes += entry.is_regular_file(ignored) ? entry.file_size(ignored) : 0;
    }
  }
  return std::chrono::minutes(1) + std::chrono::milliseconds(bytes / kBytesPerMillisecond);
}

/// Damage that stops the reading is found, as any other is.
Result<check::Summary> found(const Source& source, Error error, check::FindingSink& findings) {
  if (error.fault != Fault::corrupt) {
    return fail(std::move(error));
  }
  const bool is_store = source.form == Form::store;
  check::Summary summary;
  summary.errors = 1;
  findings.finding({is_store ? check::RuleId::STO_1 : check::RuleId::SET_2,
                    check::Severity::error,
                    {source.place(), is_store ? "data.mdb" : "", 0, {}, {}, 0},
                    error.line()});
  return summary;
}

}  // namespace

Result<std::vector<Source>> images_to_check(const Source& source) {
  std::vector<Source> images;
  if (source.form == Form::store && source.image.empty()) {
    const auto names = check::list_in_child(source.path, time_limit(source.path), [&] {
      std::vector<std::string> all;
      auto listed = convert::images_of(source);
      if (!listed) {
        return Result<std::vector<std::string>>(fail(std::move(listed).error()));
      }
      for (const Source& image : *listed) {
        all.push_back(image.image);
      }
      return Result<std::vector<std::string>>(std::move(all));
    });
    if (!names && names.error().fault != Fault::corrupt) {
      return fail(names.error());
    }
    if (!names) {
      return std::vector<Source>{source};  // whoever asks about it says why
    }
    for (const std::string& name : *names) {
      images.push_back({Form::store, source.path, name, {}, {}});
    }
    return images;
  }
  if (source.form != Form::collection || convert::chain_top(source)) {
    return std::vector<Source>{source};
  }
  for (const Source& member : source.members) {
    IMG_ASSIGN(std::vector<Source> more, images_to_check(member));
    images.insert(images.end(), more.begin(), more.end());
  }
  return images;
}

bool has_gone(const Source& image) {
  if (image.form != Form::store) {
    return false;
  }
  const auto now = images_to_check({Form::store, image.path, {}, {}, {}});
  return now && std::ranges::find(*now, image.image, &Source::image) == now->end();
}

Result<check::Summary> check_source(const Source& source, check::Options options,
                                    check::FindingSink& findings) {
  check::DamageLog damage;
  const auto ask = [&](check::FindingSink& sink) -> Result<check::Summary> {
    auto image = convert::open_image(source, {damage.sink()});
    if (!image) {
      const check::Summary met = check::judge_unopened(source.place(), damage.take(), sink);
      return met.errors > 0 ? Result<check::Summary>(met)
                            : found(source, std::move(image).error(), sink);
    }
    options.given.add(check::runtime_supply(**image));
    options.damage = source.form == Form::store ? nullptr : &damage;
    auto summary = check::check(**image, options, sink);
    return summary ? std::move(summary) : found(source, std::move(summary).error(), sink);
  };
  if (source.form != Form::store) {
    return ask(findings);
  }
  return check::ask_in_child({source.place(), time_limit(source.path), ask}, findings);
}

}  // namespace img::tools
