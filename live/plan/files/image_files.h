// SPDX-License-Identifier: MIT
// All open files of an image and the calls that bring them back: a FilePlanner over one table of
// kinds. Each kind of file is a KindPlanner in a source file of its own; what they share is the
// FileContext.
#pragma once

#include <fcntl.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "libimg/model/file_table.h"
#include "libimg/model/record.h"
#include "live/plan/file_planner.h"
#include "live/plan/files/locks.h"
#include "live/plan/files/remaps.h"

namespace img::plan {

/// What a file can be asked for by fcntl(F_SETFL); O_ASYNC only by a task, when it has its owner.
inline constexpr std::uint32_t kStatusFlags = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME;

/// WHAT of --inherit-fd, and the descriptor of live-restore that stands for it.
struct InheritedFd {
  std::string what;  // "fd[2]" (the root's), "pipe:[77]", "socket:[77]", a path
  int fd = -1;
};

struct FileOptions {
  /// --root: all paths are looked up below it. Empty: as they are.
  std::string root;
  std::vector<InheritedFd> inherited;
  /// Paths of files that are cut to the recorded size where they have grown.
  std::vector<std::string> truncate;
  bool keep_link_remaps = false;
  bool shell_job = false;
  /// Where the file system with this st_dev (as the kernel numbers it: major << 20 | minor) is
  /// mounted on this host. What is not there, handles of inotify cannot be opened on. Asked for
  /// only where a file needs it, since it takes milliseconds; so are the next.
  std::function<std::map<std::uint32_t, std::string>()> mounts;
  /// Network devices of this host by name, with their ifindex.
  std::function<std::map<std::string, std::uint32_t>()> interfaces;
  /// A descriptor of live-restore that is a terminal; -1: it has none.
  int terminal = -1;
  /// Whether something has this path on the host, below --root. Not set: names of deleted files
  /// are free, and their folders there.
  std::function<bool(const std::string& path)> exists;
};

/// One descriptor of a task that a call of that task can use.
struct TaskFd {
  Actor actor;
  std::uint32_t fd = 0;
  bool closes_on_exec = false;
};

class KindPlanner {
 public:
  virtual ~KindPlanner() = default;
  /// The descriptor of the restorer for this file, by calls of the restorer.
  [[nodiscard]] virtual Result<Slot> open(FileContext& context, const model::OpenFile& file) = 0;
  /// For a mapping that wants the file open in another way than its description has it. None: the
  /// description is opened again.
  [[nodiscard]] virtual std::optional<Slot> for_mapping(FileContext& /*context*/,
                                                        const model::OpenFile& /*file*/,
                                                        std::uint32_t /*access*/) {
    return std::nullopt;
  }
  /// Calls of the restorer when every file is open: what is queued in one for another.
  [[nodiscard]] virtual Result<void> opened(FileContext& /*context*/) { return {}; }
  /// Calls of a task while it still has all slots, before it has its own table.
  [[nodiscard]] virtual Result<void> before_install(FileContext& /*context*/, Actor /*actor*/) {
    return {};
  }
  /// Calls of a task that has its own table now, and all slots still.
  [[nodiscard]] virtual Result<void> installed(FileContext& /*context*/, Actor /*actor*/,
                                               std::uint32_t /*files_id*/) {
    return {};
  }
  /// complete() is for every task that has the file, not only for the first.
  [[nodiscard]] virtual bool is_for_each_task(const FileContext& /*context*/,
                                              const model::OpenFile& /*file*/) const {
    return false;
  }
  /// Calls of the first task that has the file, once all tasks have all their descriptors.
  [[nodiscard]] virtual Result<void> complete(FileContext& /*context*/,
                                              const model::OpenFile& /*file*/, TaskFd /*at*/) {
    return {};
  }
  /// Calls of the restorer at the very end.
  virtual void finish(FileContext& /*context*/) {}
};

class FileContext {
 public:
  FileContext(model::ImageReader& image, FileOptions wanted)
      : reader(image), options(std::move(wanted)) {}

