// SPDX-License-Identifier: MIT
#include "libimg/check/needs.h"

#include <algorithm>

namespace img::check {
namespace {

struct KnownOption {
  std::string_view name;
  bool has_value;
  char letter = 0;
};

/// Of `criu restore` 4.2, `podman container restore` and `live-restore`.
constexpr KnownOption kKnown[] = {
    {"action-script", true},
    {"address", true},
    {"all", false, 'a'},
    {"allow-uprobes", false},
    {"auto-dedup", false},
    {"cgroup", true},
    {"cgroup-dump-controller", true},
    {"cgroup-props", true},
    {"cgroup-props-file", true},
    {"cgroup-root", true},
    {"cgroup-yard", true},
    {"config", true},
    {"cpu-cap", true},
    {"deprecated", false},
    {"detach", false},
    {"display-stats", false},
    {"empty-ns", true},
    {"enable-external-masters", false},
    {"enable-external-sharing", false},
    {"enable-fs", true},
    {"evasive-devices", false},
    {"exec-cmd", false},
    {"ext-mount-map", true, 'M'},
    {"ext-unix-sk", false, 'x'},
    {"external", true},
    {"file-locks", false, 'l'},
    {"file-validation", true},
    {"force-irmap", false},
    {"freeze-cgroup", true},
    {"ghost-limit", true},
    {"ignore", true},
    {"ignore-rootfs", false},
    {"ignore-static-ip", false},
    {"ignore-static-mac", false},
    {"ignore-volumes", false},
    {"image", true},
    {"images-dir", true, 'D'},
    {"import", true, 'i'},
    {"import-previous", true},
    {"inherit-fd", true},
    {"irmap-scan-path", true},
    {"join-ns", true, 'J'},
    {"keep", false, 'k'},
    {"keep-link-remaps", false},
    {"latest", false},
    {"lazy-pages", false},
    {"libdir", true, 'L'},
    {"link-remap", false},
    {"log", true},
    {"log-file", true, 'o'},
    {"log-pid", false},
    {"lsm-mount-context", true},
    {"lsm-profile", true},
    {"manage-cgroups", false},
    {"memory", true},
    {"mntns-compat-mode", false},
    {"name", true, 'n'},
    {"network-lock", true},
    {"no-default-config", false},
    {"no-mntns-compat-mode", false},
    {"orphan-pts-master", false},
    {"pidfile", true},
    {"plan", false},
    {"pod", true},
    {"port", true},
    {"print-stats", false},
    {"publish", true, 'p'},
    {"restore-detached", false, 'd'},
    {"restore-sibling", false, 'S'},
    {"root", true, 'r'},
    {"runtime", true},
    {"shell-job", false, 'j'},
    {"sibling", false},
    {"skip-file-rwx-check", false},
    {"skip-in-flight", false},
    {"skip-mnt", true},
    {"status-fd", true},
    {"stream", false},
    {"tcp-close", false},
    {"tcp-established", false},
    {"timeout", true},
    {"tls", false},
    {"tree", true, 't'},
    {"truncate", true},
    {"unprivileged", false},
    {"verbosity", false, 'v'},
    {"veth-pair", true},
    {"weak-sysctls", false},
    {"work-dir", true, 'W'},
};

const KnownOption* known_option(std::string_view name, char letter) {
  for (const KnownOption& known : kKnown) {
    if (letter != 0 ? known.letter == letter : known.name == name) {
      return &known;
    }
  }
  return nullptr;
}

Failure odd_options(std::string_view options, std::string why) {
  return fail(Fault::usage, "--with " + std::string(options), std::move(why));
}

/// Words as a shell makes them of blanks, quotes and backslashes; nothing is expanded.
Result<std::vector<std::string>> split_words(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote == 0 && (c == ' ' || c == '\t' || c == '\n')) {
      if (std::exchange(in_word, false)) {
        words.push_back(std::exchange(word, {}));
      }
      continue;
    }
    in_word = true;
    if (quote != 0 && c == quote) {
      quote = 0;
    } else if (quote == 0 && (c == '\'' || c == '"')) {
      quote = c;
    } else if (c == '\\' && quote != '\'' && i + 1 < text.size()) {
      word += text[++i];
    } else {
      word += c;
    }
  }
  if (quote != 0) {
    return odd_options(text, "a quote is not closed");
  }
  if (in_word) {
    words.push_back(std::move(word));
  }
  return words;
}

/// "mnt[KEY]:PATH" gives "mnt[KEY]"; a colon inside the brackets is part of the key.
std::string_view external_key(std::string_view value) {
  const std::size_t bracket = value.find(']');
  const std::size_t colon = value.find(':', bracket == std::string_view::npos ? 0 : bracket);
  return value.substr(0, colon);
}

/// "fd[3]:pipe:[12]", or live-restore's "3:pipe:[12]", gives "pipe:[12]".
std::string_view inherited_key(std::string_view value) {
  const std::size_t colon = value.find(':');
  return colon == std::string_view::npos ? std::string_view{} : value.substr(colon + 1);
}

bool starts_with_any(std::string_view text, std::initializer_list<std::string_view> starts) {
  return std::any_of(starts.begin(), starts.end(),
                     [&](std::string_view start) { return text.starts_with(start); });
}

}  // namespace

