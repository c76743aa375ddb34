// SPDX-License-Identifier: MIT
#include "libimg/show/memory.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "libimg/base/units.h"
#include "libimg/model/address_space.h"
#include "libimg/show/process_memory.h"

namespace img::show {
namespace {

constexpr std::size_t kLine = 16;

/// "000010000000  7f 45 4c 46 ...  |.ELF|"
std::string hex_line(std::uint64_t address, Bytes bytes) {
  std::string line = fmt::format("{:012x} ", address);
  std::string text;
  for (std::size_t at = 0; at < kLine; ++at) {
    line += at == kLine / 2 ? "  " : " ";
    if (at < bytes.size()) {
      const auto byte = static_cast<unsigned char>(bytes[at]);
      line += kHexDigits[byte >> 4];
      line += kHexDigits[byte & 15];
      text += byte >= 0x20 && byte < 0x7f ? static_cast<char>(byte) : '.';
    } else {
      line += "  ";
    }
  }
  return line + "  |" + text + "|";
}

class HexSink : public model::MemorySink {
 public:
  HexSink(Page& page, std::uint64_t begin) : page_(page), next_(begin) {}

  Result<void> memory(std::uint64_t address, Bytes bytes) override {
    if (page_.is_for_people()) {
      gap(address);
      lines(address, bytes);
    } else {
      for (std::size_t at = 0; at < bytes.size(); at += kPiece) {
        const Bytes piece = bytes.subspan(at, std::min(kPiece, bytes.size() - at));
        page_.row({Value::hex(address + at), Value::base64(piece)});
      }
    }
    next_ = address + bytes.size();
    return {};
  }

  void gap(std::uint64_t until) {
    end_line();
    if (page_.is_for_people() && next_ < until) {
      page_.say(fmt::format("{:012x}  {} bytes are not in the image", next_, until - next_));
    }
  }

 private:
  static constexpr std::size_t kPiece = 48 * 1024;

  void lines(std::uint64_t address, Bytes bytes) {
    while (!bytes.empty()) {
      if (used_ == 0) {
        line_at_ = address;
      }
      const std::size_t here = std::min(kLine - used_, bytes.size());
      std::copy_n(bytes.begin(), here, line_.begin() + static_cast<std::ptrdiff_t>(used_));
      used_ += here;
      address += here;
      bytes = bytes.subspan(here);
      if (used_ == kLine) {
        end_line();
      }
    }
  }
  void end_line() {
    if (used_ > 0) {
      page_.say(hex_line(line_at_, Bytes(line_).first(used_)));
      used_ = 0;
    }
  }

  Page& page_;
  std::uint64_t next_;
  std::array<std::byte, kLine> line_{};
  std::size_t used_ = 0;
  std::uint64_t line_at_ = 0;
};

class RawSink : public model::MemorySink {
 public:
  RawSink(ByteSink& out, std::uint64_t begin) : out_(out), next_(begin) {}
  Result<void> memory(std::uint64_t address, Bytes bytes) override {
    if (address < next_) {
      return {};  // a page map out of order: what has been written stays
    }
    IMG_TRY(zeros(address));
    next_ = address + bytes.size();
    known += bytes.size();
    return out_.write(bytes);
  }
  Result<void> zeros(std::uint64_t until) {
    static constexpr std::array<std::byte, 65536> kZeros{};
    while (next_ < until) {
      const std::uint64_t here = std::min<std::uint64_t>(until - next_, kZeros.size());
      IMG_TRY(out_.write(Bytes(kZeros).first(here)));
      next_ += here;
    }
    return {};
  }
  std::uint64_t known = 0;

 private:
  ByteSink& out_;
  std::uint64_t next_;
};

Result<void> check_place(Subject& subject, const MemoryPlace& place) {
  if (!subject.has({Kind::pagemap, place.pid})) {
    return fail(Fault::missing, fmt::format("process {}", place.pid), "has no memory in the image",
                subject.reader().place());
  }
  if (place.address > UINT64_MAX - place.length) {
    return fail(Fault::usage, hex(place.address), "past the end of all addresses");
  }
  return {};
}

}  // namespace

void show_memory_runs(Subject& subject, Page& page) {
  static const std::vector<Column> kColumns = {
      {"pid", "PID", Align::right},         {"start", ""},     {"end", ""}, {"", "ADDRESS"},
      {"size", "SIZE", Align::right, true}, {"where", "WHERE"}};
  const std::uint64_t page_size = subject.reader().header().page_size();
  page.begin("memory", "Memory in the image");
  page.begin_table("runs", kColumns);
  for (const FileKey file : subject.files_of(Kind::pagemap)) {
    if (file.id > UINT32_MAX || !subject.is_chosen(static_cast<std::uint32_t>(file.id))) {
      continue;
    }
    const auto add = [&](const model::PageRun& run) {
      const std::uint64_t room = (UINT64_MAX - run.address) / page_size;
      const std::uint64_t size = std::min(run.pages, room) * page_size;
      const std::string_view where = run.is_present()     ? "image"
                                     : run.is_in_parent() ? "parent"
                                                          : "nowhere (zero)";
      page.row({Value::count(file.id), Value::hex(run.address), Value::hex(run.address + size),
                Value::text(fmt::format("{:012x}-{:012x}", run.address, run.address + size)),
                Value::size(size), Value::text(where)});
    };
    if (auto done = model::for_each_run(subject.reader(), file, add); !done) {
      subject.trouble(std::move(done).error());
    }
  }
  page.end_table();
  page.end();
}

Result<void> show_memory(Subject& subject, const MemoryPlace& place, Page& page) {
  static const std::vector<Column> kColumns = {{"address", ""}, {"bytes_base64", ""}};
  IMG_TRY(check_place(subject, place));
  page.begin("memory");
  page.field("pid", {}, Value::count(place.pid));
  page.field("address", {}, Value::hex(place.address));
  page.field("length", {}, Value::size(place.length));
  page.begin_table("parts", kColumns);
  HexSink sink(page, place.address);
  IMG_TRY(visit_process(subject, place.pid, place.address, place.address + place.length, sink));
  sink.gap(place.address + place.length);
  page.end_table();
  page.end();
  return {};
}

Result<std::uint64_t> write_memory(Subject& subject, const MemoryPlace& place, ByteSink& out) {
  IMG_TRY(check_place(subject, place));
  RawSink sink(out, place.address);
  IMG_TRY(visit_process(subject, place.pid, place.address, place.address + place.length, sink));
  IMG_TRY(sink.zeros(place.address + place.length));
  return sink.known;
}

}  // namespace img::show
