// SPDX-License-Identifier: MIT
// The bytes that follow a message, as the `extra` of its entry. Where crit's form of it would not
// give back the same bytes, the whole is `_extra`, plain base64.
#pragma once

#include "libimg/criu/decoder.h"
#include "libimg/json/message_out.h"
#include "libimg/model/record.h"

namespace img::json {

class ExtraOut {
 public:
  explicit ExtraOut(Emitter& emit) : emit_(emit), message_(emit) { message_.set_shown(false); }

  struct How {
    bool sizes;    // say how many bytes they are, as `crit show --nopl`, instead of giving them
    bool swapped;  // numbers in them are not in our byte order: do not take them apart
  };
  /// Adds the member to the entry that is open.
  void put(const schema::KindInfo& kind, const model::Record& record, How how);

 private:
  /// One message of a queue; the views are into the payload.
  struct Message {
    Bytes message;
    Bytes content;
  };

  void base64(std::string_view key, const model::Payload& payload);
  void size_text(std::uint64_t size);
  void queues(std::uint64_t inq, const model::Payload& payload);
  bool numbers(std::uint32_t count, const model::Payload& payload);
  bool segment(std::uint64_t size, const model::Payload& payload);
  bool messages(std::uint32_t count, const model::Payload& payload);
  bool next_message(Bytes& rest, Message& found);
  [[nodiscard]] Bytes in_one(const model::Payload& payload);

  Emitter& emit_;
  MessageOut message_;
  criu::Decoder decoder_;
  std::vector<std::byte> joined_;
};

/// All parts in quotes, base64.
void put_base64(TextOut& out, const model::Payload& payload);

}  // namespace img::json
