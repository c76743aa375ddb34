// SPDX-License-Identifier: MIT
#include "live/restore/image_rules.h"

#include "libimg/base/text.h"
#include "libimg/check/check.h"

namespace img::restore {
namespace {

constexpr std::uint64_t kMostOfARule = 5;

class Reasons : public check::FindingSink {
 public:
  explicit Reasons(const std::vector<Ignored>& ignored) : ignored_(ignored) {}

  void finding(const check::Finding& finding) override {
    if (finding.severity != check::Severity::error) {
      return;
    }
    const std::string rule(finding.rule_id());
    const std::string place = finding.place();
    if (is_ignored(ignored_, rule, finding.where.file)) {
      return;
    }
    found_.push_back(state::refusal_because(state::Piece::broken_rule,
                                            make_error(Fault::corrupt, escaped(place), rule,
                                                       escaped(finding.text), "--ignore " + rule)));
  }
  [[nodiscard]] std::vector<state::Refusal> take() { return std::move(found_); }

 private:
  const std::vector<Ignored>& ignored_;
  std::vector<state::Refusal> found_;
};

}  // namespace

Result<std::vector<state::Refusal>> broken_rules(model::ImageReader& image,
                                                 const std::vector<Ignored>& ignored) {
  check::Options options;
  options.most_per_rule = kMostOfARule;
  options.restorer = check::Restorer::stasis;
  options.compares_pages = false;
  Reasons reasons(ignored);
  IMG_TRY(check::check(image, options, reasons));
  return reasons.take();
}

}  // namespace img::restore
