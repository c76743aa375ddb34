// SPDX-License-Identifier: MIT
#include "tests/libimg/check/broken.h"

namespace img::check {
namespace {

const char* const kRoot = "core-22826.img";
const char* const kThread = "core-22831.img";
const char* const kZombie = "core-22828.img";

std::vector<Case> set_cases() {
  return {
      {"SET-1", "no inventory", kError, "single", removed("inventory.img")},
      {"SET-1", "no files", kError, "single", removed("files.img")},
      {"SET-2", "cut", kError, "single",
       [](Copy& copy) { std::filesystem::resize_file(copy.path() / "mm-26589.img", 100); }},
      {"SET-3", "queue", kError, "zoo",
       [](Copy& copy) {
         const auto file = copy.path() / "tcp-stream-5149f.img";
         std::filesystem::resize_file(file, std::filesystem::file_size(file) - 1);
       }},
      {"SET-4", "after the only message", kWarning, "single",
       [](Copy& copy) { copy.append("fs-26589.img", "abc"); }},
      {"SET-5", "unknown field", kWarning, "zoo",
       [](Copy& copy) {
         // A file that nobody uses, with field 904.
         copy.append("memfd.img",
                     std::string("\x12\0\0\0\x0a\x01x\x10\0\x18\0\x20\0\x28\0\x30\0\x38\x63"
                                 "\xc0\x38\x01",
                                 22));
       }},
      {"SET-6", "nobody's core", kWarning, "zoo",
       all("pstree.img", [](Json& entries) { entries.erase(4); })},
      {"SET-7", "pre-dump", kNote, "single",
       [](Copy& copy) {
         for (const char* file :
              {"core-26589.img", "pstree.img", "files.img", "mm-26589.img", "fs-26589.img"}) {
           copy.remove(file);
         }
       }},
      {"INV-1", "version", kError, "single",
       in("inventory.img", [](Json& e) { e["img_version"] = 3; })},
      {"INV-2", "old", kError, "single",
       in("inventory.img", [](Json& e) { e["fdinfo_per_id"] = false; })},
      {"INV-3", "no ids", kError, "single",
       in("inventory.img", [](Json& e) { e.erase("root_ids"); })},
      {"INV-4", "set 0", kError, "single",
       in("inventory.img", [](Json& e) { e["root_cg_set"] = 0; })},
      {"INV-7", "lock method", kNote, "single",
       in("inventory.img", [](Json& e) { e["network_lock_method"] = 7; })},
  };
}

std::vector<Case> tree_cases() {
  return {
      {"PST-1", "two roots", kError, "zoo",
       in(
           "pstree.img", [](Json& e) { e["ppid"] = 0; }, 4)},
      {"PST-1", "empty", kError, "zoo", all("pstree.img", [](Json& e) { e = Json::array(); })},
      {"PST-2", "thread as parent", kError, "zoo",
       in(
           "pstree.img", [](Json& e) { e["ppid"] = 22831; }, 4)},
      {"PST-2", "own parent", kError, "zoo",
       in(
           "pstree.img", [](Json& e) { e["ppid"] = 22830; }, 4)},
      {"PST-3", "tid of a process", kError, "zoo",
       in(
           "pstree.img", [](Json& e) { e["threads"][1] = 22830; }, 1)},
      {"PST-4", "other leader", kError, "zoo",
       in(
           "pstree.img", [](Json& e) { e["threads"][0] = 22827; }, 4)},
      {"PST-5", "threads", kError, "zoo",
       in(
           "pstree.img",
           [](Json& e) {
             e["threads"] = {22828, 22840};
           },
           2)},
      {"PST-5", "registers", kError, "zoo",
       in(kZombie,
          [](Json& e) {
            e["ids"] = {{"vm_id", 1}, {"files_id", 2}, {"fs_id", 1}, {"sighand_id", 1}};
          })},
      {"PST-6", "session of a thread", kError, "zoo",
       in(
           "pstree.img", [](Json& e) { e["sid"] = 22831; }, 1)},
      {"PST-6", "no session", kError, "zoo",
       in(
           "pstree.img", [](Json& e) { e["sid"] = 0; }, 1)},
      {"PST-7", "group of process 1", kError, "zoo",
       in(
           "pstree.img", [](Json& e) { e["pgid"] = 1; }, 1)},
      {"PST-6", "no leader", kError, "zoo",
       all("pstree.img",
           [](Json& e) {
             e[4]["ppid"] = 22827;
             e[4]["sid"] = 777;
             e[4]["pgid"] = 777;
           })},
      {"PST-6", "not in its own", kError, "zoo",
       in(
           "pstree.img", [](Json& e) { e["sid"] = 22827; }, 4)},
      {"PST-7", "group in another session", kError, "zoo",
       in(
           "pstree.img", [](Json& e) { e["pgid"] = 22830; }, 1)},
      {"PST-7", "leaderless", kWarning, "zoo",
       in(
           "pstree.img", [](Json& e) { e["pgid"] = 777; }, 1)},
      {"PST-11", "not process 1", kError, "zoo",
       in("ids-22826.img", [](Json& e) { e["pid_ns_id"] = 77; })},
  };
}

std::vector<Case> core_cases() {
  const auto tc = [](const std::string& field, const Json& value) {
    return in(kRoot, [=](Json& e) { e["tc"][field] = value; });
  };
  const auto thread = [](const std::string& field, const Json& value) {
    return in(kThread, [=](Json& e) { e["thread_core"][field] = value; });
  };
  const auto exit = [](std::uint32_t code) {
    return in(kZombie, [=](Json& e) { e["tc"]["exit_code"] = code; });
  };
  const auto timer = [](const std::string& field, const Json& value) {
    return in(kRoot, [=](Json& e) {
      Json posix = {{"it_id", 0},     {"clock_id", 0}, {"si_signo", 14}, {"it_sigev_notify", 0},
                    {"sival_ptr", 0}, {"overrun", 0},  {"isec", 0},      {"insec", 0},
                    {"vsec", 0},      {"vnsec", 0}};
      posix[field] = value;
      e["tc"]["timers"]["posix"] = {posix};
    });
  };
  return {
      {"CORE-1", "no core", kError, "zoo", removed(kRoot)},
      {"CORE-2", "architectures", kError, "zoo", in(kThread, [](Json& e) { e["mtype"] = "ARM"; })},
      {"CORE-3", "no tc", kError, "zoo", in(kRoot, [](Json& e) { e.erase("tc"); })},
      {"CORE-4", "state 6", kError, "zoo", tc("task_state", 6)},
      {"CORE-5", "no fs", kError, "zoo", removed("fs-22826.img")},
      {"CORE-5", "no registers", kError, "zoo", in(kRoot, [](Json& e) { e.erase("thread_info"); })},
      {"CORE-6", "stop signal", kWarning, "zoo",
       in(kRoot,
          [](Json& e) {
            e["tc"]["task_state"] = 3;
            e["tc"]["stop_signo"] = 65;
          })},
      {"CORE-7", "alive with status", kWarning, "zoo", tc("exit_code", 256)},
      {"CORE-8", "long name", kWarning, "zoo", tc("comm", "abcdefghijklmnop")},
      {"CORE-9", "actions", kError, "zoo",
       in(kRoot, [](Json& e) { e["tc"]["sigactions"].erase(0); })},
      {"CORE-9", "no actions", kError, "zoo",
       in(kRoot, [](Json& e) { e["tc"].erase("sigactions"); })},
      {"CORE-10", "above maximum", kWarning, "zoo",
       in(kRoot,
          [](Json& e) {
            e["tc"]["rlimits"]["rlimits"][3] = {{"cur", 9}, {"max", 1}};
          })},
      {"CORE-12", "microseconds", kError, "zoo",
       in(kRoot, [](Json& e) { e["tc"]["timers"]["real"]["vusec"] = 1000000; })},
      {"CORE-12", "nanoseconds", kError, "zoo", timer("vnsec", 1000000000)},
      {"CORE-12", "notify", kError, "zoo", timer("it_sigev_notify", 9)},
      {"CORE-13", "siginfo", kError, "zoo",
       in(kRoot,
          [](Json& e) {
            e["tc"]["signals_s"]["signals"] = {{{"siginfo", "AAAA\n"}}};
          })},
      {"CORE-14", "oom", kWarning, "zoo", tc("oom_score_adj", 1001)},
      {"CORE-14", "personality", kWarning, "zoo", tc("personality", 0x10000000)},
      {"EXIT-1", "too large", kError, "zoo", exit(0x10000)},
      {"EXIT-2", "both", kError, "zoo", exit(0x0109)},
      {"EXIT-2", "core of nothing", kError, "zoo", exit(0x80)},
      {"EXIT-2", "stopped", kError, "zoo", exit(0x7f)},
      {"EXIT-3", "upper half", kWarning, "zoo", exit(0xc800)},
      {"EXIT-4", "not fatal", kWarning, "zoo", exit(17)},
      {"THR-1", "tc in a thread", kError, "zoo",
       in(kThread,
          [](Json& e) {
            e["tc"] = {{"task_state", 1}, {"exit_code", 0},      {"personality", 0},
                       {"flags", 0},      {"blk_sigset", "0x0"}, {"comm", "x"}};
          })},
      {"THR-1", "no thread core", kError, "zoo",
       in(kThread, [](Json& e) { e.erase("thread_core"); })},
      {"THR-2", "priority", kError, "zoo", thread("sched_prio", 5)},
      {"THR-2", "policy", kError, "zoo", thread("sched_policy", 6)},
      {"THR-2", "nice", kError, "zoo", thread("sched_nice", 20)},
      {"THR-3", "capabilities", kError, "zoo",
       in(kThread,
          [](Json& e) {
            e["thread_core"]["creds"]["cap_eff"] = {0, 0, 0};
          })},
      {"THR-3", "no credentials", kError, "zoo",
       in(kThread, [](Json& e) { e["thread_core"].erase("creds"); })},
      {"THR-5", "signal", kError, "zoo", thread("pdeath_sig", 65)},
      {"THR-3", "more than permitted", kError, "zoo",
       in(kThread, [](Json& e) { e["thread_core"]["creds"]["cap_prm"][0] = 0; })},
      {"THR-3", "nobody", kError, "zoo",
       in(kThread, [](Json& e) { e["thread_core"]["creds"]["fsuid"] = UINT32_MAX; })},
      {"THR-3", "left as it is", kWarning, "zoo",
       in(kThread, [](Json& e) { e["thread_core"]["creds"]["uid"] = UINT32_MAX; })},
      {"THR-6", "rseq length", kError, "zoo",
       in(kThread, [](Json& e) { e["thread_core"]["rseq_entry"]["rseq_abi_size"] = 31; })},
      {"THR-6", "robust list", kError, "zoo",
       in(kThread, [](Json& e) { e["thread_core"]["futex_rla_len"] = 25; })},
      {"THR-3", "privileges", kError, "zoo",
       in(kThread, [](Json& e) { e["thread_core"]["creds"]["no_new_privs"] = 2; })},
      {"THR-6", "rseq", kError, "zoo",
       in(kThread, [](Json& e) { e["thread_core"]["rseq_entry"]["rseq_abi_pointer"] = 4096; })},
      {"CPU-1", "short", kError, "zoo",
       in(kThread, [](Json& e) { e["thread_info"]["fpregs"]["st_space"] = numbers(31); })},
      {"CPU-1", "xsave", kError, "zoo",
       in(kThread,
          [](Json& e) { e["thread_info"]["fpregs"]["xsave"]["ymmh_space"] = numbers(3); })},
      {"CPU-2", "mxcsr", kError, "zoo",
       in(kThread, [](Json& e) { e["thread_info"]["fpregs"]["mxcsr"] = 0xffffffff; })},
      {"CPU-2", "kernel selector", kError, "zoo",
       in(kThread, [](Json& e) { e["thread_info"]["gpregs"]["cs"] = "0x10"; })},
      {"TLS-1", "slot", kError, "zoo",
       in(kThread,
          [](Json& e) {
            e["thread_info"]["tls"] = {{{"entry_number", 3},
                                        {"base_addr", 0},
                                        {"limit", 0},
                                        {"seg_32bit", false},
                                        {"contents_h", false},
                                        {"contents_l", false},
                                        {"read_exec_only", false},
                                        {"limit_in_pages", false},
                                        {"seg_not_present", false},
                                        {"usable", false}}};
          })},
  };
}

std::vector<Case> namespace_cases() {
  const auto ids = [](const std::string& file, const std::string& field, int value) {
    return in(file, [=](Json& e) { e[field] = value; });
  };
  const Json map = {{{"first", 0}, {"lower_first", 0}, {"count", 10}},
                    {{"first", 5}, {"lower_first", 50}, {"count", 10}}};
  const Json user_map = {{{"first", 1000}, {"lower_first", 0}, {"count", 10}}};
  return {
      {"IDS-1", "zero", kError, "zoo", ids("ids-22827.img", "fs_id", 0)},
      {"IDS-2", "of criu", kError, "zoo", ids("ids-22826.img", "files_id", 1)},
      {"IDS-3", "nested", kError, "zoo", ids("ids-22827.img", "uts_ns_id", 99)},
      {"IDS-4", "shared memory", kWarning, "tree",
       [](Copy& copy) {
         std::vector<std::string> files;
         for (const auto& entry : std::filesystem::directory_iterator(copy.path())) {
           if (entry.path().filename().string().starts_with("ids-")) {
             files.push_back(entry.path().filename());
           }
         }
         copy.edit(files.at(0), [](Json& c) { c["entries"][0]["vm_id"] = 500; });
         copy.edit(files.at(1), [](Json& c) { c["entries"][0]["vm_id"] = 500; });
       }},
      {"IDS-5", "no image", kError, "sysvipc", removed("ipcns-var-9.img")},
      {"NS-1", "overlap", kError, "zoo",
       made("userns-9.img", "USERNS", {{{"uid_map", map}, {"gid_map", map}}})},
      {"NS-2", "not mapped", kError, "zoo",
       made("userns-9.img", "USERNS", {{{"uid_map", user_map}, {"gid_map", user_map}}})},
      {"NS-3", "nobody's", kError, "zoo",
       added("NS", "nsf", {{"ns_id", 888}, {"ns_cflag", 0x40000000}, {"flags", 0}})},
      {"NS-3", "type", kError, "zoo",
       added("NS", "nsf", {{"ns_id", 2}, {"ns_cflag", 0x20000000}, {"flags", 0}})},
      {"NS-5", "clock", kWarning, "zoo",
       in("timens-0.img", [](Json& e) { e["monotonic"]["tv_nsec"] = 1000000000; })},
      {"UTS-1", "long", kError, "zoo",
       made("utsns-9.img", "UTSNS", {{{"nodename", std::string(65, 'n')}, {"domainname", "d"}}})},
  };
}

std::vector<Case> memory_cases() {
  const std::string mm = "mm-22826.img";
  const auto vma = [=](std::size_t number, const std::string& field, const Json& value) {
    return in(mm, [=](Json& e) { e["vmas"][number][field] = value; });
  };
  const auto run = [](std::size_t number, const std::string& field, const Json& value) {
    return in(
        "pagemap-22826.img", [=](Json& e) { e[field] = value; }, number);
  };
  return {
      {"MM-1", "too many", kError, "zoo",
       in(mm, [](Json& e) { e["mm_saved_auxv"] = numbers(46); })},
      {"MM-2", "no exe", kError, "zoo", in(mm, [](Json& e) { e["exe_file_id"] = 555; })},
      {"MM-2", "exe a plain file", kError, "zoo",
       of("REG", "reg", [](Json& e) { e["mode"] = 0100644; })},
      {"MM-2", "exe a socket", kError, "zoo", in(mm, [](Json& e) { e["exe_file_id"] = 12; })},
      {"MM-3", "ends first", kError, "zoo", vma(5, "end", "0x4bf000")},
      {"MM-4", "after a guard", kWarning, "zoo",
       in(mm, [](Json& e) { e["vmas"][2]["status"] = 0x10000; })},
      {"MM-5", "runtime bits", kError, "zoo", vma(5, "status", "0x40000201")},
      {"MM-5", "neither", kError, "zoo", vma(5, "status", "VMA_AREA_REGULAR")},
      {"MM-6", "offset", kError, "zoo", vma(1, "pgoff", 17)},
      {"MM-6", "a pipe", kError, "zoo", vma(0, "shmid", 9)},
      {"MM-7", "sharing", kError, "zoo", vma(5, "flags", "MAP_SHARED | MAP_ANON")},
      {"MM-7", "anonymous file", kError, "zoo", vma(0, "flags", "MAP_PRIVATE | MAP_ANON")},
      {"MM-7", "advice", kError, "zoo", vma(5, "madv", 0x10)},
      {"MM-7", "protection", kWarning, "zoo", vma(5, "prot", 0x43)},
      {"MM-8", "stack", kError, "zoo",
       in("mm-22826.img", [](Json& e) { e["mm_start_stack"] = 0; })},
      {"MM-8", "heap", kError, "zoo",
       in(mm,
          [](Json& e) {
            e["mm_brk"] = "0x1000";
            e["mm_start_brk"] = "0x2000";
          })},
      {"MM-9", "stack", kWarning, "zoo", in(mm, [](Json& e) { e["mm_start_stack"] = "0x2000"; })},
      {"MM-10", "no gap", kError, "zoo",
       in(mm,
          [](Json& e) {
            Json one = e["vmas"][6];
            one["start"] = "0x10000";
            one["end"] = "0x7ffffffff000";
            e["vmas"] = {one};
          })},
      {"MM-11", "no ring", kError, "zoo",
       in(mm,
          [](Json& e) {
            e["aios"] = {{{"id", 4096}, {"nr_req", 1}, {"ring_len", 4096}}};
          })},
      {"PGM-2", "overflow", kError, "zoo",
       [](Copy& copy) {
         copy.edit("pagemap-22826.img", [](Json& c) {
           c["entries"].push_back({{"vaddr", "0xfffffffffffff000"},
                                   {"compat_nr_pages", 0},
                                   {"flags", 1},
                                   {"nr_pages", 9}});
         });
       }},
      {"PGM-3", "no mapping", kError, "zoo", run(1, "vaddr", "0x1000")},
      {"PGM-8", "nowhere", kWarning, "zoo",
       [](Copy& copy) {
         copy.edit("pagemap-22826.img", [](Json& c) { c["entries"].back()["flags"] = 2; });
       }},
      {"PGM-1", "shared", kError, "zoo",
       in("pagemap-22830.img", [](Json& e) { e["pages_id"] = 5; })},
      {"PGM-4", "too many", kWarning, "zoo",
       [](Copy& copy) { copy.append("pages-4.img", std::string(4096, 'x')); }},
      {"PGM-9", "compressed", kError, "zoo", run(1, "flags", 0x14)},
      {"SHM-1", "no content", kError, "single",
       in("mm-26589.img",
          [](Json& e) {
            Json one = e["vmas"][5];
            one["start"] = "0x10000";
            one["end"] = "0x11000";
            one["shmid"] = 4242;
            one["pgoff"] = 0;
            one["status"] = "VMA_AREA_REGULAR | VMA_ANON_SHARED";
            one["flags"] = "MAP_SHARED | MAP_ANON";
            e["vmas"].insert(e["vmas"].begin(), one);
          })},
      {"SHM-2", "no segment", kError, "sysvipc",
       in("ipcns-shm-9.img", [](Json& e) { e["desc"]["id"] = 4000; })},
      {"SHM-3", "both", kError, "sysvipc",
       in("mm-26919.img",
          [](Json& e) {
            for (Json& one : e["vmas"]) {
              if (one["status"].get<std::string>().find("SYSVIPC") != std::string::npos) {
                one["status"] = "VMA_AREA_REGULAR | VMA_ANON_SHARED";
                return;
              }
            }
          })},
      {"MFD-1", "no file", kError, "zoo", removed("memfd.img")},
      {"MFD-1", "no content", kError, "zoo", removed("pagemap-shmem-4509.img")},
      {"MFD-1", "no inode", kError, "zoo",
       of("MEMFD", "memfd", [](Json& e) { e["inode_id"] = 99; })},
      {"MFD-2", "all seals", kError, "zoo",
       in("memfd.img", [](Json& e) { e["seals"] = UINT32_MAX; })},
      {"MFD-2", "seals", kError, "zoo", in("memfd.img", [](Json& e) { e["seals"] = 0x400; })},
  };
}

}  // namespace

std::vector<Case> task_cases() {
  std::vector<Case> together;
  for (const auto& part :
       {set_cases(), tree_cases(), core_cases(), namespace_cases(), memory_cases()}) {
    together.insert(together.end(), part.begin(), part.end());
  }
  return together;
}

}  // namespace img::check
