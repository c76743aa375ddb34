// SPDX-License-Identifier: MIT
// What a child process that asks about an image says to its parent, as bytes in a pipe. The side
// that listens believes nothing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libimg/check/check.h"

namespace img::check {

/// The child's end: every word goes into the pipe. Ends the process where nobody listens any more.
class Sender : public FindingSink {
 public:
  explicit Sender(int fd) : fd_(fd) {}

  void finding(const Finding& finding) override;
  void need(const Need& need) override;
  void not_asked(RuleId rule, std::string_view why) override;
  void name(const std::string& name) const;
  void summary(const Summary& summary) const;
  void error(const Error& error) const;

 private:
  int fd_;
};

/// What the child has said in the end.
struct Answer {
  std::optional<Summary> summary;
  std::optional<Error> error;
  std::vector<std::string> names;
  std::uint64_t told[3] = {};  // findings by severity
};

/// Takes the whole messages off the front of `waiting`: findings go to `sink`, the rest into
/// `answer`. False: what comes is no message.
[[nodiscard]] bool take_messages(std::string& waiting, FindingSink& sink, Answer& answer);

}  // namespace img::check
