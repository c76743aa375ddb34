// SPDX-License-Identifier: MIT
#include "libimg/criu/directory_writer.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "libimg/base/unique_fd.h"
#include "libimg/criu/file_parser.h"
#include "libimg/criu/names.h"
#include "libimg/criu/zombie.h"
#include "schema/pack_generated.h"

namespace img::criu {

using model::FileKey;
using model::Record;
using schema::FileForm;
using schema::Kind;
using schema::KindInfo;

namespace {

/// The file that a key's bytes go to is a core also for a zombie.
const KindInfo& kind_of(FileKey file) {
  return schema::kind_info(file.kind == Kind::zombie ? Kind::core : file.kind);
}

Result<void> write_parts(ByteSink& out, const model::Payload& payload) {
  for (const Bytes part : payload.parts) {
    IMG_TRY(out.write(part));
  }
  return {};
}

}  // namespace

void FileComposer::begin(FileKey file, ByteSink& out) {
  file_ = file;
  out_ = &out;
  memory_ = nullptr;
  has_header_ = false;
  form_ = FileForm::standard;
  trailing_.clear();
}

Result<void> FileComposer::record(const Record& record) {
  if (record.key.seq == 0) {
    return note(record);
  }
  if (record.table == nullptr) {
    return write_parts(*out_, record.payload);
  }
  IMG_TRY(header());
  if (record.table->name == "PagemapChunk") {
    return chunk(record);
  }
  if (record.key.file.kind == Kind::zombie) {
    return zombie(record);
  }
  const auto& root = *flatbuffers::GetRoot<flatbuffers::Table>(record.flatbuffer.data());
  IMG_TRY(
      message(record.original.empty() ? encoder_.encode(*record.table, root) : record.original));
  return write_parts(*out_, record.payload);
}

Result<void> FileComposer::note(const Record& record) {
  form_ = record.as<schema::ImageFile>()->form();
  const KindInfo& info = kind_of(file_);
  if (info.is_raw() || file_.kind == Kind::unknown_file) {
    return write_parts(*out_, record.payload);
  }
  for (const Bytes part : record.payload.parts) {
    trailing_ += as_text(part);
  }
  return {};
}

Result<void> FileComposer::header() {
  if (has_header_) {
    return {};
  }
  has_header_ = true;
  const KindInfo& info = kind_of(file_);
  bool common = has_common_word(info, options_.img_version);
  if (form_ != FileForm::standard) {
    common = form_ == FileForm::common;
  }
  std::byte words[2 * kWordBytes];
  std::size_t size = 0;
  if (common) {
    options_.order.put32(words, info.is_service() ? kServiceMagic : kCommonMagic);
    size = kWordBytes;
  }
  options_.order.put32(words + size, info.magic);
  return out_->write({words, size + kWordBytes});
}

Result<void> FileComposer::message(Bytes bytes) {
  std::byte word[kWordBytes];
  options_.order.put32(word, static_cast<std::uint32_t>(bytes.size()));
  IMG_TRY(out_->write(word));
  return out_->write(bytes);
}

Result<void> FileComposer::chunk(const Record& record) {
  if (!record.original.empty()) {
    IMG_TRY(out_->write(record.original));
  } else {
    const auto* entries = record.as<schema::PagemapChunk>()->entries();
    const schema::TableLayout& layout = schema::table_layout("PagemapEntry");
    for (const schema::PagemapEntry* entry : *entries) {
      IMG_TRY(
          message(encoder_.encode(layout, reinterpret_cast<const flatbuffers::Table&>(*entry))));
    }
  }
  return memory_ == nullptr ? Result<void>{} : write_parts(*memory_, record.payload);
}

Result<void> FileComposer::zombie(const Record& record) {
  if (!record.original.empty()) {
    return message(record.original);
  }
  const Bytes core = lower_zombie(*record.as<schema::Zombie>(), own_);
  const auto& root = *flatbuffers::GetRoot<flatbuffers::Table>(core.data());
  return message(encoder_.encode(schema::table_layout("CoreEntry"), root));
}

Result<void> FileComposer::finish() {
  const KindInfo& info = kind_of(file_);
  if (!info.is_raw() && file_.kind != Kind::unknown_file) {
    IMG_TRY(header());
  }
  return out_->write(as_bytes(trailing_));
}

struct DirectoryWriter::OpenFile : ByteSink {
  OpenFile(UniqueFd opened, std::string name)
      : fd(std::move(opened)), sink(fd.get(), std::move(name)) {}
  Result<void> write(Bytes bytes) override { return sink.write(bytes); }

