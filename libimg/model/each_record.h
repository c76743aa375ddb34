// SPDX-License-Identifier: MIT
// The messages of one image file, one call each, for those who need no sink of their own.
#pragma once

#include <utility>

#include "libimg/model/record.h"

namespace img::model {

/// `use(message, record)` for every message of `file` whose table is T; nothing is done where there
/// is no such file. Messages are valid during the call only.
template <class T, class Use>
[[nodiscard]] Result<void> for_each_message(ImageReader& reader, FileKey file, Use use) {
  class Each final : public RecordSink {
   public:
    explicit Each(Use& use) : use_(use) {}
    Result<void> record(const Record& record) override {
      if (record.key.seq != 0 && record.table != nullptr) {
        use_(*record.as<T>(), record);
      }
      return {};
    }

   private:
    Use& use_;
  };
  Each each(use);
  return reader.read(file, each);
}

}  // namespace img::model
