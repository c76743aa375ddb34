// SPDX-License-Identifier: MIT
#include "libimg/json/extra_out.h"

#include <algorithm>
#include <cstdio>

#include "libimg/json/base64.h"
#include "libimg/json/payload_size.h"
#include "schema/ipc_generated.h"
#include "schema/sockets_generated.h"

namespace img::json {

using model::Payload;
using schema::PayloadRule;

namespace {

// What is taken apart here is a few numbers or queued messages; more than this in several parts is
// shown as bytes.
constexpr std::uint64_t kMaxJoined = std::uint64_t{16} << 20;

bool all_zero(Bytes bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

/// The first `size` bytes to one consumer, the rest to another.
template <class Consumer>
void feed(const Payload& payload, std::uint64_t from, std::uint64_t size, Consumer consume) {
  for (Bytes part : payload.parts) {
    const std::uint64_t skipped = std::min<std::uint64_t>(from, part.size());
    from -= skipped;
    part = part.subspan(skipped);
    part = part.first(std::min<std::uint64_t>(size, part.size()));
    size -= part.size();
    consume(part);
  }
}

void put_base64_range(TextOut& out, const Payload& payload, std::uint64_t from,
                      std::uint64_t size) {
  out.put('"');
  Base64Out base64(out);
  feed(payload, from, size, [&](Bytes part) { base64.put(part); });
  base64.finish();
  out.put('"');
}

}  // namespace

void put_base64(TextOut& out, const Payload& payload) {
  put_base64_range(out, payload, 0, payload.size());
}

void ExtraOut::put(const schema::KindInfo& kind, const model::Record& record, How how) {
  const Payload& payload = record.payload;
  const std::uint64_t size = payload.size();
  const PayloadRule rule = kind.payload;
  if (!has_extra(rule, record)) {
    if (size != 0) {
      how.sizes ? size_text(size) : base64("_extra", payload);
    }
    return;
  }
  if (how.sizes) {
    if (rule != PayloadRule::ghost) {
      size_text(rule == PayloadRule::messages ? size : announced_size(rule, record).value_or(size));
    }
    return;
  }
  bool exact = true;
  switch (rule) {
    case PayloadRule::semaphores:
      exact = !how.swapped && numbers(record.as<schema::IpcSemEntry>()->nsems(), payload);
      break;
    case PayloadRule::segment:
      exact = segment(record.as<schema::IpcShmEntry>()->size(), payload);
      break;
    case PayloadRule::messages:
      exact = !how.swapped && messages(record.as<schema::IpcMsgEntry>()->qnum(), payload);
      break;
    default:
      exact = announced_size(rule, record).value_or(size) == size;
      if (exact && rule == PayloadRule::tcp_queues) {
        queues(record.as<schema::TcpStreamEntry>()->inq_len(), payload);
      } else if (exact) {
        base64("extra", payload);
      }
  }
  if (!exact) {
    base64("_extra", payload);
  }
}

void ExtraOut::base64(std::string_view key, const Payload& payload) {
  emit_.key(key);
  put_base64(emit_.out(), payload);
}

void ExtraOut::size_text(std::uint64_t size) {
  constexpr std::string_view kUnits = " KMGTPE";
  auto number = static_cast<double>(size);
  std::size_t unit = 0;
  for (; number >= 1024; ++unit) {
    number /= 1024;
  }
  char text[48];
  const bool whole = number == static_cast<double>(static_cast<std::uint64_t>(number));
  const int length =
      std::snprintf(text, sizeof text, whole ? "\"... <%.0f" : "\"... <%.1f", number);
  emit_.key("extra");
  emit_.out().put(std::string_view(text, static_cast<std::size_t>(length)));
  emit_.out().put(kUnits.substr(unit, unit == 0 ? 0 : 1));
  emit_.out().put(std::string_view("B>\""));
}

void ExtraOut::queues(std::uint64_t inq, const Payload& payload) {
  emit_.key("extra");
  emit_.open('{');
  emit_.key("inq");
  put_base64_range(emit_.out(), payload, 0, inq);
  emit_.key("outq");
  put_base64_range(emit_.out(), payload, inq, payload.size() - inq);
  emit_.close('}');
}

bool ExtraOut::numbers(std::uint32_t count, const Payload& payload) {
  const std::uint64_t size = std::uint64_t{2} * count;
  if (payload.size() != round_up(size, 8)) {
    return false;
  }
  const Bytes bytes = in_one(payload);
  if (bytes.size() != payload.size() || !all_zero(bytes.subspan(size))) {
    return false;
  }
  emit_.key("extra");
  emit_.open('[');
  for (std::uint64_t at = 0; at < size; at += 2) {
    emit_.item();
    emit_.out().decimal(load<std::uint16_t>(&bytes[at]));
  }
  emit_.close(']');
  return true;
}

bool ExtraOut::segment(std::uint64_t size, const Payload& payload) {
  const std::uint64_t total = payload.size();
  if (total < size || total - size > 3 || total != round_up(size, 4)) {
    return false;
  }
  bool zero = true;
  feed(payload, size, total - size, [&](Bytes part) { zero = zero && all_zero(part); });
  if (!zero) {
    return false;
  }
  emit_.key("extra");
  put_base64_range(emit_.out(), payload, 0, size);
  return true;
}

// A message that the entry shows in full, and no byte between it and the next that it does not.
bool ExtraOut::next_message(Bytes& rest, Message& found) {
  const schema::TableLayout& layout = schema::table_layout("IpcMsg");
  if (rest.size() < 4) {
    return false;
  }
  const auto size = load<std::uint32_t>(rest.data());
  rest = rest.subspan(4);
  if (size > rest.size()) {
    return false;
  }
  decoder_.begin();
  const auto root = decoder_.message(layout, rest.first(size));
  if (!root || !decoder_.is_canonical()) {
    return false;
  }
  found.message = decoder_.finish(*root);
  rest = rest.subspan(size);
  const std::uint64_t length = flatbuffers::GetRoot<schema::IpcMsg>(found.message.data())->msize();
  const std::uint64_t padded = round_up(length, 8);
  if (padded > rest.size() || !all_zero(rest.subspan(length, padded - length))) {
    return false;
  }
  found.content = rest.first(length);
  rest = rest.subspan(padded);
  return true;
}

bool ExtraOut::messages(std::uint32_t count, const Payload& payload) {
  const Bytes all = in_one(payload);
  if (all.size() != payload.size()) {
    return false;
  }
  Message message;
  Bytes rest = all;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (!next_message(rest, message)) {
      return false;
    }
  }
  if (!rest.empty()) {
    return false;
  }
  emit_.key("extra");
  emit_.open('[');
  for (rest = all; !rest.empty() && next_message(rest, message);) {
    emit_.item();
    message_.object(*flatbuffers::GetRoot<flatbuffers::Table>(message.message.data()),
                    schema::table_layout("IpcMsg"));
    emit_.item();
    put_base64(emit_.out(), message.content);
  }
  emit_.close(']');
  return true;
}

Bytes ExtraOut::in_one(const Payload& payload) {
  if (payload.parts.size() == 1) {
    return payload.parts.front();
  }
  joined_.clear();
  if (payload.size() <= kMaxJoined) {
    for (const Bytes part : payload.parts) {
      joined_.insert(joined_.end(), part.begin(), part.end());
    }
  }
  return joined_;
}

}  // namespace img::json