  UniqueFd fd;
  FdSink sink;
};

/// pages-N.img: made when the first page comes, since a pagemap without pages has no such file.
class DirectoryWriter::PagesFile : public ByteSink {
 public:
  PagesFile(int directory, std::string name, std::string place)
      : directory_(directory), name_(std::move(name)), place_(std::move(place)) {}

  Result<void> write(Bytes bytes) override {
    if (!sink_) {
      IMG_TRY(open(O_EXCL));
    }
    return sink_->write(bytes);
  }
  Result<void> open(int how) {
    fd_ = UniqueFd(::openat(directory_, name_.c_str(),
                            O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | how, 0600));
    if (!fd_.is_open()) {
      return fail(sys_error(errno, place_ + "/" + name_, "cannot be made"));
    }
    sink_.emplace(fd_.get(), place_ + "/" + name_);
    return {};
  }
  Result<void> flush() { return sink_ ? sink_->flush() : Result<void>{}; }

 private:
  int directory_;
  std::string name_;
  std::string place_;
  UniqueFd fd_;
  std::optional<FdSink> sink_;
};

DirectoryWriter::DirectoryWriter(int directory, std::string place, WriterOptions options,
                                 const DirectoryForm& form)
    : directory_(directory),
      place_(std::move(place)),
      form_(form),
      composer_(form.composer(options)) {}

DirectoryWriter::~DirectoryWriter() = default;

Result<std::unique_ptr<DirectoryWriter::OpenFile>> DirectoryWriter::create(
    const std::string& name) {
  UniqueFd fd(::openat(directory_, name.c_str(),
                       O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.is_open()) {
    return fail(sys_error(errno, place_ + "/" + name, "cannot be made"));
  }
  return std::make_unique<OpenFile>(std::move(fd), place_ + "/" + name);
}

Result<void> DirectoryWriter::begin(const Record& first) {
  file_ = first.key.file;
  if (file_.kind == Kind::pages && first.key.seq == 0) {
    // The tail of a file that its pagemap has begun.
    auto tail = std::make_unique<PagesFile>(directory_, image_file_name(file_), place_);
    IMG_TRY(tail->open(0));
    memory_ = std::move(tail);
    composer_->begin(file_, *memory_);
    return {};
  }
  std::string name;
  if (file_.kind == Kind::unknown_file) {
    const auto* text = first.as<schema::ImageFile>()->name();
    name = text == nullptr ? std::string() : text->str();
    if (name.empty() || name == "." || name == ".." || name == "parent" ||
        name.find_first_of(std::string_view("/\0", 2)) != std::string::npos) {
      return fail(Fault::corrupt, place_,
                  fmt::format("unknown file {}: its name '{}' is no file name", file_.id, name));
    }
    if (form_.parse_name(name)) {
      return fail(Fault::conflict, place_ + "/" + name,
                  "is a file that this form does not know the use of",
                  "under its name it would be read as an image file");
    }
  } else {
    name = form_.name_of(file_);
  }
  IMG_ASSIGN(out_, create(name));
  composer_->begin(file_, *out_);
  return {};
}

Result<void> DirectoryWriter::end() {
  if (out_ == nullptr && memory_ == nullptr) {
    return {};
  }
  IMG_TRY(composer_->finish());
  if (out_ != nullptr) {
    IMG_TRY(out_->sink.flush());
  }
  if (memory_ != nullptr) {
    IMG_TRY(memory_->flush());
  }
  out_.reset();
  memory_.reset();
  return {};
}

Result<void> DirectoryWriter::record(const Record& record) {
  const bool is_open = out_ != nullptr || memory_ != nullptr;
  if (!is_open || record.key.file != file_) {
    IMG_TRY(end());
    IMG_TRY(begin(record));
  }
  if (record.table != nullptr && record.table->name == "PagemapHead") {
    const std::uint32_t id = record.as<schema::PagemapHead>()->pages_id();
    memory_ = std::make_unique<PagesFile>(directory_, image_file_name({Kind::pages, id}), place_);
    composer_->set_memory(*memory_);
  }
  return composer_->record(record);
}

Result<void> DirectoryWriter::commit() {
  return end();
}

Result<void> DirectoryWriter::link_parent(const std::string& text) {
  if (::symlinkat(text.c_str(), directory_, "parent") != 0) {
    return fail(sys_error(errno, place_ + "/parent", "cannot make the link"));
  }
  return {};
}

}  // namespace img::criu