  model::ImageReader& reader;
  FileOptions options;
  model::FileTable table;
  PlanBuilder* builder = nullptr;  // from open_all on
  /// Descriptor tables by files_id.
  std::map<std::uint32_t, std::vector<model::Descriptor>> tables;
  std::uint32_t root_table = 0;    // files_id of the root of the tree
  std::set<std::uint32_t> tasks;   // pids and thread ids of the tree
  std::set<std::uint32_t> groups;  // of the tree; not that of who called it

  [[nodiscard]] const std::map<std::uint32_t, std::string>& mounts();
  [[nodiscard]] const std::map<std::string, std::uint32_t>& interfaces();
  /// The slot of a file; opened now if no one has needed it yet.
  [[nodiscard]] Result<Slot> slot_of(std::uint32_t id, schema::FdTypes type);
  /// The REG entry with this id (of a fifo or terminal: its node), or null.
  [[nodiscard]] const schema::RegFileEntry* regular(std::uint32_t id) const;
  /// It had been deleted; its recorded path leads nowhere, or to another file.
  [[nodiscard]] bool has_lost_name(std::uint32_t id) const { return remaps_->has(id); }
  /// An O_PATH descriptor of a deleted file of the image that had this device and inode.
  [[nodiscard]] Result<std::optional<Slot>> ghost_of(std::uint32_t device, std::uint64_t inode) {
    return remaps_->ghost_of(*this, device, inode);
  }
  /// The node of REG entry `id`, opened with these flags, whether it still has a name or not.
  [[nodiscard]] Result<Slot> open_node(std::uint32_t id, std::uint32_t flags);

  /// open(2) below --root. `flags` as recorded: what only makes a file is left out.
  [[nodiscard]] Slot open_path(std::string_view path, std::uint32_t flags,
                               Tolerate tolerate = kMustSucceed);
  /// The same open file as a description of its own.
  [[nodiscard]] Slot reopen(Slot descriptor, std::uint32_t flags, std::string what);
  [[nodiscard]] bool is_taken(const std::string& path) const {
    return options.exists && options.exists(path);
  }
  [[nodiscard]] bool is_missing(const std::string& folder) const {
    return options.exists && !options.exists(folder);
  }
  /// Folders above `path` that are not there are made, and named, the highest first.
  [[nodiscard]] std::vector<std::string> make_folders(const std::string& path);
  /// What make_folders() has made.
  void remove_folders(const std::vector<std::string>& folders);
  /// A path of the image as the *at() calls take it: nothing below --root leads out of it.
  struct Place {
    Value folder;
    DataId name{};
  };
  [[nodiscard]] Place place_of(const std::string& path);
  /// The flags that fcntl(F_SETFL) can change, where the call that made the file took none.
  void set_flags(Slot descriptor, std::uint32_t flags, const std::string& name);
  /// "/var/log/x", "PIPE file 7": for messages.
  [[nodiscard]] std::string name_of(const model::OpenFile& file) const;

  /// The descriptor of live-restore that the caller has named for `what`, kept; or none.
  [[nodiscard]] bool inherits(std::string_view what, Slot& slot);
  /// A descriptor 0 to 2 of the root that holds this file; -1: none.
  [[nodiscard]] int standard_descriptor(const model::OpenFile& file) const;
  /// Own descriptor `fd` of live-restore, as a slot.
  [[nodiscard]] Slot own_descriptor(int fd);

  /// The file that a call of the task has opened becomes its recorded descriptor.
  void put_in_place(TaskFd at, Slot opened);

  /// The record's payload is `bytes` long; kAppend writes it where the file stands.
  void copy_payload(Slot file, const model::RecordKey& record, std::uint64_t offset,
                    std::string what);

