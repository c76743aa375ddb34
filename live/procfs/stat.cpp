// SPDX-License-Identifier: MIT
#include "live/procfs/stat.h"

#include "libimg/base/scanner.h"

namespace img::procfs {
namespace {

class Fields {
 public:
  explicit Fields(std::string_view text) : scanner_(text) {}
  template <class T>
  Fields& take(T& out) {
    ok_ = ok_ && scanner_.skip(" ") && scanner_.take(out);
    return *this;
  }
  // A number of either sign and any width that nobody here reads.
  Fields& skip(int count) {
    for (; count > 0 && ok_; --count) {
      ok_ = scanner_.skip(" ") && !scanner_.word().empty();
    }
    return *this;
  }
  [[nodiscard]] bool ok() const { return ok_; }

 private:
  Scanner scanner_;
  bool ok_ = true;
};

}  // namespace

Result<Stat> parse_stat(std::string_view text) {
  Stat out;
  Scanner head(text);
  if (!head.take(out.pid) || !head.skip(" (")) {
    return malformed("stat", "pid");
  }
  // The name may hold anything, ") R 1" too: only the last bracket ends it.
  const std::size_t close = head.rest().rfind(')');
  if (close == std::string_view::npos || head.rest().size() < close + 3 ||
      head.rest()[close + 1] != ' ') {
    return malformed("stat", "name");
  }
  out.comm = head.rest().substr(0, close);
  out.state = head.rest()[close + 2];
  Fields fields(head.rest().substr(close + 3));
  fields.take(out.ppid).take(out.process_group).take(out.session).take(out.tty);
  fields.take(out.tty_group).take(out.flags).skip(8);
  fields.take(out.priority).take(out.nice).take(out.threads).skip(1).take(out.start_time).skip(3);
  fields.take(out.start_code).take(out.end_code).take(out.start_stack).skip(9);
  fields.take(out.exit_signal).skip(1).take(out.realtime_priority).take(out.policy).skip(3);
  fields.take(out.start_data).take(out.end_data).take(out.start_brk);
  fields.take(out.arg_start).take(out.arg_end).take(out.env_start).take(out.env_end);
  fields.take(out.exit_code);
  if (!fields.ok()) {
    return malformed("stat", "numbers");
  }
  return out;
}

}  // namespace img::procfs
