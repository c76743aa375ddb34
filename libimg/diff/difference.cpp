// SPDX-License-Identifier: MIT
#include "libimg/diff/difference.h"

#include "libimg/diff/parts.h"

namespace img::diff {

Result<Summary> compare(model::ImageReader& before, model::ImageReader& after, Sink& sink) {
  IMG_ASSIGN(show::Subject old_image, show::Subject::open(before));
  IMG_ASSIGN(show::Subject new_image, show::Subject::open(after));
  const Pair pair{old_image, new_image};
  Summary summary;
  summary.page_size = after.header().page_size();
  const Tell tell = [&](Section section, const Item& item) {
    ++summary.items;
    sink.item(section, item);
  };
  compare_processes(pair, tell);
  compare_descriptors(pair, tell);
  compare_sockets(pair, tell);
  compare_mappings(pair, tell);
  IMG_TRY(compare_records(pair, tell));
  IMG_ASSIGN(summary.pages, compare_pages(pair, sink));
  for (const show::Subject* subject : {&old_image, &new_image}) {
    if (!subject->troubles().empty()) {
      return fail(subject->troubles().front());
    }
  }
  return summary;
}

}  // namespace img::diff
