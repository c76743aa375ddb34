// SPDX-License-Identifier: MIT
#include "libimg/json/payload_size.h"

#include "schema/bpfmap_generated.h"
#include "schema/ipc_generated.h"
#include "schema/pipes_generated.h"
#include "schema/remaps_generated.h"
#include "schema/sockets_generated.h"

namespace img::json {

using schema::PayloadRule;

namespace {

bool is_chunk(const model::Record& record) {
  return record.table->name == "GhostChunkEntry";
}

}  // namespace

std::optional<std::uint64_t> announced_size(PayloadRule rule, const model::Record& record) {
  switch (rule) {
    case PayloadRule::none: return 0;
    case PayloadRule::pipe_bytes: return record.as<schema::PipeDataEntry>()->bytes();
    case PayloadRule::packet_bytes: return record.as<schema::SkPacketEntry>()->length();
    case PayloadRule::tcp_queues: {
      const auto* const entry = record.as<schema::TcpStreamEntry>();
      return std::uint64_t{entry->inq_len()} + entry->outq_len();
    }
    case PayloadRule::map_bytes: {
      const auto* const entry = record.as<schema::BpfmapDataEntry>();
      return std::uint64_t{entry->keys_bytes()} + entry->values_bytes();
    }
    case PayloadRule::semaphores:
      return std::uint64_t{2} * record.as<schema::IpcSemEntry>()->nsems();
    case PayloadRule::segment: {
      const auto* const entry = record.as<schema::IpcShmEntry>();
      return entry->in_pagemaps().value_or(false) ? 0 : entry->size();
    }
    case PayloadRule::messages: return std::nullopt;
    case PayloadRule::ghost:
      if (is_chunk(record)) {
        return record.as<schema::GhostChunkEntry>()->len();
      }
      if (record.as<schema::GhostFileEntry>()->chunks().value_or(false)) {
        return 0;
      }
      return std::nullopt;
  }
  return 0;
}

bool has_extra(PayloadRule rule, const model::Record& record) {
  switch (rule) {
    case PayloadRule::none: return false;
    case PayloadRule::segment:
      return !record.as<schema::IpcShmEntry>()->in_pagemaps().value_or(false);
    case PayloadRule::ghost:
      return is_chunk(record) || !record.as<schema::GhostFileEntry>()->chunks().value_or(false);
    default: return true;
  }
}

}  // namespace img::json
