// SPDX-License-Identifier: MIT
// One image file of any kind. Whatever the parser reads without a complaint is given back byte for
// byte. Input: kind, flags (version, byte order), pages (x 64 bytes), then the file.
#include <algorithm>
#include <filesystem>

#include "libimg/criu/directory_writer.h"
#include "libimg/criu/file_parser.h"
#include "libimg/criu/names.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/scratch.h"

namespace {

using namespace img;

/// Composes what it gets; a zombie's key differs from its file's.
struct Composing : model::RecordSink {
  explicit Composing(criu::FileComposer& to) : composer(to) {}
  Result<void> record(const model::Record& record) override { return composer.record(record); }
  criu::FileComposer& composer;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) {
    return 0;
  }
  const auto kinds = schema::kinds();
  const schema::KindInfo& info = kinds[data[0] % kinds.size()];
  if (info.file_name.empty()) {
    return 0;
  }
  const Bytes file = std::as_bytes(std::span(data + 3, size - 3));
  const std::vector<std::byte> pages(std::size_t{data[2]} * 64);
  criu::FileContext context;
  context.img_version = (data[1] & 1U) != 0 ? 1 : 2;
  context.order.swapped = (data[1] & 2U) != 0;
  context.pages = [&](std::uint32_t) { return Result<Bytes>(Bytes(pages)); };
  unsigned told = 0;
  context.on_damage = [&](const criu::Damage& damage) {
    told += criu::stops_reading(damage.kind) ? 1U : 0U;
  };

  const model::FileKey key{info.kind, 7};
  static criu::FileParser parser;
  criu::FileComposer composer({context.img_version, context.order});
  StringSink out;
  StringSink memory;
  composer.begin(key, out);
  composer.set_memory(memory);
  Composing sink(composer);
  const auto done = parser.parse(context, key, criu::image_file_name(key), file, sink);
  fuzz::must_hold(done.has_value() == (told == 0), "an error is reported, and nothing else is");
  if (done) {
    fuzz::must_hold(composer.finish().has_value(), "what was read can be written");
    fuzz::must_hold(out.text == as_text(file), "what was read is given back");
    fuzz::must_hold(memory.text.size() <= pages.size(), "no more memory than there is");
  }
  return 0;
}

std::vector<std::string> img::fuzz::seeds() {
  std::vector<std::string> out;
  namespace fs = std::filesystem;
  for (const auto& entry : fs::recursive_directory_iterator(STASIS_FIXTURES "/dumps")) {
    const auto key = criu::parse_file_name(entry.path().filename().string());
    if (!entry.is_regular_file() || entry.is_symlink() || !key || entry.file_size() > 8192) {
      continue;
    }
    const auto kinds = schema::kinds();
    const auto kind = std::find_if(kinds.begin(), kinds.end(),
                                   [&](const auto& k) { return k.kind == key->kind; });
    std::string bytes{static_cast<char>(kind - kinds.begin()), '\0', '\xff'};
    bytes += test::slurp(entry.path());
    out.push_back(std::move(bytes));
  }
  return out;
}
