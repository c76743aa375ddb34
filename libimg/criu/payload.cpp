// SPDX-License-Identifier: MIT
#include <flatbuffers/flatbuffers.h>

#include "libimg/criu/payload.h"

#include <fmt/core.h>

#include "libimg/criu/decoder.h"
#include "schema/bpfmap_generated.h"
#include "schema/ipc_generated.h"
#include "schema/pipes_generated.h"
#include "schema/remaps_generated.h"
#include "schema/sockets_generated.h"

namespace img::criu {

using schema::PayloadRule;

namespace {

template <class T>
const T& as(const flatbuffers::Table& table) {
  return reinterpret_cast<const T&>(table);
}

std::optional<std::uint64_t> queue_size(std::uint64_t count, Bytes rest, WordOrder order,
                                        std::string& why) {
  const std::size_t before = rest.size();
  for (std::uint64_t i = 0; i < count; ++i) {
    if (!next_queued_message(rest, order, why)) {
      why = fmt::format("message {} of {}: {}", i + 1, count, why);
      return std::nullopt;
    }
  }
  return before - rest.size();
}

}  // namespace

std::optional<QueuedMessage> next_queued_message(Bytes& rest, WordOrder order, std::string& why) {
  if (rest.size() < kWordBytes) {
    why = fmt::format("{} bytes left for its size word", rest.size());
    return std::nullopt;
  }
  const std::uint32_t size = order.get32(rest.data());
  if (size > rest.size() - kWordBytes) {
    why = fmt::format("claims {} bytes, {} are left", size, rest.size() - kWordBytes);
    return std::nullopt;
  }
  QueuedMessage out;
  out.message = rest.subspan(kWordBytes, size);
  Decoder decoder;
  decoder.begin();
  const auto root = decoder.message(schema::table_layout("IpcMsg"), out.message);
  if (!root) {
    why = decoder.failure().text;
    return std::nullopt;
  }
  const std::uint32_t bytes =
      flatbuffers::GetRoot<schema::IpcMsg>(decoder.finish(*root).data())->msize();
  rest = rest.subspan(kWordBytes + size);
  const std::uint64_t padded = round_up(bytes, 8);
  if (padded > rest.size()) {
    why = fmt::format("its {} bytes of data and padding, {} are left", padded, rest.size());
    return std::nullopt;
  }
  out.data = rest.first(bytes);
  out.padding = rest.subspan(bytes, padded - bytes);
  rest = rest.subspan(padded);
  return out;
}

std::optional<std::uint64_t> payload_size(PayloadRule rule, const flatbuffers::Table& root,
                                          Bytes rest, WordOrder order, std::string& why) {
  std::uint64_t size = 0;
  switch (rule) {
    case PayloadRule::none: break;
    case PayloadRule::pipe_bytes: size = as<schema::PipeDataEntry>(root).bytes(); break;
    case PayloadRule::packet_bytes: size = as<schema::SkPacketEntry>(root).length(); break;
    case PayloadRule::tcp_queues: {
      const auto& stream = as<schema::TcpStreamEntry>(root);
      size = std::uint64_t{stream.inq_len()} + stream.outq_len();
      break;
    }
    case PayloadRule::map_bytes: {
      const auto& map = as<schema::BpfmapDataEntry>(root);
      size = std::uint64_t{map.keys_bytes()} + map.values_bytes();
      break;
    }
    case PayloadRule::semaphores:
      size = round_up(std::uint64_t{as<schema::IpcSemEntry>(root).nsems()} * 2, 8);
      break;
    case PayloadRule::messages:
      return queue_size(as<schema::IpcMsgEntry>(root).qnum(), rest, order, why);
    case PayloadRule::segment: {
      const auto& segment = as<schema::IpcShmEntry>(root);
      if (segment.in_pagemaps().value_or(false)) {
        break;
      }
      if (segment.size() > rest.size()) {  // before rounding, which could overflow
        why = fmt::format("claims {} bytes, {} are left", segment.size(), rest.size());
        return std::nullopt;
      }
      size = round_up(segment.size(), 4);
      break;
    }
    case PayloadRule::ghost:
      size = as<schema::GhostFileEntry>(root).chunks().value_or(false) ? 0 : rest.size();
      break;
  }
  if (size > rest.size()) {
    why = fmt::format("claims {} bytes after the message, {} are left", size, rest.size());
    return std::nullopt;
  }
  return size;
}

}  // namespace img::criu
