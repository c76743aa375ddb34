// SPDX-License-Identifier: MIT
#include "live/dump/files/file_bench.h"

#include <unistd.h>

namespace img::dump {

FileBench::FileBench(DumpContext& context)
    : context_(context), payloads_(std::make_shared<PayloadMemory>()) {
  context.records.keep_alive(payloads_);
  for (const trace::FrozenProcess& process : context.tree.processes) {
    members_.insert(process.pid());
  }
}

Result<std::span<const Mount>> FileBench::mounts() {
  if (mounts_.empty()) {
    IMG_ASSIGN(const procfs::ProcDir self, procfs::ProcDir::open(::getpid()));
    IMG_ASSIGN(const std::string text, self.read("mountinfo"));
    IMG_ASSIGN(mounts_, parse_mountinfo(text));
  }
  return std::span<const Mount>(mounts_);
}

flatbuffers::Offset<schema::FownEntry> owner_entry(flatbuffers::FlatBufferBuilder& builder,
                                                   const Owner& owner) {
  return schema::CreateFownEntry(builder, owner.uid, owner.euid, owner.signal, owner.type,
                                 owner.pid);
}

}  // namespace img::dump