 private:
  friend class ImageFiles;
  [[nodiscard]] Value root_folder();
  std::unique_ptr<Remaps> remaps_;
  std::map<std::pair<schema::FdTypes, std::uint32_t>, Slot> slots_;
  std::map<schema::FdTypes, std::unique_ptr<KindPlanner>> kinds_;
  std::optional<std::map<std::uint32_t, std::string>> mounts_;
  std::optional<std::map<std::string, std::uint32_t>> interfaces_;
  int depth_ = 0;
  bool has_root_ = false;
  Slot root_{};
};

class ImageFiles final : public FilePlanner {
 public:
  [[nodiscard]] static Result<std::unique_ptr<ImageFiles>> read(model::ImageReader& reader,
                                                                FileOptions options);

  [[nodiscard]] std::int64_t highest_descriptor() const override;
  [[nodiscard]] Result<void> open_all(PlanBuilder& builder) override;
  [[nodiscard]] Result<Slot> slot_of(std::uint32_t file_id) override;
  [[nodiscard]] Result<Slot> slot_for_mapping(std::uint32_t file_id,
                                              std::uint32_t open_flags) override;
  [[nodiscard]] Result<void> install(PlanBuilder& builder, Actor actor,
                                     std::uint32_t files_id) override;
  [[nodiscard]] Result<void> complete(PlanBuilder& builder, Actor actor,
                                      std::uint32_t files_id) override;
  [[nodiscard]] Result<void> finish(PlanBuilder& builder) override;

 private:
  ImageFiles(model::ImageReader& reader, FileOptions options)
      : context_(reader, std::move(options)) {}
  [[nodiscard]] Result<void> read_tables();
  [[nodiscard]] Result<void> open_for_mappings();
  [[nodiscard]] KindPlanner* kind_of(schema::FdTypes type);
  [[nodiscard]] Result<void> complete_those(PlanBuilder& builder, Actor actor,
                                            std::uint32_t files_id, bool are_epolls);
  void set_owner(PlanBuilder& builder, TaskFd at, const schema::FownEntry& owner,
                 std::uint32_t flags);

  FileContext context_;
  FileLocks locks_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, Slot> for_mappings_;  // by id and access mode
  std::set<std::pair<schema::FdTypes, std::uint32_t>> completed_;
};

// One for each source file here.
[[nodiscard]] std::unique_ptr<KindPlanner> plan_regular_files(FileContext& context);
[[nodiscard]] std::unique_ptr<KindPlanner> plan_pipes(FileContext& context);
[[nodiscard]] std::unique_ptr<KindPlanner> plan_fifos(FileContext& context);
[[nodiscard]] std::unique_ptr<KindPlanner> plan_memfds(FileContext& context);
[[nodiscard]] std::unique_ptr<KindPlanner> plan_eventfds();
[[nodiscard]] std::unique_ptr<KindPlanner> plan_epolls();
[[nodiscard]] std::unique_ptr<KindPlanner> plan_signalfds();
[[nodiscard]] std::unique_ptr<KindPlanner> plan_timerfds();
[[nodiscard]] std::unique_ptr<KindPlanner> plan_inotify();
[[nodiscard]] std::unique_ptr<KindPlanner> plan_fanotify();
[[nodiscard]] std::unique_ptr<KindPlanner> plan_namespaces();
[[nodiscard]] std::unique_ptr<KindPlanner> plan_packet_sockets();
[[nodiscard]] std::unique_ptr<KindPlanner> plan_inet_sockets();
[[nodiscard]] std::unique_ptr<KindPlanner> plan_netlink_sockets();
[[nodiscard]] std::unique_ptr<KindPlanner> plan_unix_sockets(FileContext& context);
[[nodiscard]] std::unique_ptr<KindPlanner> plan_terminals(FileContext& context);
[[nodiscard]] std::unique_ptr<KindPlanner> plan_pidfds();

}  // namespace img::plan
