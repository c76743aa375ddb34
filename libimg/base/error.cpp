// SPDX-License-Identifier: MIT
#include "libimg/base/error.h"

#include <cerrno>
#include <system_error>
#include <utility>

namespace img {

std::string Error::line() const {
  std::string out = thing;
  for (const std::string* part : {&what, &why}) {
    if (part->empty()) {
      continue;
    }
    if (!out.empty()) {
      out += ": ";
    }
    out += *part;
  }
  if (!hint.empty()) {
    out += " (" + hint + ")";
  }
  return out;
}

std::string_view fault_name(Fault fault) {
  switch (fault) {
    case Fault::io: return "io";
    case Fault::corrupt: return "corrupt";
    case Fault::unsupported: return "unsupported";
    case Fault::limit: return "limit";
    case Fault::missing: return "missing";
    case Fault::conflict: return "conflict";
    case Fault::gone: return "gone";
    case Fault::denied: return "denied";
    case Fault::usage: return "usage";
  }
  return "unknown";
}

Error sys_error(int sys_errno, std::string thing, std::string what) {
  Fault fault = Fault::io;
  if (sys_errno == ENOENT || sys_errno == ENOTDIR) {
    fault = Fault::missing;
  } else if (sys_errno == EACCES || sys_errno == EPERM) {
    fault = Fault::denied;
  } else if (sys_errno == EEXIST) {
    fault = Fault::conflict;
  }
  return {fault, sys_errno, std::move(thing), std::move(what),
          std::generic_category().message(sys_errno), sys_errno == EMFILE ? "ulimit -n" : ""};
}

Error make_error(Fault fault, std::string thing, std::string what, std::string why, std::string hint) {
  return {fault, 0, std::move(thing), std::move(what), std::move(why), std::move(hint)};
}

}  // namespace img
