// SPDX-License-Identifier: MIT
#include "live/plan/files/common_entry.h"

namespace img::plan {
namespace {

using schema::FdTypes;

template <class T>
CommonEntry entry_of(const flatbuffers::Table* body) {
  const auto* entry = reinterpret_cast<const T*>(body);
  return {entry->fown(), entry->flags()};
}

}  // namespace

CommonEntry common_entry(const model::OpenFile& file) {
  if (file.body == nullptr) {
    return {};
  }
  switch (file.type) {
    case FdTypes::REG: return entry_of<schema::RegFileEntry>(file.body);
    case FdTypes::PIPE: return entry_of<schema::PipeEntry>(file.body);
    case FdTypes::INETSK: return entry_of<schema::InetSkEntry>(file.body);
    case FdTypes::UNIXSK: return entry_of<schema::UnixSkEntry>(file.body);
    case FdTypes::EVENTFD: return entry_of<schema::EventfdFileEntry>(file.body);
    case FdTypes::EVENTPOLL: return entry_of<schema::EventpollFileEntry>(file.body);
    case FdTypes::INOTIFY: return entry_of<schema::InotifyFileEntry>(file.body);
    case FdTypes::SIGNALFD: return entry_of<schema::SignalfdEntry>(file.body);
    case FdTypes::TIMERFD: return entry_of<schema::TimerfdEntry>(file.body);
    case FdTypes::TTY: return entry_of<schema::TtyFileEntry>(file.body);
    case FdTypes::MEMFD: return entry_of<schema::MemfdFileEntry>(file.body);
    case FdTypes::NETLINKSK: return entry_of<schema::NetlinkSkEntry>(file.body);
    case FdTypes::PACKETSK: return entry_of<schema::PacketSockEntry>(file.body);
    case FdTypes::FANOTIFY: return entry_of<schema::FanotifyFileEntry>(file.body);
    default: return {};
  }
}

}  // namespace img::plan
