// SPDX-License-Identifier: MIT
// One protobuf message of any table. Whatever decodes is a valid FlatBuffer, and encodes to the
// same bytes exactly where the decoder says so. Input: number of the table in two bytes, then the
// message.
#include <flatbuffers/reflection.h>

#include "libimg/criu/decoder.h"
#include "libimg/criu/encoder.h"
#include "schema/binary_schema.h"
#include "tests/fuzz/fuzz.h"
#include "tests/libimg/criu/random_message.h"

namespace {

const std::vector<const img::schema::TableLayout*>& tables() {
  static const auto all = [] {
    std::vector<const img::schema::TableLayout*> found;
    for (const auto& table : img::schema::table_layouts()) {
      if (!table.criu_name.empty()) {
        found.push_back(&table);
      }
    }
    return found;
  }();
  return all;
}

void encode_and_compare(const img::schema::TableLayout& table, img::Bytes buffer,
                        img::Bytes message, bool canonical) {
  const auto* schema = reflection::GetSchema(img::schema::binary_schema().data());
  const auto* object =
      schema->objects()->LookupByKey(("img.schema." + std::string(table.name)).c_str());
  img::fuzz::must_hold(
      flatbuffers::Verify(*schema, *object, reinterpret_cast<const std::uint8_t*>(buffer.data()),
                          buffer.size()),
      "the decoder makes valid FlatBuffers");
  static img::criu::Encoder encoder;
  const auto again =
      encoder.encode(table, *flatbuffers::GetRoot<flatbuffers::Table>(buffer.data()));
  img::fuzz::must_hold((img::as_text(again) == img::as_text(message)) == canonical,
                       "canonical means that encoding gives the same bytes");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) {
    return 0;
  }
  const auto& table = *tables()[(data[0] | data[1] << 8U) % tables().size()];
  const img::Bytes message = std::as_bytes(std::span(data + 2, size - 2));
  static img::criu::Decoder decoder;
  decoder.begin();
  if (const auto root = decoder.message(table, message)) {
    const bool canonical = decoder.is_canonical();
    encode_and_compare(table, decoder.finish(*root), message, canonical);
  }
  return 0;
}

std::vector<std::string> img::fuzz::seeds() {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < tables().size(); ++i) {
    for (unsigned seed = 0; seed < 3; ++seed) {
      const std::string number{static_cast<char>(i & 0xffU), static_cast<char>(i >> 8U)};
      out.push_back(number + criu::testing::RandomMessage(seed, seed != 0).message(*tables()[i]));
    }
  }
  return out;
}
