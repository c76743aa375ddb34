// SPDX-License-Identifier: MIT
// Judges an image by the rules of the catalogue. Reads every file once, keeps small tables of ids,
// repairs nothing, and asks nothing but the image and its parents.
//
//   DamageLog damage;
//   IMG_ASSIGN(auto reader, criu::DirectoryReader::open(path, {damage.sink()}));
//   IMG_ASSIGN(const Summary summary, check(*reader, {&damage}, findings));
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "libimg/base/result.h"
#include "libimg/check/finding.h"
#include "libimg/check/needs.h"
#include "libimg/criu/damage.h"
#include "libimg/model/record.h"

namespace img::check {

/// What a CRIU directory's reader meets on its way, kept until check() asks. The reader must have
/// been opened with sink(), and this must outlive it.
class DamageLog {
 public:
  [[nodiscard]] std::function<void(const criu::Damage&)> sink();
  /// What the calling thread has met.
  [[nodiscard]] std::vector<criu::Damage> take();

 private:
  std::mutex mutex_;
  std::map<std::thread::id, std::vector<criu::Damage>> met_;
};

class Host;

/// store::Id of a pack.
using PackId = std::pair<std::uint64_t, std::uint64_t>;

struct Options {
  /// Null for images that are not made of files: what cannot be read is then one finding a file.
  DamageLog* damage = nullptr;
  /// Findings of one rule beyond these are only counted. 0: no limit.
  std::uint64_t most_per_rule = 1000;
  /// What the restore will be given; by default nobody said.
  Given given;
  /// Whose restore is meant; by default that of who made the image.
  std::optional<Restorer> restorer = {};
  /// The machine that is to restore. Null: no rule asks it.
  const Host* host = nullptr;
  /// Of an image in a store: reads every pack, and compares it with its hashes.
  bool compares_pages = true;
  /// Packs that have been compared already.
  std::set<PackId> known_packs;
};

struct Summary {
  std::uint64_t errors = 0;
  std::uint64_t warnings = 0;
  std::uint64_t notes = 0;
  std::uint64_t not_told = 0;  // counted above, and beyond Options::most_per_rule
  std::uint64_t files = 0;     // of all levels
  std::uint64_t records = 0;
  std::uint64_t needs = 0;
  std::uint64_t levels = 0;  // 1: no parent
  Restorer restorer = Restorer::criu;
  std::set<PackId> packs = {};  // compared with their hashes
  bool is_predump = false;      // holds only memory for the next increment

  [[nodiscard]] std::uint64_t of(Severity severity) const;
};

/// An error means that the image could not be asked at all.
[[nodiscard]] Result<Summary> check(model::ImageReader& image, const Options& options,
                                    FindingSink& findings);

/// Of an image that could not be opened: what its reader met on the way (an archive that is cut
/// short). Nothing met: all counts are 0.
[[nodiscard]] Summary judge_unopened(const std::string& place, const std::vector<criu::Damage>& met,
                                     FindingSink& findings);

}  // namespace img::check
