// SPDX-License-Identifier: MIT
// `img-show SRC memory`: its options, and what they ask for.
#pragma once

#include <string>
#include <vector>

#include "libimg/show/page.h"
#include "libimg/show/subject.h"
#include "tools/frame/program.h"

namespace img::tools {

class ShowMemory {
 public:
  void declare(CLI::App& app);
  /// Whether any of the options was given: WHAT need not be said then.
  [[nodiscard]] bool is_asked() const { return !address_.empty() || searches(); }
  /// The exit code: 1 where a search found nothing.
  [[nodiscard]] Result<int> run(show::Subject& subject, show::Page& page, frame::Call& call) const;

 private:
  [[nodiscard]] bool searches() const {
    return !text_.empty() || !file_.empty() || !regex_.empty();
  }
  [[nodiscard]] Result<int> search(show::Subject& subject, show::Page& page) const;
  [[nodiscard]] Result<void> write_raw(show::Subject& subject, frame::Call& call,
                                       std::uint64_t address, std::uint64_t length) const;

  bool raw_ = false;
  std::string address_;
  std::string length_;
  std::string text_;
  std::string file_;
  std::string regex_;
  std::string output_;
  std::size_t context_ = 0;
};

}  // namespace img::tools
