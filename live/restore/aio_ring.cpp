// SPDX-License-Identifier: MIT
#include "live/restore/aio_ring.h"

#include <fcntl.h>
#include <linux/aio_abi.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "live/restore/contents.h"

namespace img::restore {
namespace {

constexpr std::uint32_t kAtOnce = 512;

/// What the program sees of a ring before its events; `id` is the kernel's own number for it.
struct RingHead {
  std::uint32_t id = 0;
  std::uint32_t events = 0;
  std::uint32_t head = 0;
  std::uint32_t tail = 0;
};

class RingMaker {
 public:
  RingMaker(const plan::MakeAioRing& make, RemoteCalls& remote, MadeTask& task, int signal)
      : make_(make), remote_(remote), task_(task), signal_(signal) {}

  Result<void> run(model::ImageReader& image);

 private:
  Result<std::int64_t> call(const char* what, std::uint64_t number,
                            std::initializer_list<std::uint64_t> args, Bytes data = {});
  Result<void> advance();
  Result<void> submit(std::uint64_t file);

  const plan::MakeAioRing& make_;
  RemoteCalls& remote_;
  MadeTask& task_;
  int signal_;
  std::uint64_t ring_ = 0;  // where the kernel has put it
};

Result<std::int64_t> RingMaker::call(const char* what, std::uint64_t number,
                                     std::initializer_list<std::uint64_t> args, Bytes data) {
  IMG_ASSIGN(const std::int64_t result, remote_.call(task_, number, args, signal_, data));
  if (result < 0) {
    return fail(sys_error(static_cast<int>(-result), "task " + std::to_string(task_.id),
                          std::string("asynchronous I/O context: ") + what));
  }
  return result;
}

// Writes to /dev/null, which are over at once, until the kernel's own tail is where it was. A ring
// that has been all around must go all around again: the kernel counts what has been taken out.
Result<void> RingMaker::submit(std::uint64_t file) {
  const std::uint32_t total = make_.tail + (make_.tail < make_.head ? make_.events : 0);
  struct {
    iocb one{};
    std::array<std::uint64_t, kAtOnce> pointers{};
  } block;
  const std::uint64_t at = remote_.data_address();
  block.one.aio_lio_opcode = IOCB_CMD_PWRITE;
  block.one.aio_fildes = static_cast<std::uint32_t>(file);
  block.one.aio_buf = at;
  block.one.aio_nbytes = 1;
  block.pointers.fill(at);
  for (std::uint32_t done = 0; done < total;) {
    const std::uint32_t most = std::min({total - done, kAtOnce, make_.events - 1});
    IMG_ASSIGN(
        const std::int64_t taken,
        call("fill it", SYS_io_submit, {ring_, most, at + offsetof(decltype(block), pointers)},
             std::as_bytes(std::span(&block, 1))));
    done += static_cast<std::uint32_t>(taken);
    const std::uint32_t head = std::min(done, make_.head);
    IMG_TRY(
        task_.memory->write(ring_ + offsetof(RingHead, head), std::as_bytes(std::span(&head, 1))));
    if (taken == 0) {
      return fail(Fault::limit, "task " + std::to_string(task_.id), "asynchronous I/O context",
                  "it takes no requests");
    }
  }
  return {};
}

Result<void> RingMaker::advance() {
  if (make_.head == 0 && make_.tail == 0) {
    return {};
  }
  constexpr std::string_view kPath("/dev/null", sizeof "/dev/null");
  IMG_ASSIGN(const std::int64_t file,
             call("open /dev/null", SYS_openat,
                  {static_cast<std::uint64_t>(AT_FDCWD), remote_.data_address(), O_WRONLY},
                  std::as_bytes(std::span(kPath))));
  IMG_TRY(submit(static_cast<std::uint64_t>(file)));
  IMG_TRY(call("close /dev/null", SYS_close, {static_cast<std::uint64_t>(file)}));
  return {};
}

// The kernel chooses the place, and knows a ring that is moved. It numbers contexts as they are
// made, so that the number in the image may be another's now.
Result<void> RingMaker::run(model::ImageReader& image) {
  const std::array<std::byte, sizeof(std::uint64_t)> no_context{};
  const std::uint64_t at = remote_.data_address();
  IMG_TRY(call("make it", SYS_io_setup, {make_.requests, at}, no_context));
  IMG_ASSIGN(ring_, task_.memory->get<std::uint64_t>(at));
  IMG_ASSIGN(const auto made, task_.memory->get<RingHead>(ring_));
  if (make_.events != made.events || make_.head >= made.events || make_.tail >= made.events) {
    return fail(Fault::conflict, "task " + std::to_string(task_.id), "asynchronous I/O context",
                "this kernel makes it with " + std::to_string(made.events) + " events, not " +
                    std::to_string(make_.events));
  }
  IMG_TRY(advance());
  if (ring_ != make_.start) {
    IMG_TRY(call("put it where it was", SYS_mremap,
                 {ring_, make_.bytes, make_.bytes, MREMAP_MAYMOVE | MREMAP_FIXED, make_.start}));
  }
  const plan::Fill content{make_.actor.tid, {{make_.start, make_.start + make_.bytes}}};
  IMG_TRY(fill_memory(image, content, {*task_.memory}));
  return task_.memory->write(make_.start, std::as_bytes(std::span(&made.id, 1)));
}

}  // namespace

Result<void> make_aio_ring(const plan::MakeAioRing& make, model::ImageReader& image,
                           RemoteCalls& remote, MadeTask& task, int signal) {
  return RingMaker(make, remote, task, signal).run(image);
}

}  // namespace img::restore
