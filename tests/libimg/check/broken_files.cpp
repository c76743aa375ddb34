// SPDX-License-Identifier: MIT
#include "tests/libimg/check/broken.h"

namespace img::check {
namespace {

const char* const kThread = "core-22831.img";

Json mount(int id, int parent, const std::string& point) {
  return {{"fstype", 1},    {"mnt_id", id}, {"root_dev", "0:40"},  {"parent_mnt_id", parent},
          {"flags", "0x0"}, {"root", "/"},  {"mountpoint", point}, {"source", "proc"},
          {"options", ""}};
}

Json device(const std::string& type, int index) {
  return {{"type", type}, {"ifindex", index}, {"mtu", 1500}, {"flags", "0x0"}, {"name", "dev0"}};
}

std::vector<Case> path_cases() {
  const auto reg = [](const std::string& field, const Json& value) {
    return of("REG", "reg", [=](Json& e) { e[field] = value; });
  };
  return {
      {"FIL-1", "no part", kError, "zoo", all("files.img", [](Json& e) { e[5].erase("reg"); })},
      {"FIL-1", "two parts", kError, "zoo",
       all("files.img",
           [](Json& e) {
             e[5]["pipe"] = {{"id", 6}, {"pipe_id", 1}, {"flags", "0x0"}, {"fown", owner()}};
           })},
      {"FIL-1", "twice", kError, "zoo", all("files.img", [](Json& e) { e.push_back(e[5]); })},
      {"FIL-2", "type", kError, "zoo", all("files.img", [](Json& e) { e[5]["type"] = "CTL_TTY"; })},
      {"FIL-3", "unused", kNote, "zoo",
       added("EVENTFD", "efd", {{"flags", 0}, {"fown", owner()}, {"counter", 0}})},
      {"FIL-4", "signal", kError, "zoo",
       all("files.img", [](Json& e) { e[5]["reg"]["fown"]["signum"] = 65; })},
      {"FIL-4", "owner", kError, "zoo",
       all("files.img",
           [](Json& e) {
             e[5]["reg"]["fown"]["pid"] = 22826;
             e[5]["reg"]["fown"]["pid_type"] = 3;
           })},
      {"FIL-3", "an end of a pipe", kError, "zoo",
       all("fdinfo-2.img",
           [](Json& e) {
             for (std::size_t i = 0; i < e.size();) {
               if (e[i]["type"] == "PIPE") {
                 e.erase(i);
               } else {
                 ++i;
               }
             }
           })},
      {"FIL-4", "owner is no process", kError, "zoo",
       all("files.img", [](Json& e) { e[5]["reg"]["fown"]["pid"] = 5'000'000; })},
      {"FIL-4", "owner elsewhere", kWarning, "zoo",
       all("files.img", [](Json& e) { e[5]["reg"]["fown"]["pid"] = 7; })},
      {"FIL-5", "direct", kError, "zoo",
       of("EVENTFD", "efd", [](Json& e) { e["flags"] = 0x4002; })},
      {"FDI-1", "twice", kError, "zoo", in("fdinfo-2.img", [](Json& e) { e["fd"] = 1; })},
      {"FDI-2", "type", kError, "zoo", in("fdinfo-2.img", [](Json& e) { e["type"] = "PIPE"; })},
      {"FDI-3", "lost", kError, "zoo", removed("fdinfo-2.img")},
      {"FS-1", "a pipe", kError, "zoo", in("fs-22826.img", [](Json& e) { e["cwd_id"] = 9; })},
      {"REG-1", "zero byte", kError, "zoo", reg("name", std::string("/a\0b", 4))},
      {"REG-1", "relative", kWarning, "zoo", reg("name", "a/b")},
      {"REG-2", "mount", kError, "zoo",
       [=](Copy& copy) {
         copy.create("mountpoints-9.img", "MNTS", {mount(5, 1, "/")});
         reg("mnt_id", 77)(copy);
       }},
      {"REG-5", "no type", kError, "zoo", reg("mode", 0644)},
      {"REG-8", "truncates", kWarning, "zoo", reg("flags", 0x200)},
      {"REM-1", "no original", kError, "zoo",
       in("remap-fpath.img", [](Json& e) { e["orig_id"] = 9; })},
      {"REM-2", "no link", kError, "zoo",
       in(
           "remap-fpath.img", [](Json& e) { e["remap_id"] = 555; }, 1)},
      {"REM-2", "no list", kError, "zoo", removed("remap-fpath.img")},
      {"REM-3", "itself", kError, "zoo",
       in(
           "remap-fpath.img", [](Json& e) { e["remap_id"] = e["orig_id"]; }, 1)},
      {"REM-3", "other mount", kError, "zoo",
       all("files.img",
           [](Json& e) {
             for (Json& entry : e) {
               if (entry["id"] == 17) {
                 entry["reg"]["mnt_id"] = 3;
               }
             }
           })},
      {"REM-5", "mount", kError, "zoo",
       [](Copy& copy) {
         copy.create("mountpoints-9.img", "MNTS", {mount(5, 1, "/")});
         copy.edit("files.img", [](Json& c) {
           for (Json& entry : c["entries"]) {
             if (entry["id"] == 17) {
               entry["reg"]["mnt_id"] = 3;
             }
           }
         });
       }},
      {"GHO-1", "length", kError, "zoo",
       in("ghost-file-1.img", [](Json& e) { e["extra"] = "AAAA\n"; })},
      {"GHO-2", "device", kError, "zoo",
       in("ghost-file-1.img", [](Json& e) { e["mode"] = 020600; })},
      {"GHO-1", "mode", kError, "zoo",
       in("ghost-file-1.img", [](Json& e) { e["mode"] = 0100601; })},
      {"GHO-4", "elsewhere", kError, "zoo",
       [](Copy& copy) {
         copy.create("mountpoints-9.img", "MNTS",
                     {{{"fstype", 5},
                       {"mnt_id", 7},
                       {"root_dev", "0:77"},
                       {"parent_mnt_id", 0},
                       {"flags", "0x0"},
                       {"root", "/"},
                       {"mountpoint", "/else"},
                       {"source", "none"},
                       {"options", ""}}});
         copy.edit("files.img", [](Json& c) {
           for (Json& entry : c["entries"]) {
             if (entry.contains("reg")) {
               entry["reg"]["mnt_id"] = 7;
             }
           }
         });
       }},
      {"GHO-5", "microseconds", kError, "zoo",
       in("ghost-file-1.img", [](Json& e) { e["mtim"]["tv_usec"] = 1000000; })},
      {"GHO-5", "one time", kError, "zoo",
       in("ghost-file-1.img", [](Json& e) { e.erase("mtim"); })},
      {"GHO-3", "large", kNote, "zoo",
       [](Copy& copy) {
         copy.append("ghost-file-1.img", std::string(1100000, 'g'));
         copy.edit("files.img", [](Json& c) {
           for (Json& entry : c["entries"]) {
             if (entry["id"] == 15) {
               entry["reg"]["size"] = 1100600;
             }
           }
         });
       }},
  };
}

std::vector<Case> other_file_cases() {
  const auto timerfd = [](const std::string& field, const Json& value) {
    return of("TIMERFD", "tfd", [=](Json& e) { e[field] = value; });
  };
  const auto inet = [](const std::string& field, const Json& value) {
    return of("INETSK", "isk", [=](Json& e) { e[field] = value; });
  };
  const auto unix_socket = [](const std::string& field, const Json& value) {
    return of("UNIXSK", "usk", [=](Json& e) { e[field] = value; });
  };
  const auto stream = [](const std::string& field) {
    return in("tcp-stream-5149f.img", [=](Json& e) { e.erase(field); });
  };
  const auto tty = [](const Change& change) { return in("tty-info.img", change); };
  return {
      {"PIP-1", "access", kError, "zoo", of("PIPE", "pipe", [](Json& e) { e["flags"] = "0x3"; })},
      {"PIP-2", "twice", kError, "zoo", all("pipes-data.img", [](Json& e) { e.push_back(e[0]); })},
      {"PIP-2", "unknown", kError, "zoo", in("pipes-data.img", [](Json& e) { e["pipe_id"] = 5; })},
      {"PIP-4", "one end", kWarning, "zoo", of("PIPE", "pipe", [](Json& e) { e["pipe_id"] = 5; })},
      {"FIF-1", "no path", kError, "fds", of("FIFO", "fifo", [](Json& e) { e["regf_id"] = 555; })},
      {"SKQ-1", "no socket", kError, "zoo", in("sk-queues.img", [](Json& e) { e["id_for"] = 9; })},
      {"SKQ-2", "lost file", kError, "zoo",
       in("sk-queues.img",
          [](Json& e) {
            e["scm"] = {{{"type", 1}, {"rights", {555}}}};
          })},
      {"UNX-1", "inode", kError, "zoo",
       all("files.img",
           [](Json& e) {
             Json first;
             for (Json& entry : e) {
               if (entry["type"] == "UNIXSK") {
                 if (first.is_null()) {
                   first = entry["usk"]["ino"];
                 } else {
                   entry["usk"]["ino"] = first;
                 }
               }
             }
           })},
      {"UNX-2", "type", kError, "zoo", unix_socket("type", "DGRAM")},
      {"UNX-3", "no peer", kError, "zoo",
       all("files.img",
           [](Json& e) {
             for (Json& entry : e) {
               if (entry["type"] == "UNIXSK") {
                 entry["usk"]["peer"] = 0;
               }
             }
           })},
      {"UNX-4", "listens to nobody", kWarning, "zoo", unix_socket("state", "LISTEN")},
      {"INE-1", "family", kError, "zoo", inet("family", 3)},
      {"INE-1", "address", kError, "zoo", inet("family", "INET6")},
      {"INE-2", "state", kError, "zoo", inet("state", 44)},
      {"INE-1", "protocol", kError, "zoo", inet("type", "DGRAM")},
      {"UNX-2", "datagrams that listen", kError, "zoo",
       of("UNIXSK", "usk",
          [](Json& e) {
            e["type"] = "DGRAM";
            e["state"] = "LISTEN";
          })},
      {"SKO-1", "timeout", kError, "zoo",
       of("UNIXSK", "usk", [](Json& e) { e["opts"]["so_rcv_tmo_usec"] = 1'000'000; })},
      {"SKO-1", "hops", kError, "zoo",
       of("INETSK", "isk", [](Json& e) { e["ip_opts"]["ttl"] = 0; })},
      {"INE-3", "window", kError, "zoo",
       in("tcp-stream-5149f.img", [](Json& e) { e["max_window"] = 0; })},
      {"INE-3", "window's end", kError, "zoo",
       in("tcp-stream-5149f.img",
          [](Json& e) { e["rcv_wup"] = e["inq_seq"].get<std::uint32_t>() + 1; })},
      {"INE-3", "scale", kError, "zoo", stream("rcv_wscale")},
      {"INE-3", "timestamp", kError, "zoo", stream("timestamp")},
      {"INE-3", "not sent", kError, "zoo", stream("unsq_len")},
      {"INE-6", "v6only", kWarning, "zoo", inet("v6only", true)},
      {"NLK-1", "groups", kError, "fds",
       of("NETLINKSK", "nlsk",
          [](Json& e) {
            e["groups"] = {1, 1};
          })},
      {"PKT-1", "address", kError, "zoo",
       added("PACKETSK", "psk",
             {{"type", 3},
              {"protocol", 0},
              {"flags", "0x0"},
              {"ifindex", 0},
              {"fown", owner()},
              {"opts",
               {{"so_sndbuf", 0},
                {"so_rcvbuf", 0},
                {"so_snd_tmo_sec", 0},
                {"so_snd_tmo_usec", 0},
                {"so_rcv_tmo_sec", 0},
                {"so_rcv_tmo_usec", 0}}},
              {"version", 0},
              {"reserve", 0},
              {"aux_data", false},
              {"orig_dev", false},
              {"vnet_hdr", false},
              {"loss", false},
              {"timestamp", 0},
              {"copy_thresh", 0},
              {"mclist", {{{"index", 1}, {"type", 0}, {"addr", std::string(44, 'A') + "\n"}}}}})},
      {"TTY-1", "no file", kError, "pty", removed("tty-info.img")},
      {"TTY-1", "too high", kError, "pty", tty([](Json& e) { e["id"] = 2177; })},
      {"TTY-2", "no pty", kError, "pty", tty([](Json& e) { e.erase("pty"); })},
      {"TTY-3", "no size", kError, "pty", tty([](Json& e) { e.erase("winsize"); })},
      {"TTY-3", "characters", kError, "pty",
       tty([](Json& e) { e["termios"]["c_cc"] = numbers(18); })},
      {"TTY-5", "session", kError, "pty", tty([](Json& e) { e["sid"] = 5; })},
      {"TTY-6", "unknown", kError, "pty",
       made("tty-data.img", "TTY_DATA", {{{"tty_id", 77}, {"data", "AAAA\n"}}})},
      {"EVF-1", "counter", kWarning, "zoo",
       of("EVENTFD", "efd", [](Json& e) { e["counter"] = 0x100000000; })},
      {"EPL-1", "a file", kError, "zoo",
       of("EVENTPOLL", "epfd", [](Json& e) { e["tfd"][0]["tfd"] = 3; })},
      {"EPL-1", "target", kError, "zoo",
       of("EVENTPOLL", "epfd", [](Json& e) { e["tfd"][0]["tfd"] = 500; })},
      {"SIG-1", "kill", kWarning, "fds",
       of("SIGNALFD", "sgfd", [](Json& e) { e["sigmask"] = "0x100"; })},
      {"TFD-1", "clock", kError, "fds", timerfd("clockid", 5)},
      {"TFD-1", "nanoseconds", kError, "fds", timerfd("insec", 1000000000)},
      {"TFD-1", "flags", kError, "fds", timerfd("settime_flags", "0x8")},
      {"INO-1", "handle", kError, "fds",
       of("INOTIFY", "ify", [](Json& e) { e["wd"][0]["f_handle"]["bytes"] = 129; })},
      {"INO-1", "twice", kError, "fds",
       of("INOTIFY", "ify", [](Json& e) { e["wd"].insert(e["wd"].begin(), Json(e["wd"][0])); })},
      {"FAN-1", "no inode", kError, "zoo",
       added("FANOTIFY", "ffy",
             {{"flags", "0x0"},
              {"fown", owner()},
              {"faflags", "0x0"},
              {"evflags", "0x0"},
              {"mark",
               {{{"id", 1},
                 {"type", "INODE"},
                 {"mflags", "0x0"},
                 {"mask", "0x0"},
                 {"ignored_mask", "0x0"},
                 {"s_dev", "0:0"}}}}})},
      {"PID-1", "nobody", kError, "zoo",
       added("PIDFD", "pidfd", {{"ino", 1}, {"flags", 0}, {"nspid", 777}, {"fown", owner()}})},
      {"BPF-1", "type", kError, "zoo",
       added("BPFMAP", "bpf",
             {{"flags", 0},
              {"pos", 0},
              {"fown", owner()},
              {"map_type", 77},
              {"key_size", 4},
              {"value_size", 4},
              {"map_id", 1},
              {"max_entries", 1},
              {"map_flags", 0},
              {"memlock", 0},
              {"frozen", false},
              {"map_name", "m"},
              {"ifindex", 0}})},
      {"TUN-1", "device", kError, "zoo",
       [](Copy& copy) {
         copy.create("netdev-9.img", "NETDEV", {device("LOOPBACK", 1)});
         added("TUNF", "tunf", {{"netdev", "tun7"}})(copy);
       }},
      {"LCK-1", "nobody", kError, "zoo",
       made("filelocks.img", "FILE_LOCKS",
            {{{"flag", 1}, {"type", 1}, {"pid", 777}, {"fd", 3}, {"start", 0}, {"len", 0}}})},
      {"LCK-1", "descriptor", kError, "zoo",
       made("filelocks.img", "FILE_LOCKS",
            {{{"flag", 1}, {"type", 1}, {"pid", 22826}, {"fd", 300}, {"start", 0}, {"len", 0}}})},
      {"LCK-1", "kind", kError, "zoo",
       made("filelocks.img", "FILE_LOCKS",
            {{{"flag", 64}, {"type", 1}, {"pid", 22826}, {"fd", 3}, {"start", 0}, {"len", 0}}})},
  };
}

std::vector<Case> host_cases() {
  const auto mounts = [](const Json& entries) {
    return made("mountpoints-9.img", "MNTS", entries);
  };
  const auto with = [](Json mount, const std::string& field, const Json& value) {
    mount[field] = value;
    return mount;
  };
  const auto netdev = [](const Json& entries) { return made("netdev-9.img", "NETDEV", entries); };
  const auto cgroup = [](const Change& change) { return in("cgroup.img", change); };
  const auto filter = [](const std::string& base64) {
    return in("seccomp.img", [=](Json& e) { e["seccomp_filters"] = {{{"filter", base64}}}; });
  };
  const Json root = mount(5, 1, "/");
  return {
      {"MNT-1", "no parent", kError, "zoo", mounts({root, mount(6, 77, "/a")})},
      {"MNT-1", "two roots", kError, "zoo", mounts({root, mount(6, 1, "/")})},
      {"MNT-1", "cycle", kError, "zoo", mounts({root, mount(6, 7, "/a"), mount(7, 6, "/a/b")})},
      {"MNT-2", "same place", kError, "zoo", mounts({root, mount(6, 5, "/a"), mount(7, 5, "/a")})},
      {"MNT-3", "type", kError, "zoo", mounts({root, with(mount(6, 5, "/a"), "fstype", 21)})},
      {"MNT-3", "name", kError, "zoo", mounts({root, with(mount(6, 5, "/a"), "fsname", "x")})},
      {"MNT-4", "part", kError, "zoo",
       mounts({root, with(with(mount(6, 5, "/a"), "root", "/sub"), "root_dev", "0:99")})},
      {"MNT-6", "master", kError, "zoo",
       mounts({root, with(with(mount(6, 5, "/a"), "master_id", 9), "root_dev", "0:99")})},
      {"MNT-7", "no content", kError, "zoo",
       mounts({root, with(with(mount(6, 5, "/a"), "fstype", 5), "root_dev", "0:99")})},
      {"MNT-9", "no magic", kError, "zoo",
       made("binfmt-misc.img", "BINFMT_MISC",
            {{{"name", "n"}, {"enabled", true}, {"interpreter", "/i"}}})},
      {"NET-1", "no part", kError, "zoo", netdev(Json::array({device("MACVLAN", 1)}))},
      {"NET-1", "twice", kError, "zoo", netdev({device("LOOPBACK", 1), device("LOOPBACK", 1)})},
      {"NET-1", "master", kError, "zoo",
       netdev(Json::array({with(device("LOOPBACK", 1), "master", 9)}))},
      {"NET-2", "prefix", kError, "zoo",
       netdev(Json::array({with(device("SIT", 1), "sit", {{"rd_prefixlen", 129}})}))},
      {"NET-3", "settings", kError, "zoo",
       made("netns-9.img", "NETNS",
            {{{"unix_conf",
               {{{"type", "CTL_32"}, {"iarg", 1}}, {{"type", "CTL_32"}, {"iarg", 1}}}}}})},
      {"NET-4", "namespace", kError, "zoo",
       made("netns-9.img", "NETNS", {{{"nsids", {{{"target_ns_id", 77}, {"netnsid_value", 1}}}}}})},
      {"NET-6", "cut", kError, "zoo",
       [](Copy& copy) { copy.append("netns-ct-9.img", std::string("\x40\0\0\0abcd", 8)); }},
      {"IPC-1", "twice", kError, "sysvipc",
       all("ipcns-shm-9.img", [](Json& e) { e.push_back(e[0]); })},
      {"IPC-2", "queue", kWarning, "sysvipc",
       in("ipcns-msg-9.img", [](Json& e) { e["qbytes"] = 1; })},
      {"IPC-3", "value", kError, "sysvipc",
       in("ipcns-sem-9.img", [](Json& e) { e["extra"][0] = 40000; })},
      {"IPC-4", "no pages", kError, "sysvipc", removed("pagemap-shmem-0.img")},
      {"IPC-4", "size", kError, "sysvipc", in("ipcns-shm-9.img", [](Json& e) { e["size"] = 0; })},
      {"CGR-1", "set", kError, "zoo",
       in(kThread, [](Json& e) { e["thread_core"]["cg_set"] = 99; })},
      {"CGR-1", "thread of criu's set", kError, "zoo",
       [](Copy& copy) {
         std::uint32_t criu = 0;
         copy.edit("inventory.img", [&](Json& c) { criu = c["entries"][0]["root_cg_set"]; });
         copy.edit(kThread, [&](Json& c) { c["entries"][0]["thread_core"]["cg_set"] = criu; });
         copy.edit("core-22827.img",
                   [&](Json& c) { c["entries"][0]["thread_core"]["cg_set"] = criu + 1; });
       }},
      {"CGR-2", "more", kError, "zoo", cgroup([](Json& e) {
         e["sets"][1]["ctls"].push_back({{"name", "new"}, {"path", "/"}});
       })},
      {"CGR-2", "double", kError, "zoo",
       cgroup([](Json& e) { e["sets"][0]["ctls"].push_back(Json(e["sets"][0]["ctls"][0])); })},
      {"CGR-3", "no controller", kError, "zoo",
       cgroup([](Json& e) { e["controllers"] = Json::array(); })},
      {"CGR-4", "property", kError, "zoo", cgroup([](Json& e) {
         e["controllers"][0]["dirs"] = {
             {{"dir_name", "x"}, {"properties", {{{"name", "a/b"}, {"value", "1"}}}}}};
       })},
      {"SEC-1", "no file", kError, "zoo",
       [](Copy& copy) {
         copy.remove("seccomp.img");
         copy.edit(kThread, [](Json& c) {
           c["entries"][0]["thread_core"]["seccomp_mode"] = "filter";
           c["entries"][0]["thread_core"]["seccomp_filter"] = 0;
         });
       }},
      {"SEC-1", "index", kError, "zoo",
       in(kThread,
          [](Json& e) {
            e["thread_core"]["seccomp_mode"] = "filter";
            e["thread_core"]["seccomp_filter"] = 7;
          })},
      {"SEC-2", "cycle", kError, "zoo",
       in("seccomp.img",
          [](Json& e) {
            const Json ret = "BgAAAAAA/38=\n";
            e["seccomp_filters"] = {{{"filter", ret}, {"prev", 1}}, {{"filter", ret}, {"prev", 0}}};
          })},
      {"SEC-3", "length", kError, "zoo", filter("BgAAAAAA/w==\n")},
      {"SEC-3", "no return", kError, "zoo", filter("IAAAAAAAAAA=\n")},
      {"SEC-3", "jump", kError, "zoo", filter("FQAJCQAAAAAGAAAAAAD/fw==\n")},
      {"LSM-2", "policy", kWarning, "zoo",
       [](Copy& copy) {
         copy.edit("inventory.img", [](Json& c) { c["entries"][0]["lsmtype"] = "APPARMOR"; });
         copy.edit(kThread, [](Json& c) {
           c["entries"][0]["thread_core"]["creds"]["lsm_profile"] = ":box:profile";
         });
       }},
      {"LSM-3", "label", kWarning, "zoo",
       in(kThread, [](Json& e) { e["thread_core"]["creds"]["lsm_profile"] = "x"; })},
  };
}

}  // namespace

std::vector<Case> file_cases() {
  std::vector<Case> together;
  for (const auto& part : {path_cases(), other_file_cases(), host_cases()}) {
    together.insert(together.end(), part.begin(), part.end());
  }
  return together;
}

}  // namespace img::check
