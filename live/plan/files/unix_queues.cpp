// SPDX-License-Identifier: MIT
#include "live/plan/files/unix_queues.h"

#include <sys/socket.h>
#include <sys/syscall.h>

#include <cstddef>
#include <cstring>

#include "libimg/model/each_record.h"

namespace img::plan {
namespace {

using model::OpenFile;
using schema::FdTypes;

constexpr int kSendFlags = MSG_DONTWAIT | MSG_NOSIGNAL;
constexpr std::uint64_t kMostQueued = std::uint64_t{64} << 20;

}  // namespace

Result<void> UnixQueues::read(model::ImageReader& reader) {
  std::uint64_t total = 0;
  bool is_too_much = false;
  IMG_TRY(model::for_each_message<schema::SkPacketEntry>(
      reader, {model::Kind::sk_queues, 0},
      [&](const schema::SkPacketEntry& entry, const model::Record& record) {
        total += record.payload.size();
        if (total > kMostQueued) {
          is_too_much = true;
          return;
        }
        Packet packet;
        for (const Bytes part : record.payload.parts) {
          packet.bytes.insert(packet.bytes.end(), part.begin(), part.end());
        }
        for (std::uint32_t i = 0; entry.scm() != nullptr && i < entry.scm()->size(); ++i) {
          const auto* rights = entry.scm()->Get(i)->rights();
          for (std::uint32_t n = 0; rights != nullptr && n < rights->size(); ++n) {
            packet.rights.push_back(rights->Get(n));
          }
        }
        queues_[entry.id_for()].push_back(std::move(packet));
      }));
  if (is_too_much) {
    return fail(Fault::limit, "sk-queues.img", "more than 64 MiB are queued in sockets");
  }
  return {};
}

Result<void> UnixQueues::send(FileContext& context, std::uint32_t file_id, Slot sender,
                              const std::string& name) const {
  const auto queue = queues_.find(file_id);
  if (queue == queues_.end()) {
    return {};
  }
  for (const Packet& packet : queue->second) {
    IMG_TRY(send_one(context, sender, packet, name));
  }
  return {};
}

Result<void> UnixQueues::send_one(FileContext& context, Slot sender, const Packet& packet,
                                  const std::string& name) {
  PlanBuilder& builder = *context.builder;
  iovec part{};
  part.iov_len = packet.bytes.size();
  const DataId parts =
      builder.object(part, {{offsetof(iovec, iov_base), 8, builder.data(packet.bytes), false}});
  msghdr message{};
  message.msg_iovlen = 1;
  std::vector<Patch> patches{{offsetof(msghdr, msg_iov), 8, parts, false}};
  if (!packet.rights.empty()) {
    std::vector<std::byte> control(CMSG_SPACE(packet.rights.size() * sizeof(int)));
    cmsghdr head{};
    head.cmsg_level = SOL_SOCKET;
    head.cmsg_type = SCM_RIGHTS;
    head.cmsg_len = CMSG_LEN(packet.rights.size() * sizeof(int));
    std::memcpy(control.data(), &head, sizeof(head));
    std::vector<Patch> descriptors;
    for (std::size_t i = 0; i < packet.rights.size(); ++i) {
      const OpenFile* file = context.table.find(packet.rights[i]);
      IMG_ASSIGN(const Slot passed,
                 context.slot_of(packet.rights[i], file == nullptr ? FdTypes::UND : file->type));
      descriptors.push_back(
          {static_cast<std::uint32_t>(CMSG_LEN(0) + i * sizeof(int)), 4, passed, false});
    }
    message.msg_controllen = control.size();
    patches.push_back(
        {offsetof(msghdr, msg_control), 8, builder.data(control, std::move(descriptors)), false});
  }
  builder.call(kRestorer, SYS_sendmsg,
               {sender, builder.object(message, std::move(patches)), kSendFlags},
               "what waits in " + name);
  return {};
}

}  // namespace img::plan
