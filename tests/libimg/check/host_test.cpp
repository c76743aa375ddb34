// SPDX-License-Identifier: MIT
// Rules that ask the machine: every one broken on a machine that is made up of files, and none
// broken on one that has all that the image needs.
#include <gtest/gtest.h>

#include <fstream>
#include <ostream>
#include <set>

#include "libimg/check/host.h"
#include "tests/libimg/check/broken.h"
#include "tests/support/scratch.h"

namespace img::check {

namespace fs = std::filesystem;

/// A machine: a directory with /proc and what else is asked, and a root with files.
class MadeUp {
 public:
  explicit MadeUp(const fs::path& place) : place_(place) {
    for (const char* directory : {"sys/proc/1", "sys/proc/self", "sys/proc/net", "sys/sys/dev/char",
                                  "root/tmp", "sys/sys/kernel/mm/hugepages/hugepages-2048kB"}) {
      fs::create_directories(place_ / directory);
    }
    system("proc/1/stat", "1 (init) S 0 1 1 0");
    system("proc/sys/kernel/pid_max", "4194304");
    system("proc/sys/kernel/cap_last_cap", "40");
    system("proc/sys/fs/nr_open", "1048576");
    system("proc/sys/fs/pipe-max-size", "1048576");
    system("proc/filesystems", "nodev\ttmpfs\nnodev\tproc\n");
    system("proc/self/cgroup",
           "10:name=systemd:/\n9:cpu,cpuacct:/\n8:blkio:/\n7:cpuset:/\n6:devices:/\n5:freezer:/"
           "\n4:memory:/\n3:pids:/\n"
           "2:name=zdtmtst:/\n1:name=zdtmtst.defaultroot:/\n0::/\n");
    machine.kernel = 0x601;
    machine.xfeatures = 0xff;
    machine.is_root = true;
    machine.may_raise_limits = true;
    machine.pid = 999'999;
  }

  void system(const std::string& path, const std::string& text) { write("sys/" + path, text); }
  void file(const std::string& path, const std::string& text) { write("root/" + path, text); }
  [[nodiscard]] Result<Host> host(bool is_root_given = true) const {
    return Host::open({place_ / "root", is_root_given, place_ / "sys"}, machine);
  }

  Machine machine;

