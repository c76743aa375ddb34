// SPDX-License-Identifier: MIT
#include "live/plan/files/sockets.h"

#include <linux/filter.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <array>
#include <vector>

namespace img::plan {

namespace {

constexpr int kBufLock = 72;  // SO_BUF_LOCK, Linux 5.14

template <class T>
void set_struct(PlanBuilder& builder, Slot socket, int option, const T& value,
                const std::string& what) {
  builder.call(kRestorer, SYS_setsockopt,
               {socket, SOL_SOCKET, option, builder.object(value), sizeof(value)}, what);
}

void set_time_limit(PlanBuilder& builder, Slot socket, int option, std::uint64_t seconds,
                    std::uint64_t microseconds, const std::string& what) {
  if (seconds != 0 || microseconds != 0) {
    const timeval limit{static_cast<time_t>(seconds), static_cast<suseconds_t>(microseconds)};
    set_struct(builder, socket, option, limit, what);
  }
}

void attach_filter(PlanBuilder& builder, Slot socket,
                   const flatbuffers::Vector<std::uint64_t>& code, const std::string& what) {
  // One word an instruction: code, jt, jf, k, from the high end on.
  std::vector<sock_filter> instructions;
  for (const std::uint64_t word : code) {
    instructions.push_back(
        {static_cast<std::uint16_t>(word >> 48), static_cast<std::uint8_t>(word >> 40),
         static_cast<std::uint8_t>(word >> 32), static_cast<std::uint32_t>(word)});
  }
  const DataId program = builder.data(std::as_bytes(std::span(instructions)));
  std::array<std::byte, sizeof(sock_fprog)> argument{};
  const auto length = static_cast<std::uint16_t>(code.size());
  std::memcpy(argument.data(), &length, sizeof(length));
  const DataId filter = builder.data(argument, {{offsetof(sock_fprog, filter), 8, program, false}});
  builder.call(kRestorer, SYS_setsockopt,
               {socket, SOL_SOCKET, SO_ATTACH_FILTER, filter, sizeof(sock_fprog)}, what);
}

}  // namespace

void set_option(PlanBuilder& builder, Slot socket, int level, int option, std::uint32_t value,
                const std::string& what, Tolerate tolerate) {
  builder.call(kRestorer, SYS_setsockopt,
               {socket, level, option, builder.object(value), sizeof(value)},
               what + " (" + std::to_string(level) + ", " + std::to_string(option) + ")", tolerate);
}

void set_socket_options(FileContext& context, Slot socket, const schema::SkOptsEntry& options,
                        const std::string& name) {
  PlanBuilder& builder = *context.builder;
  const std::string what = "option of " + name;
  const auto set = [&](int option, std::uint32_t value) {
    set_option(builder, socket, SOL_SOCKET, option, value, what);
  };
  // The kernel doubles what is set.
  set(SO_SNDBUFFORCE, options.so_sndbuf() / 2);
  set(SO_RCVBUFFORCE, options.so_rcvbuf() / 2);
  if (options.so_buf_lock()) {
    set_option(builder, socket, SOL_SOCKET, kBufLock, *options.so_buf_lock(), what, kMayFail);
  }
  struct Flag {
    int option;
    std::optional<bool> value;
  };
  const std::array flags = {
      Flag{SO_REUSEADDR, options.reuseaddr()},    Flag{SO_REUSEPORT, options.so_reuseport()},
      Flag{SO_PASSCRED, options.so_passcred()},   Flag{SO_PASSSEC, options.so_passsec()},
      Flag{SO_DONTROUTE, options.so_dontroute()}, Flag{SO_NO_CHECK, options.so_no_check()},
      Flag{SO_BROADCAST, options.so_broadcast()}, Flag{SO_KEEPALIVE, options.so_keepalive()},
  };
  for (const Flag& flag : flags) {
    if (flag.value.value_or(false)) {
      set(flag.option, 1);
    }
  }
  struct Number {
    int option;
    std::optional<std::uint32_t> value;
    std::uint32_t usual;  // what a new socket has
  };
  const std::array numbers = {
      Number{SO_PRIORITY, options.so_priority(), 0}, Number{SO_RCVLOWAT, options.so_rcvlowat(), 1},
      Number{SO_MARK, options.so_mark(), 0}, Number{SO_OOBINLINE, options.so_oobinline(), 0}};
  for (const Number& number : numbers) {
    if (number.value.value_or(number.usual) != number.usual) {
      set(number.option, *number.value);
    }
  }
  if (options.so_linger()) {
    const linger value{1, static_cast<int>(*options.so_linger())};
    set_struct(builder, socket, SO_LINGER, value, what);
  }
  if (options.so_bound_dev() != nullptr && options.so_bound_dev()->size() != 0) {
    builder.call(
        kRestorer, SYS_setsockopt,
        {socket, SOL_SOCKET, SO_BINDTODEVICE, builder.text(options.so_bound_dev()->string_view()),
         options.so_bound_dev()->size() + 1},
        "device of " + name);
  }
  set_time_limit(builder, socket, SO_SNDTIMEO, options.so_snd_tmo_sec(), options.so_snd_tmo_usec(),
                 what);
  set_time_limit(builder, socket, SO_RCVTIMEO, options.so_rcv_tmo_sec(), options.so_rcv_tmo_usec(),
                 what);
  if (options.so_filter() != nullptr && options.so_filter()->size() != 0) {
    attach_filter(builder, socket, *options.so_filter(), "filter of " + name);
  }
}

void shut_down(FileContext& context, Slot socket, schema::SkShutdown how, const std::string& name) {
  if (how != schema::SkShutdown::NONE) {
    // SHUT_RD is 0, and what is recorded counts from 1.
    context.builder->call(kRestorer, SYS_shutdown, {socket, static_cast<int>(how) - 1},
                          "shut down " + name, may_fail_with(107 /* ENOTCONN */));
  }
}

}  // namespace img::plan
