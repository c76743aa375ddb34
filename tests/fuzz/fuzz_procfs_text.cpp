// SPDX-License-Identifier: MIT
// The texts of /proc. Input: number of the parser in one byte, then the text. The names in them
// are a program's to choose, so they count as coming from strangers.
#include "libimg/base/bytes.h"
#include "libimg/base/mountinfo.h"
#include "live/procfs/cgroups.h"
#include "live/procfs/fdinfo.h"
#include "live/procfs/lists.h"
#include "live/procfs/maps.h"
#include "live/procfs/stat.h"
#include "live/procfs/status.h"
#include "live/procfs/timers.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace img::procfs;
using img::fuzz::must_hold;

void maps(std::string_view text) {
  if (const auto found = parse_maps(text)) {
    std::uint64_t end = 0;
    for (const Mapping& one : *found) {
      must_hold(one.start >= end && one.end > one.start, "mappings are in order");
      must_hold(find_mapping(*found, one.start) == &one, "a mapping is found by its start");
      end = one.end;
    }
  }
}

void mounts(std::string_view text) {
  if (const auto found = img::parse_mountinfo(text)) {
    for (const img::Mount& one : *found) {
      must_hold(one.mountpoint.size() <= text.size(), "undoing escapes makes nothing longer");
    }
  }
}

constexpr void (*kParsers[])(std::string_view) = {
    [](std::string_view text) { static_cast<void>(parse_stat(text)); },
    [](std::string_view text) { static_cast<void>(parse_status(text)); },
    maps,
    [](std::string_view text) { static_cast<void>(parse_smaps(text)); },
    [](std::string_view text) { static_cast<void>(parse_fdinfo(text)); },
    [](std::string_view text) { static_cast<void>(parse_cgroups(text)); },
    mounts,
    [](std::string_view text) { static_cast<void>(parse_timers(text)); },
    [](std::string_view text) { static_cast<void>(parse_limits(text)); },
    [](std::string_view text) { static_cast<void>(parse_children(text)); },
    [](std::string_view text) { static_cast<void>(parse_numbered_link(text)); },
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 0) {
    kParsers[data[0] % std::size(kParsers)]({reinterpret_cast<const char*>(data) + 1, size - 1});
  }
  return 0;
}

std::vector<std::string> img::fuzz::seeds() {
  using namespace std::string_literals;
  return {
      "\0"s
      "42 (a) b) S 41 40 39 0 -1 4194304 3038 6572 6 0 3 1 4 0 20 0 1 0 349665 18718720 3611 "
      "18446744073709551615 94317821358080 94317821358421 140723953773808 0 0 0 0 16781312 2 0 0 "
      "0 17 0 0 0 0 0 0 94317821369776 94317821370392 94318265712640 1 2 3 4 0\n",
      "\1Name:\tx\nUmask:\t0022\nState:\tR (running)\nPid:\t5\nUid:\t0\t0\t0\t0\nGroups:\t1 2 \n"
      "NSpid:\t5\t1\nSigBlk:\t00000000000000ff\nNoNewPrivs:\t0\nCpus_allowed:\t3,00000001\n",
      "\2"
      "1000-2000 r-xp 00000000 fe:00 12 /bin/x\n2000-3000 rw-p 00000000 00:00 0 [heap]\n",
      "\3"
      "1000-2000 rw-p 00000000 00:00 0 [stack]\nRss: 8 kB\nSwap: 0 kB\nVmFlags: rd wr gd zz\n",
      "\4pos:\t0\nflags:\t02\nmnt_id:\t9\nino:\t5\n"
      "tfd: 5 events: 19 data: 5  pos:0 ino:61 sdev:7\nsigmask:\t00ff\nPid:\t3\n",
      "\4pos:\t0\ninotify wd:1 ino:1 sdev:1 mask:f ignored_mask:0 fhandle-bytes:8 "
      "fhandle-type:1 f_handle:00ff\nlock:\t1: POSIX  ADVISORY  WRITE 5 fe:00:5 0 EOF\n",
      "\4"
      "clockid: 1\nticks: 0\nsettime flags: 01\nit_value: (1, 2)\nit_interval: (0, 0)\n"
      "eventfd-count: 3\neventfd-semaphore: 1\n",
      "\5"
      "4:cpu,cpuacct:/a\n0::/b (deleted)\n",
      "\6"
      "27 1 254:0 /a\\040b / rw shared:1 master:2 - ext4 /dev/vda rw\n",
      "\7ID: 0\nsignal: 10/1234\nnotify: signal/pid.5\nClockID: 1\n",
      "\10Max cpu time  unlimited 5 seconds\nMax file size 1 2 bytes\n",
      "\11"
      "12 13 14 ",
      "\12pipe:[123]",
  };
}