 private:
  void write(const std::string& path, const std::string& text) {
    fs::create_directories((place_ / path).parent_path());
    std::ofstream(place_ / path) << text;
  }
  fs::path place_;
};

struct HostCase {
  std::string rule;
  std::string what;
  Severity severity;
  std::string dump;
  std::function<void(Copy&, MadeUp&)> breaking;
  std::string with;
};

void PrintTo(const HostCase& one, std::ostream* out) {
  *out << one.rule << ": " << one.what;
}

namespace {

/// Everything that the files of this image are named after, as they were.
void install(Copy& copy, MadeUp& machine) {
  copy.edit("files.img", [&](Json& content) {
    for (Json& entry : content.at("entries")) {
      if (entry.contains("reg")) {
        const std::string name = entry["reg"]["name"];
        machine.file(name, "x");
        entry["reg"].erase("size");
        entry["reg"].erase("mode");
        entry["reg"].erase("build_id");
      }
      if (entry.contains("ify")) {
        for (const Json& watch : entry["ify"]["wd"]) {
          machine.file(watch["f_handle"]["path"], "x");
        }
      }
    }
  });
}

std::function<void(Copy&, MadeUp&)> image(const std::function<void(Copy&)>& change) {
  return [=](Copy& copy, MadeUp&) { change(copy); };
}

std::vector<HostCase> process_cases() {
  const auto machine = [](const std::function<void(MadeUp&)>& change) {
    return [=](Copy&, MadeUp& made) { change(made); };
  };
  return {
      {"PST-9", "session", kError, "shell-job",
       [](Copy& copy, MadeUp& made) {
         copy.edit("pstree.img",
                   [&](Json& content) { made.machine.sid = content["entries"][0]["pid"]; });
       },
       "--shell-job"},
      {"PST-10", "pid", kError, "single",
       machine([](MadeUp& made) { made.system("proc/26589/stat", "26589 (x) S 1 26589 26589 0"); }),
       ""},
      {"PST-10", "group", kError, "single",
       machine([](MadeUp& made) { made.system("proc/77/stat", "77 (x) S 1 26589 77 0"); }), ""},
      {"PST-10", "ended", kWarning, "single",
       machine([](MadeUp& made) { made.system("proc/26589/stat", "26589 (x) Z 1 26589 26589 0"); }),
       ""},
      {"PST-10", "pid max", kError, "single",
       machine([](MadeUp& made) { made.system("proc/sys/kernel/pid_max", "1000"); }), ""},
      {"CORE-2", "machine", kError, "single",
       machine([](MadeUp& made) { made.machine.is_x86_64 = false; }), ""},
      {"CORE-11", "files", kError, "single",
       machine([](MadeUp& made) { made.system("proc/sys/fs/nr_open", "4"); }), ""},
      {"CORE-11", "hard limit", kError, "single",
       machine([](MadeUp& made) { made.machine.may_raise_limits = false; }), ""},
      {"THR-4", "capability", kWarning, "single",
       machine([](MadeUp& made) { made.system("proc/sys/kernel/cap_last_cap", "2"); }), ""},
      {"THR-7", "old kernel", kError, "single",
       machine([](MadeUp& made) { made.machine.kernel = 0x50a; }), ""},
      {"CPU-3", "states", kError, "single",
       machine([](MadeUp& made) { made.machine.xfeatures = 1; }), ""},
      {"CPU-3", "cpuinfo", kWarning, "single",
       image(made("cpuinfo.img", "CPUINFO",
                  Json::array({{{"x86_entry", Json::array({{{"vendor_id", "INTEL"},
                                                            {"cpu_family", 6},
                                                            {"model", 1},
                                                            {"stepping", 1},
                                                            {"capability_ver", 2},
                                                            {"capability", {0}},
                                                            {"xfeatures_mask", 0x10000}}})}}}))),
       ""},
      {"CPU-4", "shadow stack", kWarning, "single",
       [](Copy& copy, MadeUp& made) {
         made.system("proc/cpuinfo", "flags : fpu sse");
         copy.edit("core-26589.img", [](Json& content) {
           content["entries"][0]["thread_info"]["fpregs"]["xsave"]["cet"] = {{"cet", 1},
                                                                             {"ssp", 0}};
         });
       },
       ""},
      {"USR-1", "securebits", kWarning, "single",
       image(in("core-26589.img", [](Json& e) { e["thread_core"]["creds"]["secbits"] = 0x100; })),
       ""},
      {"LSM-1", "profile", kError, "single",
       [](Copy& copy, MadeUp&) {
         copy.edit("inventory.img",
                   [](Json& content) { content["entries"][0]["lsmtype"] = "SELINUX"; });
         copy.edit("core-26589.img", [](Json& content) {
           content["entries"][0]["thread_core"]["creds"]["lsm_profile"] = "a:b:c";
         });
       },
       ""},
      {"FDI-1", "number", kError, "single",
       machine([](MadeUp& made) { made.system("proc/sys/fs/nr_open", "0"); }), ""},
      {"PIP-2", "size", kError, "fds",
       [](Copy&, MadeUp& made) {
         made.machine.may_raise_limits = false;
         made.machine.hard_limits.fill(UINT64_MAX);
         made.system("proc/sys/fs/pipe-max-size", "16");
       },
       ""},
      {"MM-12", "vdso", kNote, "single",
       machine([](MadeUp& made) { made.machine.vdso_size = 4096 * 77; }), ""},
      {"MFD-2", "pages", kError, "zoo",
       image(in("memfd.img", [](Json& e) { e["hugetlb_flag"] = 30U << 26; })), ""},
  };
}

std::vector<HostCase> system_cases() {
  const auto reg = [](const std::string& field, const Json& value) {
    return image(of("REG", "reg", [=](Json& e) { e[field] = value; }));
  };
  const auto inet = [](const std::function<void(Json&, MadeUp&)>& change) {
    return [=](Copy& copy, MadeUp& made) {
      copy.edit("files.img", [&](Json& content) {
        for (Json& entry : content.at("entries")) {
          if (entry.contains("isk") && entry["isk"]["state"] == "LISTEN") {
            change(entry["isk"], made);
          }
        }
      });
    };
  };
  return {
      {"INV-6", "plugin", kError, "single",
       image(in("inventory.img",
                [](Json& e) {
                  e["plugins_entry"] = {{"plugins", {"amdgpu_plugin"}}};
                })),
       ""},
      {"REG-3", "gone", kError, "single", reg("name", "/gone"), ""},
      {"REG-3", "kind", kError, "single", reg("mode", 0040755), ""},
      {"REG-4", "size", kError, "single", reg("size", 77), ""},
      {"REG-5", "mode", kError, "single", reg("mode", 0100001), ""},
      {"REG-6", "build", kError, "single",
       [](Copy& copy, MadeUp& made) {
         copy.edit("files.img", [&](Json& content) {
           for (Json& entry : content.at("entries")) {
             if (entry.contains("reg")) {
               made.file(entry["reg"]["name"], test::slurp("/bin/true"));
               entry["reg"]["build_id"] = {1, 2, 3, 4, 5};
             }
           }
         });
       },
       ""},
      {"REM-4", "link gone", kError, "zoo",
       [](Copy& copy, MadeUp&) {
         copy.edit("files.img", [](Json& content) {
           for (Json& entry : content.at("entries")) {
             if (entry.contains("reg") &&
                 entry["reg"]["name"].get<std::string>().find("link_remap") != std::string::npos) {
               entry["reg"]["name"] = "/tmp/link_remap.99";
             }
           }
         });
       },
       ""},
      {"REM-6", "ghost there", kError, "zoo",
       [](Copy&, MadeUp& made) { made.file("tmp/corpus/run/zoo/ghost.cr.1.ghost", ""); }, ""},
      {"UNX-5", "no socket", kError, "zoo",
       [](Copy& copy, MadeUp& made) {
         made.file("tmp/name", "x");
         copy.edit("files.img", [](Json& content) {
           for (Json& entry : content.at("entries")) {
             if (entry.contains("usk")) {
               entry["usk"]["name"] = "/tmp/name=00";
               entry["usk"]["type"] = "DGRAM";
               entry["usk"]["state"] = "CLOSE";
             }
           }
         });
       },
       ""},
      {"UNX-5", "no directory", kError, "zoo",
       image(of("UNIXSK", "usk",
                [](Json& e) {
                  e["name"] = "/none/name=00";
                  e["type"] = "DGRAM";
                })),
       ""},
      {"INO-2", "gone", kError, "fds",
       image(of("INOTIFY", "ify", [](Json& e) { e["wd"][0]["f_handle"]["path"] = "/not/there"; })),
       ""},
      {"INE-5", "address", kError, "zoo", inet([](Json& e, MadeUp& made) {
         made.machine.addresses = {{false, {0x0100007f}}};
         e["src_addr"] = {"10.1.2.3"};
       }),
       ""},
      {"INE-5", "port", kError, "zoo", inet([](Json& e, MadeUp& made) {
         e["src_port"] = 80;
         made.system("proc/net/tcp",
                     "  sl  local_address\n   0: 00000000:0050 00000000:0000 0A 0\n");
       }),
       ""},
      {"INE-5", "device", kError, "zoo", inet([](Json& e, MadeUp&) { e["ifname"] = "nodev9"; }),
       ""},
      {"NET-5", "no ip", kError, "single",
       [](Copy& copy, MadeUp&) {
         std::ofstream(copy.path() / "route-9.img") << std::string(40, 'x');
       },
       ""},
      {"CGR-6", "hierarchy", kError, "cgroups",
       [](Copy&, MadeUp& made) { made.system("proc/self/cgroup", ""); }, ""},
      {"MNT-8", "file system", kWarning, "single",
       image(made("mountpoints-9.img", "MNTS",
                  Json::array({{{"fstype", 17},
                                {"mnt_id", 1},
                                {"root_dev", "0:77"},
                                {"parent_mnt_id", 0},
                                {"flags", "0x0"},
                                {"root", "/"},
                                {"mountpoint", "/"},
                                {"source", "none"},
                                {"options", ""}}}))),
       ""},
      {"TTY-7", "device", kError, "pty",
       image(in("tty-info.img",
                [](Json& e) {
                  e["type"] = "SERIAL";
                  e["rdev"] = 0x441;
                  e.erase("pty");
                })),
       ""},
  };
}

std::vector<HostCase> host_cases() {
  std::vector<HostCase> all = process_cases();
  const std::vector<HostCase> more = system_cases();
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

class HostRules : public testing::TestWithParam<HostCase> {
 protected:
  static Judgement judged(const Copy& copy, const MadeUp& made, const std::string& with) {
    auto host = made.host();
    EXPECT_TRUE(host) << host.error().line();
    Options options;
    options.host = &*host;
    if (!with.empty()) {
      options.given = *Given::parse(with);
    }
    return judge(copy.path(), std::move(options));
  }

  test::Scratch place_;
};

TEST_P(HostRules, AreBrokenOnlyWhereTheMachineLacks) {
  MadeUp machine(place_.path());
  Copy copy(GetParam().dump);
  install(copy, machine);
  const Judgement before = judged(copy, machine, GetParam().with);
  EXPECT_FALSE(before.has(GetParam().rule, GetParam().severity)) << before.text();
  EXPECT_EQ(before.summary.errors, 0U) << before.text();
  GetParam().breaking(copy, machine);
  const Judgement judgement = judged(copy, machine, GetParam().with);
  EXPECT_TRUE(judgement.has(GetParam().rule, GetParam().severity)) << judgement.text();
}

INSTANTIATE_TEST_SUITE_P(All, HostRules, testing::ValuesIn(host_cases()), [](const auto& test) {
  std::string name = test.param.rule + "_" + test.param.what;
  for (char& c : name) {
    c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  }
  return name;
});

TEST(HostRule, EveryOneHasAMachineThatBreaksIt) {
  std::set<std::string> known;
  for (const HostCase& one : host_cases()) {
    known.insert(one.rule);
  }
  for (const Rule& rule : rules()) {
    if (rule.scope == Scope::host && rule.not_built.empty()) {
      EXPECT_TRUE(known.contains(std::string(rule.id))) << rule.id;
    }
  }
}

TEST(HostRule, FilesOfAnotherMountNamespaceAreNotAskedWithoutARoot) {
  const auto host = Host::open({"/", false, "/"}, Machine::here());
  ASSERT_TRUE(host);
  Copy copy("single");
  copy.edit("ids-26589.img", [](Json& content) { content["entries"][0]["mnt_ns_id"] = 9; });
  Options options;
  options.host = &*host;
  const Judgement judgement = judge(copy.path(), std::move(options));
  EXPECT_FALSE(judgement.has("REG-3", kError)) << judgement.text();
  const bool is_said = std::any_of(judgement.not_asked.begin(), judgement.not_asked.end(),
                                   [](const auto& one) { return rule(one.first).id == "REG-3"; });
  EXPECT_TRUE(is_said);
}

TEST(HostRule, LinksStayBelowTheRoot) {
  const test::Scratch scratch;
  const fs::path place = scratch.path();
  MadeUp machine(place);
  machine.file("etc/here", "12345");
  fs::create_symlink("/etc/here", place / "root/link");
  fs::create_symlink("/etc/passwd", place / "root/out");
  const auto host = machine.host();
  ASSERT_TRUE(host);
  const auto inside = host->file("/link");
  ASSERT_TRUE(inside) << inside.error().line();
  EXPECT_EQ(inside->size, 5U);
  EXPECT_FALSE(host->file("/out"));
  EXPECT_FALSE(host->file("/../../../../etc/passwd"));
}

}  // namespace
}  // namespace img::check
