// SPDX-License-Identifier: MIT
// The image that is looked at. Reads as far as it can: what cannot be read becomes a trouble, told
// once, and the views show the rest. What several views need is read once and kept: the process
// tree, the open files. Draws nothing.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "libimg/model/file_table.h"
#include "libimg/model/process_tree.h"
#include "libimg/model/record.h"
#include "libimg/model/remap.h"
#include "libimg/model/shared_memory.h"
#include "libimg/show/file_sizes.h"
#include "schema/mm_generated.h"

namespace img::show {

using model::FileKey;
using model::Record;
using model::Remap;
using schema::Kind;

/// What of an image is asked for.
struct Choice {
  std::vector<std::uint32_t> pids;  // empty: all
  bool command_lines = false;
  bool environments = false;
};

class Subject {
 public:
  [[nodiscard]] static Result<Subject> open(model::ImageReader& reader, Choice choice = {});

  [[nodiscard]] model::ImageReader& reader() const { return *reader_; }
  [[nodiscard]] const Choice& choice() const { return choice_; }
  /// All files, ascending.
  [[nodiscard]] std::span<const FileKey> files() const { return files_; }
  [[nodiscard]] std::span<const FileKey> files_of(Kind kind) const;
  [[nodiscard]] bool has(FileKey file) const;

  /// Damage that a reader tells of by other ways than an error belongs here too.
  void trouble(Error error);
  [[nodiscard]] std::span<const Error> troubles() const { return troubles_; }

  void read(FileKey file, model::RecordSink& sink);
  /// The messages of a file; T must be what all of them are.
  template <class T>
  void each(FileKey file, const std::function<void(const T&, const Record&)>& use) {
    FunctionSink sink([&use](const Record& record) {
      if (record.key.seq != 0 && record.table != nullptr) {
        use(*record.as<T>(), record);
      }
    });
    read(file, sink);
  }

  [[nodiscard]] const model::ProcessTree& tree();
  /// Of all files; with it comes the tree, if it was not there.
  [[nodiscard]] const FileSizes& sizes();
  [[nodiscard]] const model::FileTable& open_files();
  [[nodiscard]] const Remap* remap_of(std::uint32_t file_id);
  [[nodiscard]] const model::SharedMemory& shared_memory();

  [[nodiscard]] bool is_chosen(std::uint32_t pid) const;
  /// Whether a chosen process has a descriptor of it.
  [[nodiscard]] bool is_chosen_file(std::uint32_t file_id);
  /// Chosen processes, as a tree where all are; else each at depth 0.
  void walk(const std::function<void(const model::Process&, std::size_t depth, bool is_last)>& use);
  /// "22826 redis"
  [[nodiscard]] std::string title(const model::Process& process) const;

  /// From the memory of the process, over the parent chain; empty where it is not in the image.
  [[nodiscard]] std::vector<std::string> arguments(std::uint32_t pid);
  [[nodiscard]] std::vector<std::string> environment(std::uint32_t pid);
  [[nodiscard]] std::string command_line(const model::Process& process);

 private:
  class FunctionSink : public model::RecordSink {
   public:
    explicit FunctionSink(std::function<void(const Record&)> use) : use_(std::move(use)) {}
    [[nodiscard]] Result<void> record(const Record& record) override {
      use_(record);
      return {};
    }

   private:
    std::function<void(const Record&)> use_;
  };

  explicit Subject(model::ImageReader& reader) : reader_(&reader) {}
  [[nodiscard]] std::vector<std::string> strings_at(std::uint32_t pid, std::uint64_t begin,
                                                    std::uint64_t end);
  void read_remaps();
  void read_tree_file();

  model::ImageReader* reader_;
  Choice choice_;
  std::vector<FileKey> files_;
  std::vector<Error> troubles_;
  std::set<std::string> told_;
  std::optional<model::ProcessTree> tree_;
  std::optional<FileSizes> sizes_;
  std::optional<model::FileTable> open_files_;
  std::optional<std::unordered_map<std::uint32_t, Remap>> remaps_;
  std::optional<std::set<std::uint32_t>> chosen_files_;
  std::optional<model::SharedMemory> shared_memory_;
};

/// The arguments, quoted where they need it; the name in brackets where there are none.
[[nodiscard]] std::string joined(const model::Process& process,
                                 const std::vector<std::string>& arguments);

}  // namespace img::show
