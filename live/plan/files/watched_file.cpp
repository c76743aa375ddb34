// SPDX-License-Identifier: MIT
#include "live/plan/files/watched_file.h"

#include <fcntl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>

#include "libimg/base/text.h"

namespace img::plan {
namespace {

constexpr std::uint32_t kLongestHandle = 128;

}  // namespace

Result<Slot> open_watched(FileContext& context, const WatchedFile& watched,
                          const std::string& who) {
  const schema::FhEntry& handle = *watched.handle;
  if (handle.path() != nullptr && handle.path()->size() != 0) {
    FilePresent there;
    there.path = handle.path()->str();
    context.builder->expect(std::move(there));
    return context.open_path(handle.path()->string_view(), O_PATH);
  }
  IMG_ASSIGN(const std::optional<Slot> ghost, context.ghost_of(watched.device, watched.inode));
  if (ghost) {
    return *ghost;
  }
  const std::uint32_t device = watched.device;
  const auto mount = context.mounts().find(device);
  if (mount == context.mounts().end()) {
    return fail(state::refusal(
        state::Piece::watched_not_mounted, who,
        "device " + std::to_string(device >> 20) + ":" + std::to_string(device & 0xfffff)));
  }
  const std::size_t words = handle.handle() == nullptr ? 0 : handle.handle()->size();
  if (handle.bytes() > kLongestHandle || handle.bytes() > words * 8) {
    return fail(Fault::corrupt, who, "handle of " + std::to_string(handle.bytes()) + " bytes",
                "a handle has at most 128");
  }
  struct {
    std::uint32_t bytes;
    std::int32_t type;
    std::array<std::uint64_t, kLongestHandle / 8> handle;
  } argument{handle.bytes(), static_cast<std::int32_t>(handle.type()), {}};
  for (std::size_t i = 0; i < std::min(words, argument.handle.size()); ++i) {
    argument.handle[i] = handle.handle()->Get(static_cast<std::uint32_t>(i));
  }
  PlanBuilder& builder = *context.builder;
  const Slot folder = context.open_path(mount->second, O_RDONLY | O_DIRECTORY);
  const Slot opened = builder.keep(builder.call(
      kRestorer, SYS_open_by_handle_at, {folder, builder.object(argument), O_PATH | O_CLOEXEC},
      "open by its handle, below " + escaped(mount->second) + ", what " + who + " is on"));
  builder.close(folder);
  return opened;
}

}  // namespace img::plan
