// SPDX-License-Identifier: MIT
// Two contexts of asynchronous I/O: one as it was made after another was taken away, one that has
// been all around and in which results wait. Each round takes a result out and asks for another.
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/live/victims/victim.h"

namespace {

constexpr long kWaiting = 3;  // results that are left in the ring

aio_context_t make() {
  aio_context_t context = 0;
  VICTIM_CHECK(syscall(SYS_io_setup, 64, &context) == 0);
  return context;
}

void submit(aio_context_t context, int file, std::uint64_t mark) {
  char byte = 0;
  iocb one{};
  one.aio_data = mark;
  one.aio_fildes = static_cast<std::uint32_t>(file);
  one.aio_buf = reinterpret_cast<std::uint64_t>(&byte);
  one.aio_nbytes = 1;
  one.aio_lio_opcode = IOCB_CMD_PWRITE;
  iocb* list = &one;
  VICTIM_CHECK(syscall(SYS_io_submit, context, 1, &list) == 1);
}

void take(aio_context_t context, std::uint64_t mark) {
  io_event event{};
  VICTIM_CHECK(syscall(SYS_io_getevents, context, 1, 1, &event, nullptr) == 1);
  VICTIM_CHECK(event.data == mark && event.res == 1);
}

}  // namespace

int main() {
  victim::page();
  const int file = open("/dev/null", O_WRONLY | O_CLOEXEC);
  const aio_context_t gone = make();
  const aio_context_t busy = make();
  const aio_context_t fresh = make();
  VICTIM_CHECK(syscall(SYS_io_destroy, gone) == 0);
  std::uint64_t next = 0;
  for (; next < kWaiting; ++next) {
    submit(busy, file, next);
  }
  victim::ready();
  while (victim::goes_on()) {
    // More than the ring has room for, so that it is dumped anywhere in its course.
    for (int i = 0; i < 37; ++i, ++next) {
      take(busy, next - kWaiting);
      submit(busy, file, next);
    }
    submit(fresh, file, next);
    take(fresh, next);
    victim::round_done();
    usleep(2000);
  }
}
