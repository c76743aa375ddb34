// SPDX-License-Identifier: MIT
#include "libimg/check/child_messages.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "libimg/base/bytes.h"

namespace img::check {
namespace {

constexpr std::size_t kMostFrame = 1 << 20;

enum class FrameKind : std::uint8_t { finding, need, not_asked, name, summary, error };

/// A message of the child as it is written, field by field.
class Frame {
 public:
  explicit Frame(FrameKind kind) { number(static_cast<std::uint64_t>(kind)); }

  void number(std::uint64_t value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  void text(std::string_view value) {
    const std::string_view kept = value.substr(0, kMostFrame / 16);
    number(kept.size());
    bytes_.append(kept);
  }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

/// The same on the other side, which believes nothing: where a frame is too short, 0 and "".
class Reading {
 public:
  explicit Reading(std::string_view bytes) : left_(bytes) {}

  std::uint64_t number() {
    if (left_.size() < sizeof(std::uint64_t)) {
      left_ = {};
      return 0;
    }
    const auto value = load<std::uint64_t>(left_.data());
    left_.remove_prefix(sizeof(value));
    return value;
  }
  std::string text() {
    const std::uint64_t size = std::min<std::uint64_t>(number(), left_.size());
    std::string value(left_.substr(0, size));
    left_.remove_prefix(size);
    return value;
  }

 private:
  std::string_view left_;
};

void put_where(Frame& frame, const Where& where) {
  frame.text(where.image);
  frame.text(where.file);
  frame.number(where.entry);
  frame.text(where.field);
  frame.text(where.value);
  frame.number(where.offset);
}

Where take_where(Reading& frame) {
  Where where;
  where.image = frame.text();
  where.file = frame.text();
  where.entry = frame.number();
  where.field = frame.text();
  where.value = frame.text();
  where.offset = frame.number();
  return where;
}

std::optional<RuleId> take_rule(Reading& frame) {
  const std::uint64_t number = frame.number();
  return number < rules().size() ? std::optional(static_cast<RuleId>(number)) : std::nullopt;
}

void send(int fd, const Frame& frame) {
  const auto size = static_cast<std::uint32_t>(frame.bytes().size());
  std::string bytes(reinterpret_cast<const char*>(&size), sizeof(size));
  bytes += frame.bytes();
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t count = ::write(fd, bytes.data() + at, bytes.size() - at);
    if (count < 0 && errno != EINTR) {
      ::_exit(1);  // nobody listens any more
    }
    at += count < 0 ? 0 : static_cast<std::size_t>(count);
  }
}

void take_finding(Reading& frame, FindingSink& sink, Answer& answer) {
  const auto rule = take_rule(frame);
  const std::uint64_t severity = frame.number();
  Where where = take_where(frame);
  if (rule && severity <= static_cast<std::uint64_t>(Severity::error)) {
    ++answer.told[severity];
    sink.finding({*rule, static_cast<Severity>(severity), std::move(where), frame.text()});
  }
}

void take_need(Reading& frame, FindingSink& sink) {
  constexpr std::uint64_t kMostOptions = 16;
  Need need;
  const auto rule = take_rule(frame);
  need.where = take_where(frame);
  need.why = frame.text();
  need.is_given = frame.number() != 0;
  const std::uint64_t count = std::min(frame.number(), kMostOptions);
  for (std::uint64_t i = 0; i < count; ++i) {
    RestoreOption option;
    option.name = frame.text();
    option.key = frame.text();
    option.value = frame.text();
    need.options.push_back(std::move(option));
  }
  if (rule && !need.options.empty()) {
    need.rule = *rule;
    sink.need(need);
  }
}

Summary take_summary(Reading& frame) {
  constexpr std::uint64_t kMostPacks = 1 << 16;
  Summary summary;
  for (std::uint64_t* number :
       {&summary.errors, &summary.warnings, &summary.notes, &summary.not_told, &summary.files,
        &summary.records, &summary.needs, &summary.levels}) {
    *number = frame.number();
  }
  summary.is_predump = frame.number() != 0;
  summary.restorer =
      static_cast<Restorer>(std::min(frame.number(), static_cast<std::uint64_t>(Restorer::stasis)));
  const std::uint64_t packs = std::min(frame.number(), kMostPacks);
  for (std::uint64_t i = 0; i < packs; ++i) {
    const std::uint64_t hi = frame.number();
    summary.packs.emplace(hi, frame.number());
  }
  return summary;
}

Error take_error(Reading& frame) {
  Error error;
  const std::uint64_t fault = frame.number();
  error.fault = fault <= static_cast<std::uint64_t>(Fault::usage) ? static_cast<Fault>(fault)
                                                                  : Fault::corrupt;
  error.sys_errno = static_cast<int>(frame.number());
  for (std::string* text : {&error.thing, &error.what, &error.why, &error.hint}) {
    *text = frame.text();
  }
  return error;
}

void take(std::string_view bytes, FindingSink& sink, Answer& answer) {
  Reading frame(bytes);
  const std::uint64_t kind = frame.number();
  switch (static_cast<FrameKind>(kind)) {
    case FrameKind::finding: take_finding(frame, sink, answer); break;
    case FrameKind::need: take_need(frame, sink); break;
    case FrameKind::not_asked:
      if (const auto rule = take_rule(frame)) {
        sink.not_asked(*rule, frame.text());
      }
      break;
    case FrameKind::name: answer.names.push_back(frame.text()); break;
    case FrameKind::summary: answer.summary = take_summary(frame); break;
    case FrameKind::error: answer.error = take_error(frame); break;
  }
}

}  // namespace

void Sender::finding(const Finding& finding) {
  Frame frame(FrameKind::finding);
  frame.number(static_cast<std::uint64_t>(finding.rule));
  frame.number(static_cast<std::uint64_t>(finding.severity));
  put_where(frame, finding.where);
  frame.text(finding.text);
  send(fd_, frame);
}

void Sender::need(const Need& need) {
  Frame frame(FrameKind::need);
  frame.number(static_cast<std::uint64_t>(need.rule));
  put_where(frame, need.where);
  frame.text(need.why);
  frame.number(need.is_given ? 1 : 0);
  frame.number(need.options.size());
  for (const RestoreOption& option : need.options) {
    frame.text(option.name);
    frame.text(option.key);
    frame.text(option.value);
  }
  send(fd_, frame);
}

void Sender::not_asked(RuleId rule, std::string_view why) {
  Frame frame(FrameKind::not_asked);
  frame.number(static_cast<std::uint64_t>(rule));
  frame.text(why);
  send(fd_, frame);
}

void Sender::name(const std::string& name) const {
  Frame frame(FrameKind::name);
  frame.text(name);
  send(fd_, frame);
}

void Sender::summary(const Summary& summary) const {
  Frame frame(FrameKind::summary);
  for (const std::uint64_t number :
       {summary.errors, summary.warnings, summary.notes, summary.not_told, summary.files,
        summary.records, summary.needs, summary.levels, std::uint64_t{summary.is_predump},
        static_cast<std::uint64_t>(summary.restorer)}) {
    frame.number(number);
  }
  frame.number(summary.packs.size());
  for (const auto& [hi, lo] : summary.packs) {
    frame.number(hi);
    frame.number(lo);
  }
  send(fd_, frame);
}

void Sender::error(const Error& error) const {
  Frame frame(FrameKind::error);
  frame.number(static_cast<std::uint64_t>(error.fault));
  frame.number(static_cast<std::uint64_t>(error.sys_errno));
  for (const std::string* text : {&error.thing, &error.what, &error.why, &error.hint}) {
    frame.text(*text);
  }
  send(fd_, frame);
}

bool take_messages(std::string& waiting, FindingSink& sink, Answer& answer) {
  std::size_t at = 0;
  while (waiting.size() - at >= sizeof(std::uint32_t)) {
    const auto size = load<std::uint32_t>(waiting.data() + at);
    if (size > kMostFrame) {
      return false;
    }
    if (waiting.size() - at - sizeof(size) < size) {
      break;
    }
    take(std::string_view(waiting).substr(at + sizeof(size), size), sink, answer);
    at += sizeof(size) + size;
  }
  waiting.erase(0, at);
  return true;
}

}  // namespace img::check
