// SPDX-License-Identifier: MIT
// What img-show has around its views: which were asked for, where they go, and what is said of
// what could not be read.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "libimg/show/page.h"
#include "libimg/show/subject.h"
#include "tools/frame/program.h"

namespace img::tools {

/// WHAT as a list of views; `otherwise` where nothing was given. `kind` is the argument after it.
[[nodiscard]] Result<std::vector<std::string>> wanted_views(const std::string& what,
                                                            const std::string& kind,
                                                            std::string_view otherwise);

/// A page in the form that was asked for.
class PageOut {
 public:
  explicit PageOut(frame::Call& call);
  [[nodiscard]] show::Page& page() { return *page_; }
  /// All that was said is out now.
  void close() { page_.reset(); }

 private:
  std::unique_ptr<show::Page> page_;
};

/// What could not be read is said; the first of it is the error that ends the tool.
[[nodiscard]] Result<int> finish(const show::Subject& subject, frame::Call& call, int exit_code);

}  // namespace img::tools
