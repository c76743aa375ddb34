// SPDX-License-Identifier: MIT
// Records on their way into an image, in the order in which they are found. Files may grow at the
// same time; write() puts each out in one piece. It knows no kind of record.
#pragma once

#include <flatbuffers/flatbuffers.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "libimg/model/record.h"

namespace img::dump {

using model::Kind;

class RecordBuffer {
 public:
  RecordBuffer() { builder_.ForceDefaults(true); }
  RecordBuffer(const RecordBuffer&) = delete;
  ~RecordBuffer();

  /// Emptied, with defaults forced as the format wants them. For one record.
  [[nodiscard]] flatbuffers::FlatBufferBuilder& begin() {
    builder_.Clear();
    return builder_;
  }
  /// The record whose table begin()'s builder holds: the next message of its file. The payload is
  /// borrowed until write().
  template <class Table>
  void add(Kind kind, std::uint64_t id, flatbuffers::Offset<Table> root,
           std::vector<Bytes> payload = {}) {
    builder_.Finish(root);
    keep(kind, id, std::move(payload));
  }

  /// What payloads are borrowed from: lives as long as this.
  void keep_alive(std::shared_ptr<const void> owner) { owners_.push_back(std::move(owner)); }
  /// Undoes what was done outside for the sake of these records, if they are never written.
  void undo_if_unwritten(std::function<void()> undo) { undo_.push_back(std::move(undo)); }

  [[nodiscard]] bool has(Kind kind, std::uint64_t id) const {
    return files_.count(model::FileKey{kind, id}) != 0;
  }
  /// Bytes of all records, without payloads.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  /// Everything, by file; then it is empty.
  [[nodiscard]] Result<void> write(model::RecordSink& sink);

 private:
  struct Message {
    std::vector<std::byte> flatbuffer;
    std::vector<Bytes> payload;
  };
  void keep(Kind kind, std::uint64_t id, std::vector<Bytes> payload);

  flatbuffers::FlatBufferBuilder builder_;
  std::map<model::FileKey, std::vector<Message>> files_;
  std::uint64_t bytes_ = 0;
  std::vector<std::shared_ptr<const void>> owners_;
  std::vector<std::function<void()>> undo_;
};

}  // namespace img::dump
