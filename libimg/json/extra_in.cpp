// SPDX-License-Identifier: MIT
#include "libimg/json/extra_in.h"

#include <fmt/core.h>

#include "libimg/criu/decoder.h"
#include "libimg/json/base64.h"
#include "libimg/json/payload_size.h"
#include "schema/ipc_generated.h"
#include "schema/sockets_generated.h"

namespace img::json {

using schema::PayloadRule;

namespace {

constexpr std::byte kZeros[8] = {};

/// A number of the list that a set of semaphores is.
const schema::FieldLayout& semaphore_value() {
  static const schema::FieldLayout field = [] {
    schema::FieldLayout made;
    made.name = made.json_name = "extra";
    made.width = 2;
    return made;
  }();
  return field;
}

}  // namespace

void ExtraIn::begin(Parser& parser, const schema::KindInfo& kind, criu::WordOrder order) {
  parser_ = &parser;
  kind_ = &kind;
  order_ = order;
  given_ = Given::nothing;
  first_.clear();
  second_.clear();
  count_ = 0;
  original_.text.clear();
}

Result<bool> ExtraIn::member(std::string_view key) {
  if (key == "_original") {
    if (!original_.text.empty()) {
      return parser_->refuse("the same member twice");
    }
    IMG_TRY(base64(original_));
    return true;
  }
  const bool raw = key == "_extra";
  if (!raw && (key != "extra" || kind_->payload == PayloadRule::none)) {
    return false;
  }
  if (given_ != Given::nothing) {
    return parser_->refuse("a second `extra`");
  }
  given_ = raw ? Given::raw : Given::extra;
  if (raw) {
    IMG_TRY(base64(first_));
  } else {
    IMG_TRY(extra());
  }
  return true;
}

Result<void> ExtraIn::base64(ByteSink& sink) {
  IMG_ASSIGN(const std::string_view inside, parser_->string());
  if (inside.starts_with("... <")) {
    return parser_->refuse("says how many bytes, not which",
                           "it was written without payload (--nopl)");
  }
  if (auto done = decode_base64(inside, sink); !done) {
    const bool ours = done.error().fault == Fault::corrupt;
    return ours ? parser_->refuse(std::move(done).error()) : fail(std::move(done).error());
  }
  return {};
}

Result<void> ExtraIn::extra() {
  switch (kind_->payload) {
    case PayloadRule::tcp_queues: return queues();
    case PayloadRule::semaphores: return numbers();
    case PayloadRule::messages: return messages();
    default: return base64(first_);
  }
}

Result<void> ExtraIn::queues() {
  IMG_TRY(parser_->begin_object());
  std::string_view key;
  IMG_ASSIGN(bool more, parser_->next_key(key));
  while (more) {
    if (key != "inq" && key != "outq") {
      return parser_->refuse("expected `inq` or `outq`");
    }
    Spool& queue = key == "inq" ? first_ : second_;
    queue.clear();
    IMG_TRY(base64(queue));
    IMG_ASSIGN(more, parser_->next_key(key));
  }
  return {};
}

Result<void> ExtraIn::numbers() {
  IMG_TRY(parser_->begin_array());
  IMG_ASSIGN(bool more, parser_->next_item());
  for (; more; ++count_) {
    IMG_ASSIGN(const std::string_view number, parser_->number());
    const std::optional<Bits> value = parse_number(semaphore_value(), number);
    if (!value) {
      return parser_->refuse("expected a number from 0 to 65535");
    }
    std::byte bytes[2];
    store_at(bytes, static_cast<std::uint16_t>(*value));
    IMG_TRY(first_.write(bytes));
    IMG_ASSIGN(more, parser_->next_item());
  }
  return first_.write(Bytes(kZeros).first(round_up(first_.size(), 8) - first_.size()));
}

Result<void> ExtraIn::messages() {
  IMG_TRY(parser_->begin_array());
  IMG_ASSIGN(bool more, parser_->next_item());
  for (; more; ++count_) {
    IMG_TRY(message(more));
  }
  return {};
}

// An IpcMsg and, as the next item, its bytes.
Result<void> ExtraIn::message(bool& more) {
  const schema::TableLayout& layout = schema::table_layout("IpcMsg");
  message_.begin();
  IMG_ASSIGN(const auto root, message_.object(*parser_, layout));
  const auto* const head = flatbuffers::GetRoot<schema::IpcMsg>(message_.finish(root).data());
  const Bytes encoded = encoder_.encode(layout, reinterpret_cast<const flatbuffers::Table&>(*head));
  std::byte word[criu::kWordBytes];
  order_.put32(word, static_cast<std::uint32_t>(encoded.size()));
  IMG_TRY(first_.write(word));
  IMG_TRY(first_.write(encoded));
  IMG_ASSIGN(more, parser_->next_item());
  if (!more) {
    return parser_->refuse("expected the bytes of the message");
  }
  const std::uint64_t before = first_.size();
  IMG_TRY(base64(first_));
  const std::uint64_t size = first_.size() - before;
  if (size != head->msize()) {
    return parser_->refuse(fmt::format("{} bytes, where `msize` is {}", size, head->msize()));
  }
  IMG_TRY(first_.write(Bytes(kZeros).first(round_up(size, 8) - size)));
  IMG_ASSIGN(more, parser_->next_item());
  return {};
}

Result<void> ExtraIn::check_size(const model::Record& record) {
  if (given_ == Given::raw) {
    return {};
  }
  const PayloadRule rule = kind_->payload;
  std::uint64_t has = first_.size() + second_.size();
  std::uint64_t wants = announced_size(rule, record).value_or(has);
  std::string_view unit = "bytes";
  if (rule == PayloadRule::semaphores) {
    has = count_;
    wants = record.as<schema::IpcSemEntry>()->nsems();
    unit = "numbers";
  } else if (rule == PayloadRule::messages) {
    has = count_;
    wants = record.as<schema::IpcMsgEntry>()->qnum();
    unit = "messages";
  } else if (rule == PayloadRule::tcp_queues && has == wants) {
    has = first_.size();
    wants = record.as<schema::TcpStreamEntry>()->inq_len();
    unit = "bytes in `inq`";
  }
  if (has != wants) {
    return parser_->refuse(
        fmt::format("`extra` has {} {}, where the entry says {}", has, unit, wants));
  }
  return {};
}

Result<void> ExtraIn::give(model::Record& record) {
  IMG_TRY(check_size(record));
  if (kind_->payload == PayloadRule::segment && given_ == Given::extra) {
    IMG_TRY(first_.write(Bytes(kZeros).first(round_up(first_.size(), 4) - first_.size())));
  }
  for (Spool* part : {&first_, &second_}) {
    if (part->size() != 0) {
      IMG_ASSIGN(const Bytes bytes, part->bytes());
      record.payload.parts.push_back(bytes);
    }
  }
  return {};
}

}  // namespace img::json