std::string_view restorer_command(Restorer restorer) {
  switch (restorer) {
    case Restorer::criu: return "criu restore";
    case Restorer::podman: return "podman container restore";
    case Restorer::stasis: return "live-restore";
  }
  return {};
}

std::string RestoreOption::text() const {
  std::string all = "--" + name;
  if (name == "inherit-fd") {
    return all + " 'fd[" + value + "]:" + key + "'";
  }
  if (!key.empty()) {
    all += " '" + key + (value.empty() ? "" : ":" + value) + "'";
  } else if (!value.empty()) {
    all += " " + value;
  }
  return all;
}

std::string Need::text(Restorer restorer) const {
  const auto is_one_of = [&](std::initializer_list<std::string_view> names) {
    for (const RestoreOption& option : options) {
      for (const std::string_view name : names) {
        if (option.name == name) {
          return option.name == "inherit-fd" && restorer == Restorer::stasis
                     ? "--inherit-fd '" + option.value + ":" + option.key + "'"
                     : option.text();
        }
      }
    }
    return std::string();
  };
  switch (restorer) {
    case Restorer::criu: return options.front().text();
    case Restorer::podman: return is_one_of({"tcp-established", "file-locks"});
    case Restorer::stasis: return is_one_of({"shell-job", "tcp-established", "root", "inherit-fd"});
  }
  return {};
}

Result<Given> Given::parse(std::string_view options) {
  Given given;
  given.is_stated_ = true;
  IMG_ASSIGN(std::vector<std::string> words, split_words(options));
  if (!words.empty() && !words.front().starts_with('-')) {
    // As it is typed: "criu restore --shell-job".
    words.erase(words.begin(), std::find_if(words.begin(), words.end(), [](const auto& word) {
                  return word.starts_with('-');
                }));
  }
  IMG_TRY(given.take(std::move(words)));
  return given;
}

Result<void> Given::take(std::vector<std::string> words) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    const bool is_long = word.starts_with("--");
    if (!word.starts_with('-') || word.size() < 2) {
      return odd_options(word, "is no option");
    }
    const std::size_t equals = is_long ? word.find('=') : std::string::npos;
    const std::string name =
        is_long ? word.substr(2, equals == std::string::npos ? equals : equals - 2) : "";
    const KnownOption* known = known_option(name, is_long ? '\0' : word[1]);
    if (known == nullptr) {
      return odd_options(word, "is no option of criu restore, podman or live-restore");
    }
    Option option{std::string(known->name), {}};
    if (equals != std::string::npos) {
      option.value = word.substr(equals + 1);
    } else if (!is_long && word.size() > 2) {
      option.value = word.substr(2);
    } else if (known->has_value) {
      if (i + 1 == words.size()) {
        return odd_options(word, "needs a value");
      }
      option.value = words[++i];
    } else if (i + 1 < words.size() && !words[i + 1].starts_with('-')) {
      option.value = words[++i];  // "--manage-cgroups soft"
    }
    options_.push_back(std::move(option));
  }
  return {};
}

bool Given::has_flag(std::string_view name) const {
  return std::any_of(options_.begin(), options_.end(),
                     [&](const Option& option) { return option.name == name; });
}

std::string_view Given::value(std::string_view name) const {
  for (const Option& option : options_) {
    if (option.name == name) {
      return option.value;
    }
  }
  return {};
}

bool Given::has_descriptor(std::string_view what) const {
  for (const Option& option : options_) {
    if (option.name == "inherit-fd" && inherited_key(option.value) == what) {
      return true;
    }
  }
  return std::find(supply_.descriptors.begin(), supply_.descriptors.end(), what) !=
         supply_.descriptors.end();
}

bool Given::is_supplied(const RestoreOption& option) const {
  if (option.name == "root") {
    return supply_.root;
  }
  if (option.name == "shell-job") {
    return supply_.terminal;
  }
  if (option.name == "external") {
    return starts_with_any(option.key, {"mnt[", "dev["})
               ? supply_.mounts
               : supply_.namespaces &&
                     starts_with_any(option.key, {"veth[", "netdev[", "macvlan["});
  }
  if (option.name == "inherit-fd") {
    return supply_.namespaces && option.key.starts_with("ext");  // extRootNetNS, extRootPidNS
  }
  return false;
}

bool Given::has(const RestoreOption& option) const {
  if (is_supplied(option) || (option.name == "inherit-fd" && has_descriptor(option.key))) {
    return true;
  }
  if (option.name == "inherit-fd") {
    return false;
  }
  if (option.name != "external") {
    return has_flag(option.name);
  }
  for (const Option& given : options_) {
    if (given.name == "external" && external_key(given.value) == option.key) {
      return true;
    }
    // The forms of the time before --external.
    const std::string_view first =
        std::string_view(given.value)
            .substr(0, given.value.find(given.name == "veth-pair" ? '=' : ':'));
    if ((given.name == "ext-mount-map" && option.key == "mnt[" + std::string(first) + "]") ||
        (given.name == "ext-mount-map" && option.key == "mnt[]" && first == "auto") ||
        (given.name == "veth-pair" && option.key == "veth[" + std::string(first) + "]")) {
      return true;
    }
  }
  return false;
}

}  // namespace img::check
