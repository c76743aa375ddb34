// SPDX-License-Identifier: MIT
// Memory comes in pieces, and a match may lie across two that touch. Each piece is searched where
// it is; the seam between two is searched once more in a copy of both sides of it.
#include <algorithm>

#include "libimg/base/units.h"
#include "libimg/model/address_space.h"
#include "libimg/show/mappings.h"
#include "libimg/show/memory.h"
#include "libimg/show/process_memory.h"

namespace img::show {
namespace {

const std::vector<Column> kColumns = {{"pid", "PID", Align::right},
                                      {"shared_memory", ""},
                                      {"shared_offset", ""},
                                      {"address", "ADDRESS", Align::right},
                                      {"length", ""},
                                      {"where", "WHERE"},
                                      {"before", ""},
                                      {"match", ""},
                                      {"after", ""},
                                      {"", "TEXT"}};

/// One address space being searched.
class SearchSink : public model::MemorySink {
 public:
  /// `sights`: of a shared object, where it can be seen.
  SearchSink(Subject& subject, FileKey pagemap, std::vector<Sight> sights, const Matcher& matcher,
             std::size_t context, Page& page)
      : subject_(subject),
        pagemap_(pagemap),
        sights_(std::move(sights)),
        matcher_(matcher),
        context_(context),
        page_(page) {
    if (pagemap_.kind == Kind::pagemap) {
      mappings_ = mappings_of(subject, static_cast<std::uint32_t>(pagemap_.id));
    }
  }

  Result<void> memory(std::uint64_t address, Bytes bytes) override {
    const bool touches = !tail_.empty() && address == next_;
    const std::size_t from = touches ? seam(address, bytes) : (settle(), 0);
    search(address, bytes, from);
    keep_tail(bytes, touches);
    next_ = address + bytes.size();
    return {};
  }

  /// After the last piece.
  void settle() {
    if (held_) {
      report(*held_);
    }
    held_.reset();
    tail_.clear();
  }

  std::uint64_t matches = 0;

 private:
  struct Found {
    std::uint64_t address = 0;
    std::string before;
    std::string text;
    std::string after;
  };

  [[nodiscard]] std::size_t reach() const { return matcher_.longest() + context_; }

  Found cut(std::uint64_t base, Bytes bytes, const Matcher::Match& match) const {
    const std::size_t before = std::min(context_, match.begin);
    const std::size_t end = match.begin + match.size;
    const std::size_t after = std::min(context_, bytes.size() - end);
    return {base + match.begin, std::string(as_text(bytes.subspan(match.begin - before, before))),
            std::string(as_text(bytes.subspan(match.begin, match.size))),
            std::string(as_text(bytes.subspan(end, after)))};
  }

  /// A match that ends with its piece, or whose context does, is held until the next piece tells
  /// whether it goes on there.
  void search(std::uint64_t base, Bytes bytes, std::size_t from) {
    while (const auto match = matcher_.find(bytes, from)) {
      if (held_) {
        report(*held_);
        held_.reset();
      }
      Found found = cut(base, bytes, *match);
      from = match->begin + match->size;
      if (from + context_ >= bytes.size()) {
        held_ = std::move(found);
      } else {
        report(found);
      }
    }
  }

  /// Returns where the search of the new piece begins: after matches across the seam.
  std::size_t seam(std::uint64_t address, Bytes bytes) {
    std::vector<std::byte> both = tail_;
    const std::size_t head = std::min(bytes.size(), reach());
    both.insert(both.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(head));
    const std::uint64_t base = address - tail_.size();
    const std::size_t middle = tail_.size();
    // From a held match on; otherwise from the first byte a match across the seam can begin at.
    const std::size_t longest = matcher_.longest();
    std::size_t from = middle > longest - 1 ? middle - (longest - 1) : 0;
    if (held_) {
      from = held_->address >= base ? held_->address - base : 0;
      held_.reset();
    } else {
      from = std::max<std::size_t>(from, reported_end_ > base ? reported_end_ - base : 0);
    }
    std::size_t next = 0;
    while (const auto match = matcher_.find(both, from)) {
      if (match->begin >= middle) {
        break;  // found again in the piece itself
      }
      from = match->begin + match->size;
      report(cut(base, both, *match));
      next = from > middle ? from - middle : 0;
    }
    return next;
  }

