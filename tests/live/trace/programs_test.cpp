// SPDX-License-Identifier: MIT
// Programs of the distribution: frozen, made to make calls, let go, and right afterwards.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "live/trace/freeze.h"
#include "live/trace/remote_call.h"
#include "tests/live/victim_process.h"

namespace img::trace {
namespace {

using live_test::eventually;

// A program in a session and a folder of its own, both gone in the end.
class Program {
 public:
  explicit Program(const std::vector<std::string>& args) {
    char name[] = "/tmp/stasis-program-XXXXXX";
    folder_ = mkdtemp(name);
    pid_ = fork();
    if (pid_ == 0) {
      become(args);
    }
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() {
    kill(pid_, SIGKILL);
    kill(-pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    std::filesystem::remove_all(folder_);
  }

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] std::string path(const char* name) const { return folder_ + "/" + name; }
  // The number of lines that it has written to `out`.
  [[nodiscard]] std::vector<long> numbers() const {
    std::vector<long> out;
    std::ifstream in(path("out"));
    for (long one = 0; in >> one;) {
      out.push_back(one);
    }
    return out;
  }
  [[nodiscard]] bool counts_on() const {
    const std::size_t before = numbers().size();
    return eventually([&] { return numbers().size() > before + 3; }, std::chrono::seconds(20));
  }

 private:
  [[noreturn]] void become(const std::vector<std::string>& args) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setsid();
    if (chdir(folder_.c_str()) != 0) {
      _exit(97);
    }
    const int none = open("/dev/null", O_RDWR);
    const int out = open("out", O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(none, 0);
    dup2(out, 1);
    dup2(none, 2);
    close_range(3, ~0U, 0);
    std::vector<char*> argv;
    for (const std::string& one : args) {
      argv.push_back(const_cast<char*>(one.c_str()));
    }
    argv.push_back(nullptr);
    execv(argv[0], argv.data());
    _exit(98);
  }

  std::string folder_;
  pid_t pid_ = -1;
};

bool is_there(const char* path) {
  return access(path, X_OK) == 0;
}

// Freezes the tree and has every thread of it make calls.
void visit(pid_t root) {
  auto tree = freeze_tree(root);
  ASSERT_TRUE(tree.has_value()) << tree.error().line();
  for (FrozenProcess& process : tree->processes) {
    if (process.state == TaskState::zombie) {
      continue;
    }
    const auto memory = RemoteMemory::open(process.pid());
    ASSERT_TRUE(memory.has_value()) << memory.error().line();
    for (Tracee& thread : process.threads) {
      auto remote = RemoteCall::begin(thread, process.dir, *memory);
      ASSERT_TRUE(remote.has_value()) << remote.error().line();
      EXPECT_EQ(*remote->call(SYS_gettid), thread.tid());
      std::vector<arch::CallRecord> records(64, {SYS_getpid, {}, -1});
      ASSERT_TRUE(remote->run(records).has_value());
      EXPECT_EQ(records.back().result, process.pid());
      const auto finished = remote->finish();
      ASSERT_TRUE(finished.has_value()) << finished.error().line();
    }
  }
}

void expect_counting(Program& program) {
  ASSERT_TRUE(program.counts_on()) << "it never began";
  for (int time = 0; time < 20; ++time) {
    usleep(3000);
    visit(program.pid());
  }
  EXPECT_TRUE(program.counts_on());
  const std::vector<long> numbers = program.numbers();
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    ASSERT_EQ(numbers[i], static_cast<long>(i)) << "it has lost count";
  }
}

TEST(Programs, BashWithChildren) {
  if (!is_there("/bin/bash")) {
    GTEST_SKIP() << "no bash";
  }
  // A subshell and a pipeline for each number: forks, pipes, waits, SIGCHLD caught.
  Program program(
      {"/bin/bash", "-c",
       "i=0; while :; do echo $i | cat; i=$((i + $(echo 1))); read -t 0.01 <> <(:); done"});
  expect_counting(program);
}

TEST(Programs, PythonWithThreads) {
  if (!is_there("/usr/bin/python3")) {
    GTEST_SKIP() << "no python3";
  }
  Program program(
      {"/usr/bin/python3", "-uc",
       "import threading, time, queue\n"
       "q = queue.Queue()\n"
       "def count():\n"
       "    i = 0\n"
       "    while True:\n"
       "        q.put(i); i += 1; time.sleep(0.002)\n"
       "for _ in range(4):\n"
       "    threading.Thread(target=lambda: [time.sleep(0.001) for _ in iter(int, 1)],\n"
       "                     daemon=True).start()\n"
       "threading.Thread(target=count, daemon=True).start()\n"
       "while True: print(q.get())\n"});
  expect_counting(program);
}

TEST(Programs, PerlAsleep) {
  if (!is_there("/usr/bin/perl")) {
    GTEST_SKIP() << "no perl";
  }
  Program program({"/usr/bin/perl", "-e",
                   "$| = 1; $SIG{ALRM} = sub { }; my $i = 0;"
                   "while (1) { print $i++, \"\\n\"; select(undef, undef, undef, 0.003); }"});
  expect_counting(program);
}

class Connection {
 public:
  explicit Connection(const std::string& path)
      : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    const timeval limit{10, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { close(fd_); }
  [[nodiscard]] bool connected() const { return connected_; }
  [[nodiscard]] std::string ask(const std::string& text) const {
    char answer[256] = {};
    if (write(fd_, text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        read(fd_, answer, sizeof answer - 1) <= 0) {
      return {};
    }
    return answer;
  }

 private:
  int fd_;
  bool connected_ = false;
};

TEST(Programs, RedisServer) {
  if (!is_there("/usr/bin/redis-server")) {
    GTEST_SKIP() << "no redis-server";
  }
  Program program({"/usr/bin/redis-server", "--port", "0", "--save", "", "--unixsocket", "s",
                   "--enable-debug-command", "yes"});
  ASSERT_TRUE(eventually([&] { return Connection(program.path("s")).connected(); },
                         std::chrono::seconds(20)));
  const Connection redis(program.path("s"));
  EXPECT_EQ(redis.ask("DEBUG POPULATE 1000\r\n"), "+OK\r\n");
  const std::string digest = redis.ask("DEBUG DIGEST\r\n");
  for (int time = 0; time < 20; ++time) {
    visit(program.pid());
    EXPECT_EQ(redis.ask("INCR rounds\r\n"), ":" + std::to_string(time + 1) + "\r\n");
  }
  EXPECT_EQ(redis.ask("DEL rounds\r\n"), ":1\r\n");
  EXPECT_EQ(redis.ask("DEBUG DIGEST\r\n"), digest);
}

}  // namespace
}  // namespace img::trace
