// SPDX-License-Identifier: MIT
// What the rules share about the image being judged: which files it has, who its tasks are, its
// open files. Filled in the order in which files are read (check.cpp), before the rules that need
// it are asked.
#pragma once

#include <concepts>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "libimg/check/report.h"
#include "libimg/model/file_table.h"
#include "libimg/model/process_tree.h"
#include "libimg/model/record.h"
#include "schema/inventory_generated.h"

namespace img::check {

using model::FileKey;
using model::OpenFile;
using model::Process;
using model::Record;
using schema::FdTypes;
using schema::Kind;

/// The descriptors of all tables, sorted by table and number.
struct TableDescriptor {
  std::uint32_t table = 0;  // TaskIds::files
  std::uint32_t fd = 0;
  std::uint32_t id = 0;
  friend auto operator<=>(const TableDescriptor&, const TableDescriptor&) = default;
};

/// Bytes of an address space or shared object.
struct PageRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

struct Facts {
  Facts(model::ImageReader& image, Report& out, const Options& options)
      : reader(image), report(out), given(options.given), host(options.host) {}

  model::ImageReader& reader;
  Report& report;
  const Given& given;
  Restorer restorer = Restorer::criu;
  const Host* host;              // null: nobody asks it
  std::vector<FileKey> present;  // sorted
  std::set<Kind> damaged;        // kinds of which a file could not be read whole
  bool is_predump = false;
  bool has_files = false;  // files.img, or one of those before it

  bool has_inventory = false;
  bool has_root_ids = false;
  bool ns_per_id = false;
  model::TaskIds root_ids;
  std::uint32_t root_cg_set = 0;
  std::uint64_t dump_uptime = 0;
  std::uint32_t lsm = 0;

  model::ProcessTree tree;
  std::unordered_map<std::uint32_t, std::uint32_t> thread_owner;  // tid to position in the tree
  std::uint32_t mtype = 0;                                        // of the first core
  model::FileTable files;
  std::unordered_set<std::uint32_t> used_files;           // ids that something names
  std::vector<TableDescriptor> descriptors;               // sorted once all are read
  std::unordered_map<std::uint32_t, std::string> mounts;  // mountpoints, of all namespaces
  std::map<FileKey, std::vector<PageRange>> in_parent;    // by pagemap: what parents must have

  /// Called for every record, before the rules see it.
  void take(const Record& record);

  [[nodiscard]] bool has(Kind kind, std::uint64_t id = 0) const;
  [[nodiscard]] bool has_any(Kind kind) const;
  /// Nothing of this kind was lost, so what is not there is missing.
  [[nodiscard]] bool is_whole(Kind kind) const { return !damaged.contains(kind); }
  /// Open files are there, and none was lost.
  [[nodiscard]] bool files_are_whole() const;
  /// Of the wanted type, else any with this id, else null. Whoever asks uses the file: it is no
  /// orphan.
  [[nodiscard]] const OpenFile* use_file(std::uint32_t id, FdTypes wanted);
  /// The process that a pid or thread id belongs to, or null.
  [[nodiscard]] const Process* process_of(std::uint32_t tid) const;
  /// Whether the table has this descriptor; null: it has not.
  [[nodiscard]] const TableDescriptor* descriptor(std::uint32_t table, std::uint32_t fd) const;

  [[nodiscard]] Where at(FileKey file, std::uint64_t entry = 0, std::string field = {},
                         std::string value = {}) const;
  // Templates, so that a FileKey in braces is never taken for one of these.
  template <std::same_as<Record> T>
  [[nodiscard]] Where at(const T& record, std::string field = {}, std::string value = {}) const {
    return at(record.key.file, record.key.seq, std::move(field), std::move(value));
  }
  template <std::same_as<OpenFile> T>
  [[nodiscard]] Where at(const T& file, std::string field = {}, std::string value = {}) const {
    return at(file.file, file.seq, std::move(field), std::move(value));
  }
};

/// The rules about one kind of object: sees every record of the image once, then is asked.
class RuleSet {
 public:
  virtual ~RuleSet() = default;
  virtual void record(const Record& record) { static_cast<void>(record); }
  virtual void finish() {}
};

using RuleSetMaker = std::unique_ptr<RuleSet> (*)(Facts&);

std::unique_ptr<RuleSet> set_rules(Facts& facts);
std::unique_ptr<RuleSet> tree_rules(Facts& facts);
std::unique_ptr<RuleSet> core_rules(Facts& facts);
std::unique_ptr<RuleSet> namespace_rules(Facts& facts);
std::unique_ptr<RuleSet> memory_rules(Facts& facts);
std::unique_ptr<RuleSet> shared_memory_rules(Facts& facts);
std::unique_ptr<RuleSet> file_rules(Facts& facts);
std::unique_ptr<RuleSet> remap_rules(Facts& facts);
std::unique_ptr<RuleSet> pipe_rules(Facts& facts);
std::unique_ptr<RuleSet> socket_rules(Facts& facts);
std::unique_ptr<RuleSet> tty_rules(Facts& facts);
std::unique_ptr<RuleSet> event_rules(Facts& facts);
std::unique_ptr<RuleSet> lock_rules(Facts& facts);
std::unique_ptr<RuleSet> mount_rules(Facts& facts);
std::unique_ptr<RuleSet> net_rules(Facts& facts);
std::unique_ptr<RuleSet> ipc_rules(Facts& facts);
std::unique_ptr<RuleSet> cgroup_rules(Facts& facts);
std::unique_ptr<RuleSet> security_rules(Facts& facts);
std::unique_ptr<RuleSet> need_rules(Facts& facts);
std::unique_ptr<RuleSet> archive_rules(Facts& facts);
std::unique_ptr<RuleSet> settings_rules(Facts& facts);
// These ask Facts::host, which must not be null.
std::unique_ptr<RuleSet> host_task_rules(Facts& facts);
std::unique_ptr<RuleSet> host_file_rules(Facts& facts);
std::unique_ptr<RuleSet> host_system_rules(Facts& facts);

/// Follows the parents of an image, level by level (PGM-5 to PGM-7).
void judge_chain(Facts& facts, const Options& options);
/// Of an image in a store (STO-2, STO-3): `records` have been read of it.
void judge_store(Facts& facts, const Options& options, std::uint64_t records);
/// Turns the error that ended the reading of `file` into a finding.
void judge_error(Facts& facts, FileKey file, const Error& error);
/// Turns what a reader met in `file` into findings; true if any of it stopped the reading.
bool judge_damage(Report& report, model::ImageReader& image, FileKey file,
                  const std::vector<criu::Damage>& met, std::optional<std::uint64_t> pages_id);

}  // namespace img::check
