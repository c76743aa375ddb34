// SPDX-License-Identifier: MIT
// A value of a store's database. What the two checks let through (sizes and checksum, then the
// FlatBuffer) can be walked to its ends, in time that is in proportion to its size. Input: place in
// the list of kinds, seq, mode (bit 0: not an envelope, but the FlatBuffer in it), then the bytes.
#include <flatbuffers/reflection.h>

#include <filesystem>
#include <memory>

#include "libimg/criu/directory_reader.h"
#include "libimg/store/envelope.h"
#include "libimg/store/record_table.h"
#include "schema/binary_schema.h"
#include "schema/layout.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace img;
using flatbuffers::Table;

/// Reads everything that a table refers to, and counts it.
class Walk {
 public:
  explicit Walk(Bytes buffer) : left_(buffer.size()) {}

  void table(const Table& from, const schema::TableLayout& layout) {
    count(4);
    for (const schema::FieldLayout& field : layout.fields) {
      if (field.is_scalar() && !field.repeated) {
        if (const auto* at = from.GetAddressOf(field.voffset)) {
          bytes(at, field.width);
        }
        continue;
      }
      if (const auto* at = from.GetAddressOf(field.voffset)) {
        const bool is_struct = !field.repeated && field.table != nullptr && field.table->is_struct;
        if (is_struct) {
          bytes(at, 16);
        } else {
          reference(at + flatbuffers::ReadScalar<flatbuffers::uoffset_t>(at), field);
        }
      } else {
        fuzz::must_hold(!field.required, "what is required is there");
      }
    }
  }

 private:
  void count(std::size_t size) {
    fuzz::must_hold(size <= left_, "no byte is in two objects");
    left_ -= size;
  }
  void bytes(const std::uint8_t* at, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) {
      sum_ = sum_ + at[i];
    }
  }
  void text(const std::uint8_t* at) {
    const auto length = flatbuffers::ReadScalar<flatbuffers::uoffset_t>(at);
    count(length + 5);
    bytes(at + 4, length + 1);
    fuzz::must_hold(at[4 + length] == 0, "text ends with a zero");
  }
  void reference(const std::uint8_t* at, const schema::FieldLayout& field) {
    if (!field.repeated && field.type == schema::Type::string) {
      return text(at);
    }
    if (!field.repeated && field.type == schema::Type::table) {
      return table(*reinterpret_cast<const Table*>(at), *field.table);
    }
    const auto length = flatbuffers::ReadScalar<flatbuffers::uoffset_t>(at);
    const bool is_inline = field.is_scalar() || field.type == schema::Type::bytes ||
                           (field.table != nullptr && field.table->is_struct);
    if (is_inline) {
      const std::size_t width = field.table != nullptr              ? 16
                                : field.type == schema::Type::bytes ? 1
                                                                    : field.width;
      count(4 + length * width);
      return bytes(at + 4, length * width);
    }
    count(4 + std::size_t{4} * length);
    for (std::size_t i = 0; i < length; ++i) {
      const std::uint8_t* element = at + 4 + 4 * i;
      element += flatbuffers::ReadScalar<flatbuffers::uoffset_t>(element);
      if (field.type == schema::Type::string) {
        text(element);
      } else {
        table(*reinterpret_cast<const Table*>(element), *field.table);
      }
    }
  }

  std::size_t left_;
  volatile unsigned sum_ = 0;
};

void check_table(Bytes buffer, const store::RecordPlace& place) {
  if (!store::is_record_table(buffer, place)) {
    return;
  }
  const schema::TableLayout& layout = schema::table_layout(store::record_table(place));
  const auto* data = reinterpret_cast<const std::uint8_t*>(buffer.data());
  Walk(buffer).table(*flatbuffers::GetRoot<Table>(data), layout);
  const auto& all = *reflection::GetSchema(schema::binary_schema().data());
  const auto* object =
      all.objects()->LookupByKey(("img.schema." + std::string(layout.name)).c_str());
  fuzz::must_hold(flatbuffers::Verify(all, *object, data, buffer.size()),
                  "the library's check is no stricter");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) {
    return 0;
  }
  const auto kinds = schema::kinds();
  const store::RecordPlace place{kinds[data[0] % kinds.size()].kind, 7, data[1]};
  const Bytes input = std::as_bytes(std::span(data + 3, size - 3));
  const store::Key key = store::Key::record(1, place);
  // As LMDB would lend it: at a multiple of 8, and not one byte more.
  const std::unique_ptr<std::byte[]> copy(new std::byte[input.size()]);
  if (!input.empty()) {
    std::memcpy(copy.get(), input.data(), input.size());
  }
  const std::span<std::byte> value(copy.get(), input.size());
  if ((data[2] & 1U) != 0) {
    check_table(value, place);
    return 0;
  }
  if (value.size() >= 8) {
    store::seal_envelope(key.bytes(), value);
  }
  const auto envelope = store::decode_envelope(key.bytes(), value);
  if (!envelope) {
    const Fault fault = envelope.error().fault;
    fuzz::must_hold(fault == Fault::corrupt || fault == Fault::unsupported,
                    "a refusal says whether it is damage or news");
    return 0;
  }
  check_table(envelope->flatbuffer, place);
  fuzz::must_hold(store::envelope_size(*envelope, envelope->payload.size()) == value.size(),
                  "the parts are the whole");
  return 0;
}

namespace {

struct Seeds : model::RecordSink {
  std::vector<std::string> all;
  Result<void> record(const model::Record& record) override {
    const auto kinds = schema::kinds();
    std::size_t kind = 0;
    while (kinds[kind].kind != record.key.file.kind) {
      ++kind;
    }
    store::Envelope envelope;
    envelope.kind = static_cast<std::uint16_t>(record.key.file.kind);
    envelope.flatbuffer = record.flatbuffer;
    if (!record.original.empty()) {
      envelope.original = record.original;
    }
    const std::uint64_t size = record.payload.size();
    if (size > 4080) {
      envelope.run = store::PackRun{0, 4096, size};
    }
    if (record.flatbuffer.size() > 4096) {
      return {};
    }
    std::string value(store::envelope_size(envelope, size > 4080 ? 0 : size), '\0');
    store::encode_envelope(envelope, size > 4080 ? std::vector<Bytes>() : record.payload.parts,
                           reinterpret_cast<std::byte*>(value.data()));
    const std::string head = {static_cast<char>(kind), static_cast<char>(record.key.seq), '\0'};
    all.push_back(head + value);
    all.push_back(head.substr(0, 2) + '\1' + std::string(as_text(record.flatbuffer)));
    return {};
  }
};

}  // namespace

std::vector<std::string> img::fuzz::seeds() {
  Seeds seeds;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(STASIS_FIXTURES "/dumps")) {
    if (entry.path().filename() != "inventory.img") {
      continue;
    }
    auto reader = criu::DirectoryReader::open(entry.path().parent_path().string());
    auto files = reader ? (*reader)->files() : Result<std::vector<model::FileKey>>();
    for (std::size_t i = 0; files && i < files->size(); ++i) {
      static_cast<void>((*reader)->read((*files)[i], seeds));
    }
  }
  return seeds.all;
}
