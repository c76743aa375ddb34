// SPDX-License-Identifier: MIT
// Descriptors of namespaces (/proc/PID/ns/NAME): those that live-restore itself is in, as the whole
// tree will be.
#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>

#include <array>

#include "live/plan/files/image_files.h"
#include "live/state/state.h"
#include "schema/namespaces_generated.h"

namespace img::plan {
namespace {

struct Namespace {
  std::uint32_t flag;
  const char* path;
};
constexpr std::array kNamespaces = {Namespace{CLONE_NEWPID, "/proc/self/ns/pid"},
                                    Namespace{CLONE_NEWNET, "/proc/self/ns/net"},
                                    Namespace{CLONE_NEWIPC, "/proc/self/ns/ipc"},
                                    Namespace{CLONE_NEWUTS, "/proc/self/ns/uts"},
                                    Namespace{CLONE_NEWNS, "/proc/self/ns/mnt"},
                                    Namespace{CLONE_NEWUSER, "/proc/self/ns/user"},
                                    Namespace{CLONE_NEWCGROUP, "/proc/self/ns/cgroup"},
                                    Namespace{0x80, "/proc/self/ns/time"}};

class Namespaces final : public KindPlanner {
 public:
  Result<Slot> open(FileContext& context, const model::OpenFile& file) override {
    const auto& entry = *file.as<schema::NsFileEntry>(schema::FdTypes::NS);
    for (const Namespace& one : kNamespaces) {
      if (one.flag == entry.ns_cflag()) {
        PlanBuilder& builder = *context.builder;
        return builder.keep(builder.call(
            kRestorer, SYS_openat,
            {AT_FDCWD, builder.text(one.path), (entry.flags() & O_NONBLOCK) | O_CLOEXEC},
            std::string("open ") + one.path));
      }
    }
    return fail(state::refusal(state::Piece::namespace_foreign,
                               "namespace file " + std::to_string(file.id),
                               "type " + std::to_string(entry.ns_cflag())));
  }
};

}  // namespace

std::unique_ptr<KindPlanner> plan_namespaces() {
  return std::make_unique<Namespaces>();
}

}  // namespace img::plan
