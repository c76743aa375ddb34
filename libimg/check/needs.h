// SPDX-License-Identifier: MIT
// What a restore must be given that no image can hold: an option, a mount from outside, the other
// end of a descriptor. A need is no fault of the image; it becomes an error only where it is known
// what the restore will be given, and this is not among it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libimg/base/result.h"
#include "libimg/check/finding.h"
#include "libimg/model/record.h"

namespace img::check {

/// Whose restore is meant.
enum class Restorer : std::uint8_t { criu, podman, stasis };

[[nodiscard]] std::string_view restorer_command(Restorer restorer);  // "criu restore"

/// An option as criu restore knows it.
struct RestoreOption {
  std::string name;   // "shell-job", "external", "inherit-fd"
  std::string key;    // what is external or inherited: "mnt[KEY]", "tty[8800:21]"; else empty
  std::string value;  // a word for what the user has to fill in: "PATH"; empty: the option has none

  /// "--external mnt[KEY]:PATH"
  [[nodiscard]] std::string text() const;
};

struct Need {
  RuleId rule{};
  Where where;                         // of the first thing that needs it
  std::vector<RestoreOption> options;  // any of them will do; the first keeps most
  std::string why;
  bool is_given = false;  // by Given

  /// As this restorer takes it: "--shell-job"; empty where its command line has nothing for it.
  [[nodiscard]] std::string text(Restorer restorer) const;
};

/// What an archive's runtime hands to the restore without being asked.
struct RuntimeSupply {
  bool root = false;        // a root file system
  bool mounts = false;      // every external mount and device
  bool namespaces = false;  // external namespaces and network devices
  bool terminal = false;    // the other end of the container's terminal
  /// What descriptors.json names: "pipe:[123]", "socket:[4]".
  std::vector<std::string> descriptors;
};

/// Of an image that came from a runtime's archive; nothing for all others.
[[nodiscard]] RuntimeSupply runtime_supply(model::ImageReader& image);

/// What a restore will be given.
class Given {
 public:
  /// Splits `options` as a shell does. Takes the names of criu restore, podman container restore
  /// and live-restore; one that is none of these is an error.
  [[nodiscard]] static Result<Given> parse(std::string_view options);

  void add(RuntimeSupply supply) { supply_ = std::move(supply); }

  /// --with was said, so what is not in it will not be given.
  [[nodiscard]] bool is_stated() const { return is_stated_; }
  [[nodiscard]] bool has(const RestoreOption& option) const;
  /// A descriptor from outside, by what it is: "pipe:[123]".
  [[nodiscard]] bool has_descriptor(std::string_view what) const;
  /// Of an option that is given once, its value: "root", "libdir". Empty: it is not there.
  [[nodiscard]] std::string_view value(std::string_view name) const;

 private:
  struct Option {
    std::string name;
    std::string value;
  };
  [[nodiscard]] Result<void> take(std::vector<std::string> words);
  [[nodiscard]] bool has_flag(std::string_view name) const;
  [[nodiscard]] bool is_supplied(const RestoreOption& option) const;

  bool is_stated_ = false;
  std::vector<Option> options_;
  RuntimeSupply supply_;
};

}  // namespace img::check
