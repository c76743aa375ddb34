// SPDX-License-Identifier: MIT
#include "tests/live/dump/open_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/live/victim_process.h"

namespace img::live_test {

class Collected::Sink final : public model::RecordSink {
 public:
  explicit Sink(Collected& out) : out_(out) {}
  Result<void> record(const model::Record& record) override {
    Message message;
    message.bytes.assign(record.flatbuffer.begin(), record.flatbuffer.end());
    for (const Bytes part : record.payload.parts) {
      message.payload += as_text(part);
    }
    out_.files_[record.key.file].push_back(std::move(message));
    return {};
  }

 private:
  Collected& out_;
};

Opener::Opener(const std::function<void()>& open) {
  auto* ready = static_cast<volatile int*>(
      ::mmap(nullptr, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int null = ::open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; ++fd) {
      ::dup2(null, fd);
    }
    ::close_range(3, ~0U, 0);
    open();
    *ready = 1;
    for (;;) {
      ::pause();
    }
  }
  if (!eventually([&] { return *ready == 1; })) {
    ::kill(pid_, SIGKILL);
  }
  ::munmap(const_cast<int*>(ready), sizeof(int));
}

Opener::~Opener() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void start_child(const std::function<void()>& first) {
  if (::fork() == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    first();
    for (;;) {
      ::pause();
    }
  }
}

Collected::Collected(pid_t root, const dump::DumpOptions& options) {
  const Result<void> done = collect(root, options);
  failure_ = done ? "" : done.error().line();
}

Result<void> Collected::collect(pid_t root, const dump::DumpOptions& options) {
  IMG_ASSIGN(trace::FrozenTree tree, trace::freeze_tree(root));
  const dump::FreezeClocks clocks;
  dump::RecordBuffer records;
  dump::DumpContext context{options, tree, clocks, records, shared_memory_, remarks_};
  dump::FileCollector collector(context);
  std::uint32_t files_id = 0;
  for (trace::FrozenProcess& process : tree.processes) {
    if (process.state != trace::TaskState::zombie) {
      IMG_TRY(collector.descriptors(process, ++files_id));
    }
  }
  IMG_TRY(collector.finish());
  Sink sink(*this);
  return records.write(sink);
}

const std::vector<Collected::Message>& Collected::messages(model::Kind kind,
                                                           std::uint64_t id) const {
  static const std::vector<Message> kNone;
  const auto found = files_.find({kind, id});
  return found == files_.end() ? kNone : found->second;
}

const schema::FdinfoEntry* Collected::descriptor(int number, std::size_t index) const {
  for (const auto* one : all<schema::FdinfoEntry>(model::Kind::fdinfo, index + 1)) {
    if (one->fd() == static_cast<std::uint32_t>(number)) {
      return one;
    }
  }
  return nullptr;
}

const schema::FileEntry* Collected::file(int number, std::size_t index) const {
  const schema::FdinfoEntry* entry = descriptor(number, index);
  return entry == nullptr ? nullptr : by_id(entry->id());
}

const schema::FileEntry* Collected::by_id(std::uint32_t id) const {
  for (const auto* one : all<schema::FileEntry>(model::Kind::files)) {
    if (one->id() == id) {
      return one;
    }
  }
  return nullptr;
}

bool Collected::refuses(state::Piece piece) const {
  const std::string_view text = state::row(piece).text;
  for (const state::Refusal& one : remarks_.refusals()) {
    if (one.why == text) {
      return true;
    }
  }
  return false;
}

bool Collected::loses(state::Piece piece) const {
  const std::string_view text = state::row(piece).text;
  for (const std::string& one : remarks_.notes()) {
    if (one.ends_with(text)) {
      return true;
    }
  }
  return false;
}

const schema::FileEntry& file(const Collected& collected, int number, schema::FdTypes type) {
  const auto* entry = collected.file(number);
  if (entry == nullptr || entry->type() != type) {
    ADD_FAILURE() << "descriptor " << number << ": " << collected.failure();
    for (const state::Refusal& one : collected.refusals()) {
      ADD_FAILURE() << one.line();
    }
    std::abort();
  }
  return *entry;
}

}  // namespace img::live_test
