// SPDX-License-Identifier: MIT
// IPC-*: System V queues, semaphores and segments.
#include <fmt/core.h>

#include "libimg/check/facts.h"
#include "libimg/criu/payload.h"
#include "schema/ipc_generated.h"

namespace img::check {
namespace {

class IpcRules : public RuleSet {
 public:
  explicit IpcRules(Facts& facts) : facts_(facts) {
    const auto* provenance = facts.reader.header().provenance();
    order_.swapped = provenance != nullptr && provenance->byte_order() == schema::ByteOrder::big;
  }

  void record(const Record& record) override {
    if (record.key.seq == 0) {
      return;
    }
    switch (record.key.file.kind) {
      case Kind::ipcns_shm: describe(record, *record.as<schema::IpcShmEntry>()->desc()); break;
      case Kind::ipcns_msg: {
        const auto& entry = *record.as<schema::IpcMsgEntry>();
        describe(record, *entry.desc());
        messages(record, entry);
        break;
      }
      case Kind::ipcns_sem: {
        const auto& entry = *record.as<schema::IpcSemEntry>();
        describe(record, *entry.desc());
        semaphores(record, entry);
        break;
      }
      default: break;
    }
  }

 private:
  void describe(const Record& record, const schema::IpcDescEntry& desc) {
    if (!ids_.insert({record.key.file.kind, record.key.file.id, desc.id()}).second) {
      facts_.report.add(RuleId::IPC_1, facts_.at(record, "desc.id", std::to_string(desc.id())),
                        "two objects have this id");
    }
    if (desc.id() > INT32_MAX) {
      facts_.report.add(RuleId::IPC_1, facts_.at(record, "desc.id", std::to_string(desc.id())),
                        "no object has a negative id");
    }
  }

  void messages(const Record& record, const schema::IpcMsgEntry& entry) {
    constexpr std::size_t kMaxMessage = 8192;
    if (record.payload.parts.size() > 1) {
      return;  // in pieces only from a store, which has checked it on the way in
    }
    Bytes rest = record.payload.parts.empty() ? Bytes{} : record.payload.parts.front();
    std::uint64_t total = 0;
    for (std::uint32_t i = 0; i < entry.qnum(); ++i) {
      std::string why;
      const auto message = criu::next_queued_message(rest, order_, why);
      if (!message) {
        facts_.report.add(RuleId::IPC_2, facts_.at(record, "qnum", std::to_string(entry.qnum())),
                          fmt::format("message {} is not there: {}", i + 1, why));
        return;
      }
      total += message->data.size();
      if (message->data.size() > kMaxMessage) {
        facts_.report.add(RuleId::IPC_2,
                          facts_.at(record, "msize", std::to_string(message->data.size())),
                          "a message longer than a kernel takes by default (8192)");
      }
    }
    if (total > entry.qbytes()) {
      facts_.report.add(
          RuleId::IPC_2, Severity::warning,
          facts_.at(record, "qbytes", std::to_string(entry.qbytes())),
          fmt::format("{} bytes wait in a queue that holds {}", total, entry.qbytes()));
    }
  }

  void semaphores(const Record& record, const schema::IpcSemEntry& entry) {
    constexpr std::uint32_t kMaxSemaphores = 32000;
    constexpr std::uint16_t kMaxValue = 32767;
    if (entry.nsems() == 0 || entry.nsems() > kMaxSemaphores) {
      facts_.report.add(RuleId::IPC_3, facts_.at(record, "nsems", std::to_string(entry.nsems())),
                        "a set has 1 to 32000 semaphores");
      return;
    }
    if (record.payload.parts.size() != 1) {
      return;
    }
    const Bytes values = record.payload.parts.front();
    for (std::size_t i = 0; i < entry.nsems() && (i + 1) * 2 <= values.size(); ++i) {
      auto value = load<std::uint16_t>(values.data() + i * 2);
      if (order_.swapped) {
        value = static_cast<std::uint16_t>(value >> 8 | value << 8);
      }
      if (value > kMaxValue) {
        facts_.report.add(RuleId::IPC_3, facts_.at(record, "values", std::to_string(value)),
                          fmt::format("semaphore {} is above 32767", i));
      }
    }
  }

  Facts& facts_;
  criu::WordOrder order_;
  std::set<std::tuple<Kind, std::uint64_t, std::uint32_t>> ids_;
};

}  // namespace

std::unique_ptr<RuleSet> ipc_rules(Facts& facts) {
  return std::make_unique<IpcRules>(facts);
}

}  // namespace img::check
