// SPDX-License-Identifier: MIT
// SEC-*, LSM-3: seccomp filters and labels.
#include <fmt/core.h>

#include "libimg/check/facts.h"
#include "libimg/check/seccomp_program.h"
#include "schema/seccomp_generated.h"

namespace img::check {
namespace {

class SecurityRules : public RuleSet {
 public:
  explicit SecurityRules(Facts& facts) : facts_(facts) {}

  void record(const Record& record) override {
    if (record.key.seq == 0) {
      return;
    }
    if (record.key.file.kind == Kind::seccomp) {
      filters(record, *record.as<schema::SeccompEntry>());
    } else if (record.key.file.kind == Kind::core) {
      const auto& core = *record.as<schema::CoreEntry>();
      if (const auto* thread = core.thread_core()) {
        mode(record, "thread_core.seccomp_mode", thread->seccomp_mode(),
             "thread_core.seccomp_filter", thread->seccomp_filter());
        label(record, *thread);
      }
      if (const auto* tc = core.tc()) {
        mode(record, "tc.old_seccomp_mode", tc->old_seccomp_mode(), "tc.old_seccomp_filter",
             tc->old_seccomp_filter());
      }
    }
  }

  void finish() override {
    if (!users_.empty() && !facts_.has(Kind::seccomp)) {
      facts_.report.add(RuleId::SEC_1, facts_.at({Kind::seccomp, 0}),
                        fmt::format("is not there, and {} has filters", users_.front().first.file));
    } else if (facts_.is_whole(Kind::seccomp)) {
      for (const auto& [where, filter] : users_) {
        if (filter >= count_) {
          facts_.report.add_plain(RuleId::SEC_1, Severity::error, where,
                                  fmt::format("filter {} of {}: criu restore stops with 'Corrupted "
                                              "filter index'",
                                              filter, count_));
        }
      }
    }
  }

 private:
  void mode(const Record& record, const char* mode_field,
            const flatbuffers::Optional<schema::SeccompMode>& seccomp, const char* filter_field,
            const flatbuffers::Optional<std::uint32_t>& filter) {
    if (!seccomp) {
      return;
    }
    const auto number = static_cast<std::int32_t>(*seccomp);
    if (number < 0 || *seccomp > schema::SeccompMode::filter) {
      facts_.report.add(RuleId::SEC_1, Severity::error,
                        facts_.at(record, mode_field, std::to_string(number)),
                        "is no mode of seccomp");
    } else if (*seccomp == schema::SeccompMode::filter) {
      const std::uint32_t index = filter.value_or(0);
      users_.emplace_back(facts_.at(record, filter_field, std::to_string(index)), index);
    }
  }

  void label(const Record& record, const schema::ThreadCoreEntry& thread) {
    const auto* creds = thread.creds();
    if (creds != nullptr && creds->lsm_profile() != nullptr && facts_.lsm == 0) {
      facts_.report.add(
          RuleId::LSM_3,
          facts_.at(record, "thread_core.creds.lsm_profile", creds->lsm_profile()->str()),
          "a label, though the image says that the host had no security module");
    }
    constexpr std::uint32_t kAppArmor = 2;
    const std::string_view profile = creds == nullptr || creds->lsm_profile() == nullptr
                                         ? std::string_view{}
                                         : creds->lsm_profile()->string_view();
    // ":namespace:profile", alone or stacked on others.
    const bool has_namespace =
        profile.starts_with(':') || profile.find("//&:") != std::string_view::npos;
    if (facts_.lsm == kAppArmor && has_namespace && !facts_.has(Kind::apparmor)) {
      facts_.report.add(RuleId::LSM_2,
                        facts_.at(record, "thread_core.creds.lsm_profile", std::string(profile)),
                        "names a policy namespace, and apparmor.img is not there");
    }
  }

  void filters(const Record& record, const schema::SeccompEntry& entry) {
    const auto* all = entry.seccomp_filters();
    count_ = all == nullptr ? 0 : all->size();
    for (flatbuffers::uoffset_t i = 0; i < count_; ++i) {
      const schema::SeccompFilter& filter = *all->Get(i);
      const std::string wrong =
          seccomp_fault(std::as_bytes(std::span(filter.filter()->data(), filter.filter()->size())));
      if (!wrong.empty()) {
        facts_.report.add(RuleId::SEC_3,
                          facts_.at(record, fmt::format("seccomp_filters[{}].filter", i)), wrong);
      }
      constexpr std::uint32_t kKnownFlags = 0x3f;
      if ((filter.flags().value_or(0) & ~kKnownFlags) != 0) {
        facts_.report.add(RuleId::SEC_3,
                          facts_.at(record, fmt::format("seccomp_filters[{}].flags", i),
                                    fmt::format("0x{:x}", *filter.flags())),
                          "has bits that no filter has");
      }
      if (filter.prev() && *filter.prev() >= count_) {
        facts_.report.add_plain(
            RuleId::SEC_2, Severity::error,
            facts_.at(record, fmt::format("seccomp_filters[{}].prev", i),
                      std::to_string(*filter.prev())),
            fmt::format("no filter has this index: there are {}; criu restore stops", count_));
      }
    }
    cycles(record, entry);
  }

  /// Each filter is coloured once on its way down the chain.
  void cycles(const Record& record, const schema::SeccompEntry& entry) {
    std::vector<std::uint32_t> colour(count_, 0);
    for (std::uint32_t start = 0; start < count_; ++start) {
      std::uint32_t at = start;
      while (at < count_ && colour[at] == 0) {
        colour[at] = start + 1;
        const auto prev = entry.seccomp_filters()->Get(at)->prev();
        if (prev && *prev < count_ && colour[*prev] == start + 1) {
          facts_.report.add(
              RuleId::SEC_2,
              facts_.at(record, fmt::format("seccomp_filters[{}].prev", at), std::to_string(*prev)),
              fmt::format("the chain of filter {} comes back to itself", at));
        }
        at = prev.value_or(count_);
      }
    }
  }

  Facts& facts_;
  std::vector<std::pair<Where, std::uint32_t>> users_;
  std::uint32_t count_ = 0;
};

}  // namespace

std::unique_ptr<RuleSet> security_rules(Facts& facts) {
  return std::make_unique<SecurityRules>(facts);
}

}  // namespace img::check
