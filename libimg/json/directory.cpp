// SPDX-License-Identifier: MIT
#include "libimg/json/directory.h"

#include "libimg/criu/names.h"
#include "libimg/criu/zombie.h"
#include "libimg/json/file_in.h"
#include "libimg/json/file_out.h"

namespace img::json {

using model::FileKey;
using schema::Kind;

namespace {

constexpr std::string_view kSuffix = ".json";

/// Files that have messages become JSON; a zombie's is a core.
bool has_json(Kind kind) {
  return kind == Kind::zombie || !schema::kind_info(kind).crit_name.empty();
}

class NoSink : public model::RecordSink {
 public:
  Result<void> record(const model::Record&) override { return {}; }
};

class Composer final : public criu::AnyComposer {
 public:
  explicit Composer(criu::WriterOptions options, WriteOptions json = {})
      : options_(json), raw_(options) {
    options_.order = options.order;
  }

  void begin(FileKey file, ByteSink& out) override {
    memory_ = nullptr;
    is_json_ = has_json(file.kind);
    if (is_json_) {
      const Kind kind = file.kind == Kind::zombie ? Kind::core : file.kind;
      json_.start(schema::kind_info(kind), out, options_);
    } else {
      raw_.begin(file, out);
    }
  }

  void set_memory(ByteSink& memory) override { memory_ = &memory; }

  Result<void> record(const model::Record& record) override {
    if (!is_json_) {
      return raw_.record(record);
    }
    if (record.key.file.kind == Kind::zombie && record.key.seq != 0) {
      return zombie(record);
    }
    IMG_TRY(json_.record(record));
    if (memory_ != nullptr && record.table->name == "PagemapChunk") {
      for (const Bytes part : record.payload.parts) {
        IMG_TRY(memory_->write(part));
      }
    }
    return {};
  }

  Result<void> finish() override { return is_json_ ? json_.finish() : raw_.finish(); }

 private:
  Result<void> zombie(const model::Record& record) {
    model::Record core = record;
    core.table = &schema::table_layout("CoreEntry");
    core.flatbuffer = criu::lower_zombie(*record.as<schema::Zombie>(), core_);
    return json_.record(core);
  }

  WriteOptions options_;
  bool is_json_ = false;
  ByteSink* memory_ = nullptr;
  FileOut json_;
  criu::FileComposer raw_;
  flatbuffers::FlatBufferBuilder core_;
};

class JsonForm final : public criu::DirectoryForm {
 public:
  schema::Origin origin() const override { return schema::Origin::json; }

  std::optional<FileKey> parse_name(std::string_view name) const override {
    const bool is_json = name.ends_with(kSuffix);
    if (is_json) {
      name.remove_suffix(kSuffix.size());
    }
    const std::optional<FileKey> key = criu::parse_file_name(name);
    return key && has_json(key->kind) == is_json ? key : std::nullopt;
  }

  std::string name_of(FileKey file) const override {
    return criu::image_file_name(file).append(has_json(file.kind) ? kSuffix : "");
  }

  criu::WordOrder order_of(Bytes inventory) const override {
    FileIn in(temporary_directory());
    NoSink sink;
    const bool read = in.parse({}, {Kind::inventory, 0}, "inventory", inventory, sink).has_value();
    return read ? in.order() : criu::WordOrder{};
  }

  /// It has a dozen lines; every live one has hundreds.
  std::uint64_t largest_zombie() const override { return 2048; }

  std::unique_ptr<criu::AnyParser> parser() const override {
    return std::make_unique<FileIn>(temporary_directory());
  }
  std::unique_ptr<criu::AnyComposer> composer(criu::WriterOptions options) const override {
    return std::make_unique<Composer>(options);
  }
};

}  // namespace

const criu::DirectoryForm& json_form() {
  static const JsonForm form;
  return form;
}

Result<std::unique_ptr<criu::DirectoryReader>> open_directory(const std::string& path,
                                                              criu::DirectoryOptions options) {
  options.form = &json_form();
  return criu::DirectoryReader::open(path, std::move(options));
}

std::unique_ptr<criu::DirectoryWriter> make_writer(int directory, std::string place,
                                                   criu::WriterOptions options) {
  return std::make_unique<criu::DirectoryWriter>(directory, std::move(place), options, json_form());
}

std::unique_ptr<criu::AnyComposer> make_composer(const WriteOptions& options) {
  return std::make_unique<Composer>(criu::WriterOptions{2, options.order}, options);
}

Result<FileKey> identify_text(Bytes text, const std::string& file_name) {
  IMG_ASSIGN(const schema::KindInfo* const kind, kind_of_text(text, file_name));
  const std::size_t slash = file_name.rfind('/');
  std::string_view base = std::string_view(file_name).substr(slash + 1);  // npos + 1 is 0
  if (base.ends_with(kSuffix)) {
    base.remove_suffix(kSuffix.size());
  }
  const std::optional<FileKey> named = criu::parse_file_name(base);
  const bool fits = named && schema::kind_info(named->kind).crit_name == kind->crit_name;
  return fits ? *named : FileKey{kind->kind, 0};
}

}  // namespace img::json