  void keep_tail(Bytes bytes, bool touches) {
    const std::size_t wanted = reach();
    if (!touches || bytes.size() >= wanted) {
      tail_.clear();
    } else if (tail_.size() + bytes.size() > wanted) {
      tail_.erase(tail_.begin(), tail_.begin() + static_cast<std::ptrdiff_t>(
                                                     tail_.size() + bytes.size() - wanted));
    }
    const Bytes end = bytes.last(std::min(bytes.size(), wanted));
    tail_.insert(tail_.end(), end.begin(), end.end());
  }

  std::string where(std::uint64_t address) {
    if (pagemap_.kind == Kind::pagemap_shmem) {
      return "shared memory " + std::to_string(pagemap_.id) + " +" + hex(address);
    }
    const auto found = std::ranges::find_if(mappings_.all, [address](const Mapping& mapping) {
      return mapping.start <= address && address < mapping.end;
    });
    return found == mappings_.all.end() ? std::string() : mapping_words(subject_, *found);
  }

  const Sight* sight_of(std::uint64_t offset) const {
    const auto found = std::ranges::find_if(sights_, [offset](const Sight& sight) {
      return sight.offset <= offset && offset - sight.offset < sight.bytes;
    });
    return found == sights_.end() ? nullptr : &*found;
  }

  void report(const Found& found) {
    ++matches;
    reported_end_ = found.address + found.text.size();
    const bool shared = pagemap_.kind == Kind::pagemap_shmem;
    const Sight own{static_cast<std::uint32_t>(pagemap_.id), found.address, found.address, 0};
    const Sight* const sight = shared ? sight_of(found.address) : &own;
    const Value pid = sight == nullptr ? Value::none() : Value::count(sight->pid);
    const Value seen = sight == nullptr
                           ? Value::none()
                           : Value::hex(sight->address + (found.address - sight->offset));
    page_.row({pid, shared ? Value::count(pagemap_.id) : Value::none(),
               shared ? Value::hex(found.address) : Value::none(), seen,
               Value::count(found.text.size()), Value::text(where(found.address)),
               context_ == 0 ? Value::none() : Value::text(found.before), Value::text(found.text),
               context_ == 0 ? Value::none() : Value::text(found.after),
               Value::text(found.before + found.text + found.after)});
  }

  Subject& subject_;
  FileKey pagemap_;
  std::vector<Sight> sights_;
  const Matcher& matcher_;
  std::size_t context_;
  Page& page_;
  Mappings mappings_;
  std::vector<std::byte> tail_;  // the end of what has been searched
  std::uint64_t next_ = 0;       // the address after it
  std::uint64_t reported_end_ = 0;
  std::optional<Found> held_;
};

}  // namespace

Result<std::uint64_t> search_memory(Subject& subject, const Matcher& matcher, std::size_t context,
                                    Page& page) {
  if (context > kLargestContext) {
    return fail(Fault::usage, "--context", "at most 4096 bytes");
  }
  std::uint64_t matches = 0;
  const std::map<FileKey, std::vector<Sight>> sights = sights_of_shared(subject);
  page.begin("memory");
  page.begin_table("matches", kColumns);
  for (const Kind kind : {Kind::pagemap, Kind::pagemap_shmem}) {
    for (const FileKey file : subject.files_of(kind)) {
      const auto seen = sights.find(file);
      const bool is_wanted = kind == Kind::pagemap
                                 ? subject.is_chosen(static_cast<std::uint32_t>(file.id))
                                 : subject.choice().pids.empty() || seen != sights.end();
      if (!is_wanted) {
        continue;
      }
      SearchSink sink(subject, file, seen == sights.end() ? std::vector<Sight>() : seen->second,
                      matcher, context, page);
      model::AddressSpace space(subject.reader(), file);
      if (auto done = space.visit(0, UINT64_MAX, sink); !done) {
        subject.trouble(std::move(done).error());
      }
      sink.settle();
      matches += sink.matches;
    }
  }
  page.end_table();
  page.field("count", {}, Value::count(matches));
  page.end();
  return matches;
}

}  // namespace img::show
